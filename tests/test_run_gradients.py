"""How the gradient of a run is computed: recomputation changes memory only, a horizon cuts, forward equals reverse."""

import pytest
import torch
from agreement import assert_equal, node_of, outcome
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import torchmass as tm
from torchmass import stretches
from torchmass.kernels import call

BACKENDS = pytest.mark.parametrize("backend", ["eager", "fused"])


def found(backend, steps=150, method="heun", cls=tm.FitzHughNagumoStep, **options):
    """Values and gradients of a noisy run in a batch, with an input that moves."""
    sim = tm.Simulator(node_of(cls, 3, batch=2, noise="two"), dt=0.05, method=method, backend=backend)
    port = next(iter(cls.input_declarations))
    drive = {port: torch.sin(torch.arange(3.0 * steps)).reshape(steps, 3)}
    options = {"monitors": ["output"], "transient": 0.2, "sample_every": 7} | options
    return outcome(sim, steps, inputs=drive, **options)


@BACKENDS
@pytest.mark.parametrize("checkpoint", ["sqrt", 1, 2, 7, 64, 149, 150, 1000])
def test_recomputation_changes_memory_and_not_gradients(backend, checkpoint):
    assert_equal(found(backend, checkpoint=checkpoint), found(backend))


@BACKENDS
@pytest.mark.parametrize("method", tm.INTEGRATORS)
def test_recomputation_works_with_every_integrator(backend, method):
    if (backend, method) == ("eager", "exp_euler"):
        with pytest.raises(ValueError, match="'exp_euler' is for the fused loop"):
            found(backend, 40, method, checkpoint="sqrt")
    else:
        assert_equal(found(backend, 40, method, checkpoint="sqrt"), found(backend, 40, method))


@pytest.mark.parametrize("backend", ["eager", "fused", "triton"])
@pytest.mark.parametrize("delays", [None, 0.3])
def test_recomputation_of_a_network_works_with_exponential_euler_in_kernels(delays, backend):
    net = tm.Network(tm.HopfStep(2), torch.rand(2, 2), delays=delays).free("k")
    sim = tm.Simulator(net, dt=0.05, method="exp_euler", backend=backend)
    slope = lambda **way: torch.autograd.grad(sim.run(1.0, **way)["x"].sum(), net.coupling.raw.k)
    if backend == "eager":
        with pytest.raises(ValueError, match="'exp_euler' is for the fused loop"):
            slope(checkpoint=7)
    else:
        torch.testing.assert_close(slope(checkpoint=7), slope())


def test_so_it_does_for_what_is_observed_in_a_long_run(monkeypatch):
    for name in ("KEPT", "ROOM"):  # for which a run of two stretches is a long one
        monkeypatch.setattr(stretches, name, 0)
    sim = tm.Simulator(tm.HopfStep(2).free("a"), dt=0.05, method="exp_euler", backend="eager")
    with pytest.raises(ValueError, match="observe= of a long run"):
        sim.run(0.05 * 2 * stretches.LEAST, observe=tm.Subsample(10).of("x"))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.integers(5, 300), every=st.integers(1, 300), horizon=st.none() | st.integers(1, 300))
def test_recomputation_works_for_any_number_of_steps(steps, every, horizon):
    options = {"steps": steps, "grad_horizon": horizon}
    assert_equal(found("fused", checkpoint=every, **options), found("fused", **options))


@pytest.fixture
def kept(monkeypatch):
    """How many numbers each run keeps for its gradient."""
    sizes, native = [], call.forward

    def noted(*args):
        results = native(*args)
        sizes.append(results[-1].numel())
        return results

    monkeypatch.setattr(call, "forward", noted)
    return sizes


def test_recomputation_takes_less_memory(kept):
    for checkpoint in ("none", "sqrt", 1000):
        found("fused", 10_000, checkpoint=checkpoint)
    assert kept[2] == 10 * 3 * 16  # ten times three states of one vector of 16 lanes
    assert kept[2] < kept[1] < kept[0] / 4


@pytest.mark.parametrize("horizon", [1, 2, 7, 32, 64, 149, 150, 200])
@pytest.mark.parametrize("checkpoint", ["none", 5])
def test_a_horizon_cuts_the_gradient_of_both_backends_at_the_same_steps(horizon, checkpoint):
    expected = found("eager", grad_horizon=horizon)
    assert_equal(found("fused", grad_horizon=horizon, checkpoint=checkpoint), expected)


@BACKENDS
def test_a_horizon_is_truncated_backpropagation(backend):
    """With a horizon of W, the gradient of a loss of the end is that of the last W steps alone."""
    node = tm.HopfStep(2, noise_x=tm.WhiteNoise(0.1)).free("a", "w")
    sim = tm.Simulator(node, dt=0.1, backend=backend)
    before = sim.run(3.0, seed=1).state.detach()
    last = sim.run(1.0, x0=before).state["x"].sum()
    expected = torch.autograd.grad(last, tuple(node.parameters()))
    whole = sim.run(4.0, seed=1, grad_horizon=10).state["x"].sum()
    torch.testing.assert_close(torch.autograd.grad(whole, tuple(node.parameters())), expected, rtol=1e-12, atol=0)


@BACKENDS
def test_a_horizon_leaves_the_values(backend):
    cut, whole = found(backend, grad_horizon=3), found(backend)
    values = [name for name in whole if not name.startswith("gradient")]
    assert all(torch.equal(cut[name], whole[name]) for name in values)
    assert not torch.allclose(cut["gradient of start of V"], whole["gradient of start of V"])


