"""The Wilson–Cowan model with delays: the reference's numbers, and what delays are and do."""

from pathlib import Path

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass.wilson_cowan_delayed import PATHS, DelayedRates

ARRAYS = np.load(Path(__file__).parent / "reference" / "networks.npz")
REFERENCE = {k.split(".")[1]: torch.from_numpy(ARRAYS[k]) for k in ARRAYS if k.startswith("WilsonCowanDelayedStep.")}
WEIGHTS = {"wEI": 13.0, "wIE": 4.0}  # which the reference exchanges in this variant
DRIVEN = {"P": 1.25, "Q": 0.3, **WEIGHTS}
LATE = {"delay_EE": 0.73, "delay_EI": 1.31, "delay_IE": 2.05, "delay_II": 0.46}  # no whole number of steps
ENDS = ["rE", "rI"]


def final(net, dt=0.1, duration=6.0, backend="eager", **options):
    state = tm.Simulator(net, dt, backend=backend).run(duration, **options).state
    return torch.stack([state[name] for name in ENDS], -1)


def test_right_hand_side_equals_the_reference():
    node = DelayedRates(32, **WEIGHTS)
    states, inputs = (
        zip(names, REFERENCE[key].T, strict=True) for names, key in ((ENDS, "state"), (node.inputs, "inputs"))
    )
    found = node.rhs(dict(states), **dict(inputs))
    torch.testing.assert_close(torch.stack(list(found.values()), 1), REFERENCE["rhs"], rtol=1e-12, atol=1e-14)


def reference_path(steps, late):
    """The states of the reference step by step, which holds delays over a step and has not seen the start."""
    node, path = DelayedRates(1, **DRIVEN), [torch.tensor([[0.2], [0.1]])]
    for n in range(steps):
        seen = {name: path[n - late[name]] if n > late[name] else torch.zeros(2, 1) for name in PATHS}
        delayed = {name: seen[name][ENDS.index(f"r{name[1]}")] for name in PATHS}
        moved = node(dict(zip(ENDS, path[-1], strict=True)), dt=0.1, **delayed)
        path.append(torch.stack(list(moved.values())))
    return torch.stack(path)


def test_a_run_equals_the_reference_from_where_all_it_sees_is_its_own_past():
    path, begin = reference_path(500, {"EE": 20, "EI": 15, "IE": 20, "II": 15}), 50
    torch.testing.assert_close(path[::5, :, 0], REFERENCE["traj_heun2"], rtol=0, atol=1e-13)
    net = tm.WilsonCowanDelayedStep(**DRIVEN)
    for coupling in net.couplings.values():
        coupling.hold = True  # as the reference does
    x0 = {name: path[begin, place] for place, name in enumerate(ENDS)}
    x0 |= {f"history_{name}": path[:begin, place] for place, name in enumerate(ENDS)}
    run = tm.Simulator(net, 0.1).run(45.0, x0=x0)
    torch.testing.assert_close(torch.stack([run["rE"], run["rI"]], 1), path[begin + 1 :], rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1, 3])
