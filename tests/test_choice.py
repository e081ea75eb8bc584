"""backend="auto" is fused where the fused loop applies and pays, eager elsewhere, and the log says why."""

import pytest
import torch
from torch.func import functional_call, hessian

import torchmass as tm
from torchmass.kernels.cpp import build

LONG, SHORT = 200.0, 199.0  # ms, as many steps: building a kernel pays from 200 on
REMEMBERED = (build._load, build._found, build._version, build.said_once)

needs_compiler = pytest.mark.skipif(build.compiler() is None, reason="no C++ compiler here")


@pytest.fixture(autouse=True)
def nothing_is_built(tmp_path, monkeypatch):
    """An empty cache, and nothing remembered from another test or for the next."""
    for remembered in REMEMBERED:
        remembered.cache_clear()
    monkeypatch.setenv("TORCHMASS_CACHE", str(tmp_path / "cache"))
    yield
    for remembered in REMEMBERED:
        remembered.cache_clear()


def new_node(n=1, **values):
    """A model that no process has built: its constant is new each time."""
    number = float(torch.rand((), generator=torch.Generator().manual_seed(next(NEW))))

    class New(tm.NeuralMass):
        x = tm.State(0.1, "", "Activity.")
        a = tm.Param(-0.1, "", "Rate.")
        x_inp = tm.Input("", "Input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return (p.a * s.x - number * s.x**3 + u.x_inp,)

    return New(n, **values)


NEW = iter(range(1000))


def chosen(node, duration, **options):
    return tm.Simulator(node, dt=1.0, **options).run(duration).backend


@needs_compiler
def test_a_long_run_is_fused_and_a_short_one_is_eager_until_the_kernel_is_built():
    node = new_node()
    assert chosen(node, SHORT) == "eager"
    assert chosen(node, LONG) == "fused"
    assert chosen(node, SHORT) == chosen(node, 1.0) == "fused"
    assert chosen(new_node(), SHORT) == "eager"


@needs_compiler
@pytest.mark.parametrize("backend", ["adam", "cma"])
def test_a_fit_to_short_runs_is_fused_since_there_are_many(backend):
    sim, backends = tm.Simulator(new_node().free(a=(-1.0, 0.0)), dt=1.0), []

    def predict(sim):
        found = sim.run(SHORT)
        backends.append(found.backend)
        return found["x"]

    tm.Fitter(sim, lambda p: p.square().mean((0, -1)), predict=predict, backend=backend).fit(2)
    assert set(backends) == {"fused"}
    assert chosen(new_node(), SHORT) == "eager"


@needs_compiler
def test_simulations_for_inference_are_fused_since_there_are_many():
    sim, backends = tm.Simulator(new_node().free(a=(-1.0, 0.0)), dt=1.0), []

    def summary(sim):
        found = sim.run(SHORT)
        backends.append(found.backend)
        return found["x"][-1]

    tm.simulator_for_sbi(sim, ["a"], summary)(torch.full((2, 1), -0.5))
    assert backends == ["fused"]


@needs_compiler
def test_a_kernel_is_built_for_each_dtype():
    node = new_node()
    assert chosen(node, LONG) == "fused"
    assert chosen(node.float(), SHORT) == "eager"
    assert chosen(node.double(), SHORT) == "fused"


@needs_compiler
def test_a_kernel_that_another_process_built_is_used(monkeypatch):
    node = new_node()
    sim = tm.Simulator(node, dt=1.0)
    sim.run(LONG)
    for kernel in tm.kernels.kernel.KERNELS.values():
        monkeypatch.setattr(kernel, "_libraries", {})
    assert sim.run(1.0).backend == "fused"


@needs_compiler
def test_the_choice_is_logged_once_with_its_reason(caplog):
    sim = tm.Simulator(new_node(), dt=1.0)
    with caplog.at_level("INFO", logger="torchmass"):
        sim.run(SHORT)
        sim.run(SHORT)
    (message,) = caplog.messages
    assert "'eager' for heun with x" in message
    assert "fewer than 200 steps" in message
    with caplog.at_level("INFO", logger="torchmass"):
        sim.run(LONG)
    assert "'fused' for heun with x" in caplog.messages[-1]


@pytest.mark.parametrize("cxx", [None, "no-such-compiler"])
def test_without_a_compiler_it_is_eager_and_said_once_with_what_to_do(cxx, monkeypatch, caplog):
    monkeypatch.setenv("PATH", "")
    if cxx:
        monkeypatch.setenv("CXX", cxx)
    else:
        monkeypatch.delenv("CXX", raising=False)
    sim = tm.Simulator(new_node(), dt=1.0)
    with caplog.at_level("INFO", logger="torchmass"):
        assert [sim.run(LONG).backend for _ in range(3)] == ["eager"] * 3
    (message,) = caplog.messages
    assert "; install g++ or clang++, or point CXX at a compiler" in message


def test_a_cxx_that_fails_is_eager_too(monkeypatch, tmp_path):
    program = tmp_path / "compile"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o700)
    monkeypatch.setenv("CXX", str(program))
    assert chosen(new_node(), LONG) == "eager"


