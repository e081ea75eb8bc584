"""The fused kernel equals eager in any shape, splits and continues as eager does, and refuses what it cannot do."""

import pytest
import torch
from agreement import EXACT, SINGLE, assert_as_exact, assert_equal, node_of, outcome
from conftest import MODELS, step_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import torchmass as tm

AXES = {  # of a value, in b simulations of n nodes
    "number": lambda b, n: (),
    "node": lambda b, n: (n,),
    "simulation": lambda b, n: (b, 1),
    "both": lambda b, n: (b, n),
}
MONITORS = st.lists(st.sampled_from(["x", "y", "output"]), min_size=1, unique=True) | st.sampled_from(
    [None, {"mean": lambda s: s.x.mean(-1)}, {"difference": lambda s: s.x - s.y, "eeg": "output"}]
)
SHAPES = st.fixed_dictionaries(
    {
        "n": st.sampled_from([1, 2, 15, 16, 17, 33, 80]),
        "batch": st.sampled_from([None, 1, 2, 7]),
        "steps": st.integers(12, 80),
        "parameter": st.sampled_from(list(AXES)),
        "start": st.sampled_from(list(AXES)),
        "drive": st.sampled_from(list(AXES)),
        "moves": st.booleans(),
        "dtype": st.sampled_from([torch.float64, torch.float32]),
        "monitors": MONITORS,
    }
)


def shaped_run(backend, n, batch, steps, parameter, start, drive, moves, dtype, monitors):
    """A run of two noisy states whose parameter, start and input have their values along the axes given."""
    torch.set_default_dtype(dtype)
    torch.manual_seed(1)
    values = lambda axes, *time: torch.rand((*time, *AXES[axes](batch or 1, n)))
    node = node_of(tm.HopfStep, n, noise="two", a=0.2 + 0.1 * values(parameter))
    inputs = {"x_inp": values(drive, steps) if moves else values("number"), "y_inp": 0.1}
    sim = tm.Simulator(node, dt=0.05, backend=backend)
    x0 = {"x": values(start), "y": values("both" if start == "simulation" else "number")}
    return outcome(sim, steps, inputs=inputs, x0=x0, monitors=monitors, batch_size=batch, sample_every=2)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(case=SHAPES)
def test_fused_equals_eager_in_any_shape(case):
    found, expected = shaped_run("fused", **case), shaped_run("eager", **case)
    if case["dtype"] == torch.float64:
        assert_equal(found, expected, EXACT)
    else:  # the sum that a gradient is may cancel, and then keeps few digits in either of them
        assert_equal(found, expected, SINGLE, gradients=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_fused_equals_eager_in_float32_over_1000_steps(cls):
    dt, runs = step_of(cls, 0.05), []
    for backend, dtype in (("fused", torch.float32), ("eager", torch.float32), ("eager", torch.float64)):
        torch.set_default_dtype(dtype)
        run = tm.Simulator(cls(7), dt, backend=backend).run(1000 * dt, inputs=0.1)
        runs.append({name: run[name] for name in cls.state_declarations})
    assert_as_exact(*runs)


def test_fused_continues_a_run_bit_for_bit():
    sim = tm.Simulator(node_of(tm.HopfStep, 3, noise="two"), dt=0.1, backend="fused")
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


def test_an_input_expanded_over_time_is_one_that_does_not_change():
    drive = torch.rand(4).requires_grad_()
    rows = drive.expand(60, 4)
    sim = tm.Simulator(tm.HopfStep(4), dt=0.05, backend="fused")
    expanded, copied = (sim.run(3.0, inputs=u)["x"] for u in (rows, rows.clone()))
    torch.testing.assert_close(expanded, copied, rtol=1e-13, atol=0)
    gradients = [torch.autograd.grad(x.square().sum(), drive) for x in (expanded, copied)]
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=0)
