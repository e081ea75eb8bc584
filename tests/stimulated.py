"""The kinds of stimulus that the tests go through."""

import pytest
import torch

from torchmass import stimuli

KINDS = {  # parameters whose gradient is checked, at times off the edges, and the rest of the constructor's arguments
    "constant": (stimuli.Constant, {"amplitude": 0.7}, {}),
    "step": (stimuli.Step, {"amplitude": 0.7, "onset": 2.0, "offset": 11.0}, {}),
    "smooth step": (stimuli.Step, {"amplitude": 0.7, "onset": 2.0, "offset": 11.0, "rise": 4.3}, {}),
    "step without an end": (stimuli.Step, {"amplitude": 0.7, "onset": 2.0, "rise": 4.3}, {}),
    "step that falls before it is up": (stimuli.Step, {"onset": 2.0, "offset": 4.0, "rise": 7.3}, {}),
    "train": (stimuli.PulseTrain, {"amplitude": 0.7, "onset": 1.0, "period": 5.0, "width": 2.2}, {}),
    "smooth train": (stimuli.PulseTrain, {"onset": 1.0, "period": 5.0, "width": 2.2, "rise": 1.5, "offset": 13.0}, {}),
    "sine": (stimuli.Sine, {"amplitude": 0.7, "frequency": 30.0, "phase": 0.4, "mean": 0.2}, {}),
    "ramp": (stimuli.Ramp, {"start": -0.3, "end": 0.7, "onset": 3.0, "duration": 9.1}, {}),
    "noise": (stimuli.Noise, {"sigma": 0.7}, {"interval": 2.5, "seed": 3, "in_size": 2}),
    "data": (stimuli.Data, {"samples": [[0.3, 1.0], [-0.4, 2.0], [0.9, 0.0]], "onset": 1.1}, {"dt": 4.0}),
    "held data": (stimuli.Data, {"samples": [0.3, -0.4, 0.9]}, {"dt": 4.0, "interpolation": "hold"}),
}
TIMES = torch.arange(0.0, 20.0, 0.73)
kinds = pytest.mark.parametrize("kind", KINDS)


def built(kind, **changed):
    """A stimulus of one of the kinds, with some of its values changed."""
    cls, values, options = KINDS[kind]
    return cls(**{**values, **options, **changed})
