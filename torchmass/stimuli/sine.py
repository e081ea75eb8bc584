"""A sinusoidal stimulus."""

import math
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE
from torchmass.declare import Param
from torchmass.stimuli.stimulus import Waveform


class Sine(Waveform):
    r"""\(u(t) = \bar u + a \sin(2\pi f t/1000 + \varphi)\), with t in ms and f in Hz, at all times.

    `* Step(1.0, onset, offset)` confines it; its phase is still that at t = 0.
    """

    amplitude = Param(1.0, "", "Largest deviation from the mean, in the unit of the input.")
    frequency = Param(10.0, "Hz", "Frequency.", bounds=NONNEGATIVE)
    phase = Param(0.0, "rad", "Phase at t = 0.")
    mean = Param(0.0, "", "Mean, in the unit of the input.")

    def __init__(
        self,
        amplitude: Any = amplitude.default,
        frequency: Any = frequency.default,
        phase: Any = phase.default,
        mean: Any = mean.default,
    ) -> None:
        super().__init__(amplitude=amplitude, frequency=frequency, phase=phase, mean=mean)

    @staticmethod
    def wave(t: Tensor, p: Any) -> Tensor:
        """The sine about its mean."""
        return p.mean + p.amplitude * torch.sin(2 * math.pi * 1e-3 * p.frequency * t + p.phase)