def test_without_delays_it_is_the_plain_model(n):
    values = {"P": torch.linspace(0, 2, n), "init_rE": torch.linspace(0.1, 0.4, n), "r": 0.8}
    net = tm.WilsonCowanDelayedStep(n, **dict.fromkeys(LATE, 0.0), **values)
    torch.testing.assert_close(final(net), final(tm.WilsonCowanStep(n, **values)), rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", LATE)
def test_a_delay_is_of_the_population_that_is_named_first(name):
    """What the other does is the same until it hears of it."""
    step = tm.Simulator(tm.WilsonCowanDelayedStep(delay_EE=3.0, delay_EI=3.0, delay_IE=3.0, delay_II=3.0), 0.1)
    early = tm.Simulator(tm.WilsonCowanDelayedStep(**({**dict.fromkeys(LATE, 3.0), name: 0.5})), 0.1)
    history = {f"history_{state}": torch.linspace(0.3, 0.0, 40)[:, None] for state in ENDS}
    one, other = (sim.run(0.1, x0=history | {"rE": 0.0, "rI": 0.0}) for sim in (step, early))
    changed = {state for state in ENDS if not torch.equal(one[state], other[state])}
    assert changed == {f"r{name[-2]}"}


def test_every_node_and_every_simulation_may_have_its_own_delay():
    delays = torch.tensor([[0.5, 1.25], [2.0, 3.1], [0.0, 1.7]])
    both = final(tm.WilsonCowanDelayedStep(2, delay_EI=delays, P=1.0))
    column = final(tm.WilsonCowanDelayedStep(2, delay_EI=delays[:, :1], P=1.0))
    for b, row in enumerate(delays):
        torch.testing.assert_close(both[b], final(tm.WilsonCowanDelayedStep(2, delay_EI=row, P=1.0)))
        torch.testing.assert_close(column[b, 1], column[b, 0])
        for n, delay in enumerate(row):
            torch.testing.assert_close(both[b, n], final(tm.WilsonCowanDelayedStep(delay_EI=delay, P=1.0))[0])


def test_the_fused_loop_gives_what_eager_gives_and_its_gradients():
    net = tm.WilsonCowanDelayedStep(3, P=torch.linspace(0, 2, 3), **LATE).free("wEE", "wEI", "P", "tau_E", *LATE)

    def values(backend):
        end = final(net, backend=backend)
        return [end, *torch.autograd.grad(end.square().sum(), list(net.parameters()))]

    for ours, expected in zip(values("fused"), values("eager"), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", LATE)
def test_the_gradient_of_a_delay_is_that_of_finite_differences(name):
    def end(delay):
        return final(tm.WilsonCowanDelayedStep(P=1.5, init_rE=0.3, **{**LATE, name: delay})).sum()

    value, h = torch.tensor(LATE[name]), 1e-6
    slope = torch.autograd.functional.jacobian(end, value)
    assert float(slope) != 0
    torch.testing.assert_close(slope, (end(value + h) - end(value - h)) / (2 * h), rtol=1e-5, atol=1e-9)


def test_a_delay_is_freed_and_assigned_by_its_name():
    net = tm.WilsonCowanDelayedStep(2).free("delay_EE", "wEE", delay_II=(0.5, 4.0))
    assert set(dict(net.named_parameters())) == {"coupling.EE.raw.delays", "coupling.II.raw.delays", "node.raw.wEE"}
    net.assign(delay_EE=1.0, wEE=10.0)
    assert [float(net.coupling["EE"].delays.detach()), float(net.node.wEE.detach())] == pytest.approx([1.0, 10.0])
    assert not list(net.fix("delay_EE", "delay_II", "wEE").parameters())


def test_nodes_reach_each_other_through_further_couplings():
    weights = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    between = tm.AdditiveCoupling(weights, k=0.7)
    net = tm.WilsonCowanDelayedStep(2, coupling={"between": between})
    alone = tm.WilsonCowanDelayedStep(2)
    state = {"rE": torch.tensor([0.1, 0.4]), "rI": torch.tensor([0.2, 0.3])}
    expected = alone.rhs(state, rE_inp=torch.tensor([0.7 * 0.4, 0.0]))
    for name, slope in net.rhs(state).items():
        torch.testing.assert_close(slope, expected[name])


TURNS = tm.WilsonCowanStep.presets["limit_cycle"] | {"P": 2.5, "delay_EE": 0.0, "delay_II": 0.0}


def test_inhibition_that_comes_late_makes_it_oscillate_where_it_rests_and_only_the_way_around_matters():
    to, back = torch.tensor([0.0, 2.0, 0.0, 1.0, 0.6]), torch.tensor([0.0, 0.0, 2.0, 1.0, 1.4])
    net = tm.WilsonCowanDelayedStep(5, delay_IE=to, delay_EI=back, **TURNS)
    rE = tm.Simulator(net, 0.1).run(1200.0, transient=1000.0)["rE"]
    swing = rE.amax(0) - rE.amin(0)
    assert float(swing[0]) < 1e-4
    torch.testing.assert_close(swing[1:], torch.full((4,), 0.329), rtol=0, atol=2e-3)


BAD = {
    "a negative delay": (lambda: tm.WilsonCowanDelayedStep(delay_EE=-1.0), ValueError, "delays must be ≥ 0 ms"),
    "a delay for each of other nodes": (
        lambda: tm.WilsonCowanDelayedStep(3, delay_II=torch.ones(2)),
        ValueError,
        "delay_II must be",
    ),
    "an unknown parameter": (lambda: tm.WilsonCowanDelayedStep(wXX=1.0), TypeError, "no parameter 'wXX'"),
    "an unknown delay": (lambda: tm.WilsonCowanDelayedStep().free("delay_XX"), TypeError, "no parameter 'delay_XX'"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_says_what_is_wrong(what):
    make, kind, message = BAD[what]
    with pytest.raises(kind, match=message):
        make()
