"""Right-hand sides equal those of the functional reference, where the reference is right."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MODELS

import torchmass as tm

ARRAYS = np.load(Path(__file__).parent / "reference" / "rhs.npz")
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
OF_THE_LITERATURE = {tm.WongWangStep}  # the reference has another f–I curve


@pytest.mark.parametrize("cls", [cls for cls in MODELS if cls not in OF_THE_LITERATURE], ids=lambda cls: cls.__name__)
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
