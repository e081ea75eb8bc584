"""Stimuli that are refused: every error says what, which rule and what now."""

import math

import pytest
import torch

import torchmass as tm
from torchmass import stimuli

TIMES = [0.0, 1.0]


def run(inputs):
    return tm.Simulator(tm.LinearStep(2), dt=0.1).run(1.0, inputs=inputs)


WRONG = {
    "a width of 0": (lambda: stimuli.PulseTrain(width=0.0), "PulseTrain.width must be > 0 ms"),
    "a negative width": (lambda: stimuli.PulseTrain(width=-1.0), "PulseTrain.width must be > 0 ms, got -1"),
    "a period below the width": (
        lambda: stimuli.PulseTrain(period=5.0, width=[1.0, 6.0]),
        "PulseTrain needs width \\+ rise ≤ period, got period=5 at index 1, width=6 at index 1",
    ),
    "a period below width and rise": (lambda: stimuli.PulseTrain(period=5.0, width=4.0, rise=2.0), "≤ period"),
    "a negative rise": (lambda: stimuli.Step(rise=-1.0), "Step.rise must be ≥ 0 ms"),
    "an offset before the onset": (lambda: stimuli.Step(1.0, 5.0, 2.0), "onset ≤ offset, got onset=5, offset=2"),
    "an offset assigned before the onset": (
        lambda: stimuli.Step(1.0, 5.0, 9.0).assign(offset=2.0).at(TIMES),
        "onset ≤ offset",
    ),
    "an infinite onset": (lambda: stimuli.Step(onset=math.inf), "Step.onset must be finite, got inf"),
    "a NaN amplitude": (lambda: stimuli.Constant([0.0, math.nan]), "must be finite, got nan at index 1"),
    "a NaN offset": (lambda: stimuli.Step(offset=math.nan), "Step.offset must be finite, got nan"),
    "an end that never comes to be freed": (lambda: stimuli.Step().free("offset"), "strictly inside its bounds"),
    "parameters that do not broadcast": (
        lambda: stimuli.Step(torch.ones(3), torch.ones(2)),
        r"parameters of Step do not broadcast.*amplitude \(3,\), onset \(2,\)",
    ),
    "an unknown interpolation": (lambda: stimuli.Data([1.0], 1.0, "cubic"), "'cubic'. It has linear, hold"),
    "samples without time": (lambda: stimuli.Data(1.0, 1.0), r"Data.samples must be \(T,\)"),
    "a NaN sample": (lambda: stimuli.Data([1.0, math.nan], 1.0), "Data.samples must be finite"),
    "samples 0 ms apart": (lambda: stimuli.Data([1.0], 0.0), "Data.dt must be > 0 ms and finite, got 0"),
    "an onset of data per region": (lambda: stimuli.Data([1.0], 1.0, onset=[1.0, 2.0]), "onset must be a number"),
    "a negative sigma": (lambda: stimuli.Noise(-1.0, 1.0, 0), "Noise.sigma must be ≥ 0"),
    "an interval of 0": (lambda: stimuli.Noise(1.0, 0.0, 0), "Noise.interval must be > 0 ms"),
    "a negative seed": (lambda: stimuli.Noise(1.0, 1.0, -1), "Noise.seed must be a whole number ≥ 0"),
    "a seed out of range": (lambda: stimuli.Noise(1.0, 1.0, 2**64), "below 2⁶⁴"),
    "a sigma of another size": (lambda: stimuli.Noise([1.0, 2.0], 1.0, 0, in_size=3), "Noise.sigma must be a number"),
    "a region out of range": (lambda: stimuli.regions(4, [0, 4]), "must lie in 0 … 3, got 4 at index 1"),
    "a mask of another size": (lambda: stimuli.regions(4, [True]), r"must be \(4,\), got shape \(1,\)"),
    "regions that are no whole numbers": (lambda: stimuli.regions(4, [0.5]), "whole numbers or a mask"),
    "times without an axis": (lambda: stimuli.Sine().at(1.0), r"times must be \(T,\)"),
    "no times": (lambda: stimuli.Sine().at([]), r"times must be \(T,\) with T ≥ 1"),
    "a NaN time": (lambda: stimuli.Sine().at([0.0, math.nan]), "times must be finite, got nan at index 1"),
    "a stimulus of another size": (lambda: run(stimuli.Step([1.0] * 3)), "input x_inp must be"),
    "a stimulus of another dtype": (
        lambda: run(stimuli.Step().float()),
        "input x_inp is torch.float32, the model torch.float64",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_bad_input_is_refused_with_what_rule_and_value(case):
    wrong, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        wrong()


def test_a_stimulus_combines_with_no_word():
    with pytest.raises(TypeError, match="must be a number, an array or a tensor, got str"):
        stimuli.Step() * "x"
