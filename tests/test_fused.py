"""The fused kernel equals eager: values and gradients, for every model and integrator, in any shape."""

import pytest
import torch
from conftest import MODELS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import torchmass as tm
from torchmass.kernels.trace import TraceError


def node_of(cls, n, batch=None):
    """A noisy node with every parameter free, the first with a batch axis where there is one."""
    first, port = next(iter(cls.state_declarations)), next(iter(cls.input_declarations))
    values = {f"noise_{first}": tm.WhiteNoise(0.01), f"noise_{port}": tm.WhiteNoise(torch.full((n,), 0.02))}
    if batch:
        name = cls.P._fields[0]
        values[name] = cls.declarations[name].default * (1 + 0.01 * torch.arange(batch, dtype=torch.float64)[:, None])
    node = cls(n, **values).free(*cls.P._fields)
    node.noise[port].free("sigma")
    return node


def results(node, backend, method, steps=60, **options):
    """Series, end and gradients of everything, with all kinds of monitors."""
    first = next(iter(node.states))
    monitors = {name: name for name in node.states} | {"eeg": "output", "mean": lambda s: s[first].mean(-1)}
    sim = tm.Simulator(node, dt=0.05, method=method, backend=backend)
    start = {name: value.clone().requires_grad_() for name, value in node.initial_state().items()}
    drive = 0.1 * torch.sin(torch.arange(steps)).reshape(steps, 1, 1)
    drive = (drive * torch.ones(node.in_size)).requires_grad_()
    options = {"transient": 0.5, "sample_every": 3, "seed": 2} | options
    run = sim.run(steps * 0.05, inputs=drive, monitors=monitors, x0=start, **options)
    assert run.backend == backend
    series = [run[name] for name in monitors] + list(run.state.values())
    loss = sum(value.square().mean() for value in series)
    return series + list(torch.autograd.grad(loss, [*node.parameters(), *start.values(), drive]))


def assert_equal(found, expected, tolerance):
    for a, b in zip(found, expected, strict=True):
        assert a.shape == b.shape
        assert float((a - b).detach().abs().max()) <= tolerance * float(b.detach().abs().max())


@pytest.mark.slow
@pytest.mark.parametrize("method", tm.INTEGRATORS)
@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_fused_equals_eager(cls, method):
    node = node_of(cls, 5, batch=3)
    assert_equal(results(node, "fused", method), results(node, "eager", method), 1e-12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(n=st.sampled_from([1, 2, 15, 16, 17, 33, 80]), batch=st.sampled_from([None, 1, 2, 7]), steps=st.integers(12, 40))
def test_fused_equals_eager_in_any_shape(n, batch, steps):
    node = node_of(tm.HopfStep, n, batch)
    assert_equal(results(node, "fused", "heun", steps), results(node, "eager", "heun", steps), 1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_fused_equals_eager_in_float32(cls):
    torch.set_default_dtype(torch.float32)
    node = cls(7)
    series = []
    for backend in ("eager", "fused"):
        run = tm.Simulator(node, dt=0.05, backend=backend).run(50.0, inputs=0.1)
        series.append([run[name] for name in node.states])
    assert_equal(series[1], series[0], 2e-5)


def test_fused_continues_a_run_bit_for_bit():
    sim = tm.Simulator(node_of(tm.HopfStep, 3), dt=0.1, backend="fused")
    whole, first = sim.run(4.0, seed=1), sim.run(1.7, seed=1)
    second = sim.run(2.3, x0=first.state)
    assert torch.equal(torch.cat([first["x"], second["x"]]), whole["x"])


def test_a_value_does_not_depend_on_its_lane():
    a = torch.linspace(-0.1, 0.3, 37)
    batch = tm.Simulator(tm.HopfStep(1, a=a[:, None], noise_x=tm.WhiteNoise(0.1)), 0.1, backend="fused").run(
        5.0, seed=1
    )
    for i in (0, 5, 16, 36):
        node = tm.HopfStep(1, a=a[i], noise_x=tm.WhiteNoise(0.1))
        one = tm.Simulator(node, 0.1, backend="fused").run(5.0, seed=1, first_simulation=i)
        assert torch.equal(one["x"], batch["x"][:, i])


def test_states_that_are_not_asked_for_are_not_kept():
    run = tm.Simulator(tm.JansenRitStep(3), dt=0.1, backend="fused").run(5.0, monitors=["E"], sample_every=10)
    assert list(run) == ["E", "ts"]
    assert run["E"].shape == (5, 3)


def test_a_second_derivative_raises_and_is_not_silently_wrong():
    sim = tm.Simulator(tm.HopfStep(1).free("a"), dt=0.1, backend="fused")
    loss = lambda a: torch.func.functional_call(sim, {"model.raw.a": a}, (1.0,))["x"].sum()
    a = torch.tensor(0.1, requires_grad=True)
    (first,) = torch.autograd.grad(loss(a) + a**2, a, create_graph=True)
    with pytest.raises(RuntimeError, match="no derivative of its own: use backend='eager'"):
        torch.autograd.grad(first, a)
    with pytest.raises(RuntimeError, match="no derivative of its own"):
        torch.func.grad(torch.func.grad(loss))(a.detach())


def test_a_jvp_is_the_derivative_and_not_a_silent_zero():
    sim = tm.Simulator(tm.HopfStep(1).free("a"), dt=0.1, backend="fused")
    loss = lambda a: torch.func.functional_call(sim, {"model.raw.a": a}, (1.0,))["x"].sum()
    a = torch.tensor(0.1)
    _, tangent = torch.func.jvp(loss, (a,), (torch.tensor(1.0),))
    assert float(tangent) != 0
    torch.testing.assert_close(tangent, torch.func.grad(loss)(a), rtol=1e-12, atol=0)


def test_a_model_that_branches_on_a_value_is_refused_with_the_reason():
    class Branching(tm.NeuralMass):
        x = tm.State(0.1, "", "Activity.")
        a = tm.Param(1.0, "", "Rate.")
        x_inp = tm.Input("", "Input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return (-p.a * s.x + u.x_inp if s.x > 0 else -s.x,)

    with pytest.raises(TraceError, match=r"cannot be fused: it branches on a value.*torch\.where.*backend='eager'"):
        tm.Simulator(Branching(1), 0.1, backend="fused").run(1.0)
