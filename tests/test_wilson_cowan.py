"""The Wilson–Cowan model as in the paper of 1972, and its family: each member is another one for some values."""

import pytest
import torch

import torchmass as tm

WITHOUT_DIVISION = {"wEE": 6.0, "wEI": 0.0, "wIE": 6.5, "wII": 0.0}
EQUAL = {"tau_E": 2.0, "tau_I": 2.0, "a_E": 1.1, "a_I": 1.1, "theta_E": 3.4, "theta_I": 3.4}
SAME = [  # a variant with its values, and the values with which the plain model is the same
    (tm.WilsonCowanNoSaturationStep, {}, {"r": 0.0}),
    (tm.WilsonCowanSymmetricStep, {"tau": 2.0}, EQUAL),
    (tm.WilsonCowanSimplifiedStep, {}, {"wEE": 8.0, "wIE": 8.0, "wEI": 12.0, "wII": 12.0}),
    (tm.WilsonCowanDivisiveStep, {"wEI": 0.0, "wII": 0.0}, WITHOUT_DIVISION),
    (tm.WilsonCowanDivisiveInputStep, {"wEI": 0.0, "wII": 0.0}, WITHOUT_DIVISION),
    (tm.WilsonCowanAdaptiveStep, {"b_E": 0.0, "b_I": 0.0}, {}),
    (tm.WilsonCowanThreePopulationStep, {"wEM": 0.0, "wIM": 0.0}, {}),
]


def test_a_preset_turns_as_in_figure_11_of_the_paper():
    """It needs P above a threshold; time constants of 8 ms make 25 Hz of it."""
    node = tm.WilsonCowanStep.preset("limit_cycle", 3, P=torch.tensor([1.0, 1.25, 2.2]))
    rE = tm.Simulator(node, dt=0.1).run(3000.0, transient=1000.0)["rE"]
    swing, x = rE.amax(0) - rE.amin(0), rE[:, 1] - rE[:, 1].mean()
    assert float(swing[1]) > 0.15
    assert float(swing[[0, 2]].max()) < 1e-4
    assert abs(int(((x[1:] > 0) & (x[:-1] <= 0)).sum()) / 2 - 25) <= 1


def test_a_preset_has_two_states_as_in_figure_4_of_the_paper():
    start = {"init_rE": torch.tensor([0.0, 0.5]), "init_rI": torch.tensor([0.0, 0.2])}
    ends = tm.Simulator(tm.WilsonCowanStep.preset("hysteresis", 2, **start), dt=0.1).run(200.0).state["rE"]
    assert float(ends[0]) < 1e-6
    assert float(ends[1]) > 0.2


def test_a_variant_has_no_presets_of_the_plain_model():
    assert not tm.WilsonCowanAdaptiveStep.presets


@pytest.mark.parametrize(("cls", "values", "plain"), SAME, ids=lambda value: getattr(value, "__name__", ""))
def test_a_variant_is_the_plain_model_where_it_says(cls, values, plain):
    inputs = {"rE_inp": 1.0 + 0.5 * torch.sin(torch.arange(400.0) / 20), "rI_inp": 0.3}
    nodes = (cls(**values), tm.WilsonCowanStep(**plain))
    found, expected = (tm.Simulator(node, dt=0.1).run(40.0, inputs=inputs) for node in nodes)
    for name in ("rE", "rI"):
        torch.testing.assert_close(found[name], expected[name], rtol=1e-9, atol=1e-12)


def test_linear_responses_rest_where_a_linear_system_does():
    node = tm.WilsonCowanLinearStep(r=0.0)
    end = tm.Simulator(node, dt=0.1).run(300.0, inputs={"rE_inp": 0.2, "rI_inp": 0.1}).state
    weights = torch.tensor([[0.8, -0.3], [1.0, -0.85]])
    rest = torch.linalg.solve(torch.eye(2) - weights, torch.tensor([0.2, 0.1]))
    torch.testing.assert_close(torch.cat([end["rE"], end["rI"]]), rest, rtol=1e-8, atol=0)


def test_adaptation_lowers_a_rate_that_lasts():
    node = tm.WilsonCowanAdaptiveStep(2, b_E=torch.tensor([0.0, 2.0]), b_I=0.0, init_rE=0.4, init_rI=0.2)
    run = tm.Simulator(node, dt=0.1).run(2000.0, inputs=1.5)
    early, late = run["rE"][300], run["rE"][-1]
    assert float(early[1] - late[1]) > 0.005
    assert abs(float(early[0] - late[0])) < 1e-6
    torch.testing.assert_close(run["aE"][-1, 1], 2 * late[1], rtol=1e-6, atol=0)  # where it rests


def test_division_lowers_what_excitation_brings():
    node = tm.WilsonCowanDivisiveStep(3, wEI=torch.tensor([0.0, 2.0, 8.0]))
    rE = tm.Simulator(node, dt=0.1).run(100.0, inputs=2.0).state["rE"]
    assert float(rE[0]) > float(rE[1]) > float(rE[2])
