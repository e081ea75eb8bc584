"""Right-hand sides equal those of the functional reference, where the reference is right."""

from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import MODELS

import torchmass as tm

ARRAYS = np.load(Path(__file__).parent / "reference" / "rhs.npz")
PER_SECOND = {tm.JansenRitStep}
VALUES = {tm.MontbrioPazoRoxinStep: {"tau": 1.0}}
ADDED_TO_THE_FIRST_DERIVATIVE = {tm.MontbrioPazoRoxinStep}


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_right_hand_side_equals_the_reference(cls):
    state, inputs, rhs = (torch.from_numpy(ARRAYS[f"{cls.__name__}.{key}"]) for key in ("state", "inputs", "rhs"))
    if cls in ADDED_TO_THE_FIRST_DERIVATIVE:
        rhs = torch.cat([rhs[:, :1] - inputs[:, :1], rhs[:, 1:]], 1)
        inputs = inputs[:, 1:]
    if cls in PER_SECOND:
        rhs = rhs / 1000
    node = cls(in_size=len(state), **VALUES.get(cls, {}))
    found = node.rhs(dict(zip(node.states, state.T, strict=True)), **dict(zip(node.inputs, inputs.T, strict=True)))
    torch.testing.assert_close(torch.stack(list(found.values()), 1), rhs, rtol=1e-10, atol=1e-10)