@needs_compiler
def test_without_a_compiler_asking_for_fused_raises(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(build.NoCompilerError, match=r"install g\+\+ or clang\+\+"):
        chosen(new_node(), LONG, backend="fused")


def test_a_network_is_fused_and_eager_where_kernels_of_networks_end(caplog):
    network = tm.Network(tm.HopfStep(2), [[0.0, 1.0], [1.0, 0.0]])
    assert chosen(network, LONG) == "fused"
    with caplog.at_level("INFO", logger="torchmass"):
        assert tm.Simulator(network, 0.1).explain(30.0, gradient="forward").backend == "eager"
    assert "its nodes are coupled" in caplog.messages[0]


def test_a_model_that_cannot_be_traced_is_eager_and_said_why(caplog):
    class Unknown(tm.NeuralMass):
        x = tm.State(0.1, "", "Activity.")
        x_inp = tm.Input("", "Input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return (-torch.digamma(2 + s.x) + u.x_inp,)

    with caplog.at_level("INFO", logger="torchmass"):
        assert chosen(Unknown(1), LONG) == "eager"
    assert "digamma" in caplog.messages[0]


def test_a_dtype_without_kernels_is_eager(caplog):
    with caplog.at_level("INFO", logger="torchmass"):
        assert chosen(tm.HopfStep(1).bfloat16(), LONG) == "eager"
    assert "kernels are for float32 and float64" in caplog.messages[0]


def test_a_second_derivative_is_eager_at_any_length():
    node = tm.HopfStep(1).free("a")
    seen = []

    def loss(a, backend):
        run = functional_call(tm.Simulator(node, dt=0.1, backend=backend), {"model.raw.a": a}, (20.0,))
        seen.append(run.backend)
        return run["x"].square().mean()

    a = torch.tensor(0.1)
    assert torch.equal(hessian(loss)(a, "auto"), hessian(loss)(a, "eager"))
    assert seen == ["eager", "eager"]


def test_an_adaptive_method_is_torchdiffeqs():
    assert chosen(tm.HopfStep(1), 10.0, method="dopri5") == "torchdiffeq"


@needs_compiler
def test_a_gradient_carried_forward_is_fused_at_any_length():
    run = tm.Simulator(new_node().free("a"), dt=1.0).run(5.0, gradient="forward")
    assert run.backend == "fused"


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_what_is_asked_for_is_what_runs(backend):
    assert chosen(tm.HopfStep(1), 3.0, backend=backend) == backend


@needs_compiler
def test_a_short_run_is_fused_where_eager_cannot_do_it():
    node = new_node()
    assert chosen(node, SHORT) == "eager"
    sim = tm.Simulator(node.free("a"), dt=1.0, method="exp_euler")
    assert sim.run(SHORT, checkpoint="sqrt").backend == "fused"


def test_a_layer_multiplies_a_large_matrix_with_many_sequences_at_once():
    small, large = (tm.nn.RecurrentMass(tm.HopfStep, 3, nodes).simulator for nodes in (16, 600))
    chosen = lambda sim, sequences, steps=10: sim.explain(None, inputs=torch.zeros(steps, sequences, 1)).backend
    assert [chosen(small, 64), chosen(large, 4), chosen(large, 8)] == ["fused", "fused", "eager"]
    assert chosen(large, 8, steps=4000) == "fused"  # whose gradient eager steps would have no room for
    with torch.no_grad():
        assert chosen(large, 8, steps=4000) == "eager"