def forward_case(gradient, free, start=None, monitors=None, batch=None, **options):
    """Series and gradients of a run that is asked for a few of them."""
    a = 0.2 if batch is None else torch.linspace(0.1, 0.3, batch)[:, None]
    noise = {"noise_x": tm.WhiteNoise(torch.tensor([0.1, 0.2, 0.3])), "noise_y_inp": tm.OUProcess(0.1, 2.0)}
    node = tm.HopfStep(3, a=a, **noise).free(*free)
    node.noise["x"].free("sigma")
    node.noise["y_inp"].free("tau")
    x0 = {} if start is None else {"x": start.requires_grad_()}
    sim = tm.Simulator(node, dt=0.05, backend="fused")
    run = sim.run(5.0, x0=x0, monitors=monitors, seed=1, gradient=gradient, sample_every=3, **options)
    assert run.backend == "fused"
    leaves = dict(node.named_parameters()) | {f"start of {name}": value for name, value in x0.items()}
    seen = {name: run[name] for name in run if name != "ts"} | {f"end of {n}": v for n, v in run.state.items()}
    loss = sum((value * torch.linspace(0.5, 2, value.numel()).view_as(value)).sum() for value in seen.values())
    gradients = torch.autograd.grad(loss, list(leaves.values()))
    return seen | {f"gradient of {name}": value for name, value in zip(leaves, gradients, strict=True)}


@pytest.mark.parametrize("batch", [None, 4])
@pytest.mark.parametrize("monitors", [None, ["output"], {"eeg": "output", "mean": lambda s: s.x.mean(-1)}])
def test_a_gradient_carried_forward_equals_the_reverse_one(monitors, batch):
    options = {"free": ["a", "w", "beta"], "start": torch.rand(3), "monitors": monitors, "batch": batch}
    assert_equal(*(forward_case(gradient, **options) for gradient in ("forward", "reverse")))


def test_eight_values_are_carried_forward_and_nine_are_refused():
    node = tm.FitzHughNagumoStep(2).free("alpha", "beta", "gamma", "delta", "epsilon", "tau")
    x0 = {name: torch.tensor([0.1, 0.2], requires_grad=True) for name in node.states}
    leaves = [*node.parameters(), *x0.values()]
    run = lambda gradient, **inputs: tm.Simulator(node, dt=0.1, backend="fused").run(
        2.0, x0=x0, gradient=gradient, inputs=inputs
    )
    each = [torch.autograd.grad(run(gradient)["V"].sum(), leaves) for gradient in ("forward", "reverse")]
    torch.testing.assert_close(*each, rtol=1e-12, atol=1e-14)
    with pytest.raises(ValueError, match=r"up to 8 starts and parameters; there are 9\. Use 'reverse'"):
        run("forward", w_inp=torch.tensor(0.1, requires_grad=True))


def test_an_input_that_changes_in_time_has_no_gradient_carried_forward():
    sim = tm.Simulator(tm.HopfStep(1).free("a"), dt=0.1, backend="fused")
    drive = torch.rand(20)
    assert sim.run(2.0, inputs=drive, gradient="forward")["x"].requires_grad
    with pytest.raises(ValueError, match=r"input x_inp changes in time\. Use 'reverse'"):
        sim.run(2.0, inputs=drive.requires_grad_(), gradient="forward")


def test_a_gradient_carried_forward_keeps_nothing(kept):
    forward_case("forward", ["a"])
    assert kept == [0]


def test_an_eager_run_does_not_carry_gradients_forward_and_says_so():
    sim = tm.Simulator(tm.HopfStep(1).free("a"), dt=0.1, backend="eager")
    with pytest.raises(ValueError, match=r"gradient='forward' is carried by the fused loop, and this run is eager"):
        sim.run(1.0, gradient="forward")


REFUSED = {
    "checkpoint of 0": ({"checkpoint": 0}, "checkpoint, if not 'none' or 'sqrt', .*must be a whole number ≥ 1, got 0"),
    "checkpoint of a half": ({"checkpoint": 2.5}, "checkpoint, if not 'none' or 'sqrt'"),
    "checkpoint of a word": ({"checkpoint": "log"}, "checkpoint, if not 'none' or 'sqrt'"),
    "checkpoint of a truth": ({"checkpoint": True}, "checkpoint, if not 'none' or 'sqrt'"),
    "horizon of 0": ({"grad_horizon": 0}, "grad_horizon, in steps, must be a whole number ≥ 1"),
    "negative horizon": ({"grad_horizon": -3}, "grad_horizon, in steps, must be a whole number ≥ 1"),
    "horizon of a half": ({"grad_horizon": 0.5}, "grad_horizon, in steps,"),
    "unknown gradient": ({"gradient": "both"}, "gradient must be 'reverse' or 'forward', got 'both'"),
    "forward with checkpoint": ({"gradient": "forward", "checkpoint": "sqrt"}, "leave out checkpoint"),
    "forward with horizon": ({"gradient": "forward", "grad_horizon": 3}, "checkpoint and grad_horizon"),
}


@BACKENDS
@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_option_is_refused_with_its_rule(backend, case):
    options, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        tm.Simulator(tm.HopfStep(1).free("a"), dt=0.1, backend=backend).run(1.0, **options)
