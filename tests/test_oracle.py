"""Right-hand sides equal those of the functional reference and of other programs, where these are right."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import FLOWS

import torchmass as tm

FOLDER = Path(__file__).parent / "reference"
ARRAYS, OTHERS = np.load(FOLDER / "rhs.npz"), np.load(FOLDER / "others.npz")
PER_SECOND = {tm.JansenRitStep, tm.ThresholdLinearStep}
HALVES, WHOLE = {"wEI": 6.5, "wIE": 2.0}, {"wEI": 13.0, "wIE": 4.0}  # which the reference exchanges in some variants
VALUES = {
    tm.MontbrioPazoRoxinStep: {"tau": 1.0},
    tm.EpileptorStep: {"Kvf": 0.0, "Kf": 0.0},
    tm.WilsonCowanDivisiveStep: HALVES,
    tm.WilsonCowanDivisiveInputStep: HALVES,
    tm.WilsonCowanAdaptiveStep: WHOLE,
    tm.WilsonCowanThreePopulationStep: WHOLE,
}
ADDED = {  # inputs of the reference that are added to the derivative of a state, by place, and that we do not have
    tm.MontbrioPazoRoxinStep: {0: 0},
    tm.Generic2dOscillatorStep: {1: 0, 2: 1},
    tm.WongWangExcInhStep: {1: 0, 2: 1},
    tm.EpileptorStep: {2: 0, 3: 3},
}
LITERATURE = {tm.WongWangStep, tm.ZerlautSecondOrderStep}  # the reference has another f–I curve, and TVB other slopes
HERE = [cls for cls in FLOWS if f"{cls.__name__}.rhs" in ARRAYS]
THERE = {  # models that others have: the values with which the arrays were made, and the units of states
    tm.ReducedWongWangStep: ({}, 1.0),
    tm.Epileptor2dStep: ({"Kvf": 0.5}, 1.0),
    tm.CoombesByrne4dStep: ({}, 1.0),
    tm.ZerlautStep: (
        {"a_i": 1.0, "b_i": 2.0, "tau_w_i": 50.0, "external_input_ex_ex": 0.0, "external_input_in_ex": 0.0},
        torch.tensor([1e3, 1e3, 1.0, 1.0]),  # rates in Hz, there in kHz
    ),
    tm.ThalamusStep: ({}, 1.0),
}


def test_every_model_is_held_to_another_program_or_to_the_literature():
    assert {*HERE, *THERE, *LITERATURE} == {*FLOWS}  # maps have tests of their own, of steps


@pytest.mark.parametrize("cls", HERE, ids=lambda cls: cls.__name__)
def test_right_hand_side_equals_the_reference(cls):
    state, inputs, rhs = (torch.from_numpy(ARRAYS[f"{cls.__name__}.{key}"]) for key in ("state", "inputs", "rhs"))
    added = ADDED.get(cls, {})
    for place, to in added.items():
        rhs[:, to] -= inputs[:, place]
    inputs = inputs[:, [place for place in range(inputs.shape[1]) if place not in added]]
    if cls in PER_SECOND:
        rhs = rhs / 1000
    node = cls(in_size=len(state), **VALUES.get(cls, {}))
    found = node.rhs(dict(zip(node.states, state.T, strict=True)), **dict(zip(node.inputs, inputs.T, strict=True)))
    torch.testing.assert_close(torch.stack(list(found.values()), 1), rhs, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("cls", "values", "unit"), [(cls, *how) for cls, how in THERE.items()], ids=lambda v: str(v)[:40]
)
def test_right_hand_side_equals_that_of_other_programs(cls, values, unit):
    state, inputs, rhs = (torch.from_numpy(OTHERS[f"{cls.__name__}.{key}"]) for key in ("state", "inputs", "rhs"))
    state, rhs = state * unit, rhs * unit
    if cls is tm.ZerlautStep:
        inputs = inputs * 1e3
    node = cls(in_size=len(state), **values)
    drive = {node.port: inputs[:, 0]}
    found = torch.stack(list(node.rhs(dict(zip(node.states, state.T, strict=True)), **drive).values()), 1)
    known = ~rhs.isnan()
    torch.testing.assert_close(found[known], rhs[known], rtol=1e-8, atol=1e-9)
