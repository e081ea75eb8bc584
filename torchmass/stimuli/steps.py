"""Stimuli with edges: a step, a train of pulses, a ramp."""

import math
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Param
from torchmass.stimuli.stimulus import Waveform
from torchmass.stimuli.times import edge, slack


class Step(Waveform):
    r"""\(u(t) = a\,\big(e(t - t_\mathrm{on}) - e(t - t_\mathrm{off})\big)\): on from onset to offset.

    It is on at the onset and off at the offset; without an offset it stays on. \(e\) rises from 0 to 1 within `rise`
    ms, linearly: the stimulus is full from onset + rise on, falls from offset to offset + rise, and has the area
    \(a\,(t_\mathrm{off} - t_\mathrm{on})\) whatever the rise. With `rise=0`, the default, it jumps, and the gradient
    for onset and offset is 0: to fit these, give it a rise of several steps. Raises `ValueError` for an offset before
    the onset.
    """

    amplitude = Param(1.0, "", "Height, in the unit of the input.")
    onset = Param(0.0, "ms", "When it begins.")
    offset = Param(math.inf, "ms", "When it ends.")
    rise = Param(0.0, "ms", "Duration of either edge.", bounds=NONNEGATIVE)

    def __init__(
        self,
        amplitude: Any = amplitude.default,
        onset: Any = onset.default,
        offset: Any = None,
        rise: Any = rise.default,
    ) -> None:
        super().__init__(amplitude=amplitude, onset=onset, offset=math.inf if offset is None else offset, rise=rise)

    @staticmethod
    def rule(p: Any) -> tuple[Tensor, str]:
        """It ends after it begins."""
        return p.onset <= p.offset, "onset ≤ offset"

    @staticmethod
    def wave(t: Tensor, p: Any) -> Tensor:
        """The rising edge less the falling one."""
        near = slack(t, p.onset)
        return p.amplitude * (edge(t - p.onset, p.rise, near) - edge(t - p.offset, p.rise, near))


class PulseTrain(Waveform):
    r"""Pulses that begin at onset + kP, k = 0, 1, …, and are as high as `amplitude` for `width` ms.

    Each pulse is a `Step` of its own; with `rise` its edges are linear and that long. No pulse begins at `offset` or
    later; one under way is finished. Pulses begin at the steps they should however late: times are compared within
    their rounding. The offset has no gradient; with `rise=0` that for onset, period and width is 0.
    Raises `ValueError` for width + rise > period.
    """

    amplitude = Param(1.0, "", "Height, in the unit of the input.")
    onset = Param(0.0, "ms", "When the first pulse begins.")
    period = Param(100.0, "ms", "From the beginning of one pulse to that of the next.", bounds=POSITIVE)
    width = Param(10.0, "ms", "Duration of a pulse.", bounds=POSITIVE)
    offset = Param(math.inf, "ms", "When no more pulses begin.")
    rise = Param(0.0, "ms", "Duration of either edge of a pulse.", bounds=NONNEGATIVE)

    def __init__(
        self,
        amplitude: Any = amplitude.default,
        onset: Any = onset.default,
        period: Any = period.default,
        width: Any = width.default,
        offset: Any = None,
        rise: Any = rise.default,
    ) -> None:
        times = {"onset": onset, "period": period, "width": width, "rise": rise}
        super().__init__(amplitude=amplitude, offset=math.inf if offset is None else offset, **times)

    @staticmethod
    def rule(p: Any) -> tuple[Tensor, str]:
        """A pulse ends before the next begins."""
        return (p.width + p.rise) <= p.period * (1 + 1e-6), "width + rise ≤ period"

    @staticmethod
    def wave(t: Tensor, p: Any) -> Tensor:
        """A step in the time since the last pulse began."""
        near = slack(t, p.onset)
        since_onset = t - p.onset + near
        since = torch.remainder(since_onset, p.period) - near
        begins = (since_onset >= 0) & (t - since + near < p.offset)
        return p.amplitude * begins * (edge(since, p.rise, near) - edge(since - p.width, p.rise, near))


class Ramp(Waveform):
    r"""\(u(t)\) goes from `start` to `end` linearly, from onset to onset + duration; before and after it is constant.

    With `duration=0` it jumps, and the gradient for onset is 0.
    """

    start = Param(0.0, "", "Value up to the onset, in the unit of the input.")
    end = Param(1.0, "", "Value from onset + duration on.")
    onset = Param(0.0, "ms", "When it begins to change.")
    duration = Param(100.0, "ms", "How long it changes.", bounds=NONNEGATIVE)

    def __init__(
        self,
        start: Any = start.default,
        end: Any = end.default,
        onset: Any = onset.default,
        duration: Any = duration.default,
    ) -> None:
        super().__init__(start=start, end=end, onset=onset, duration=duration)

    @staticmethod
    def wave(t: Tensor, p: Any) -> Tensor:
        """The line between both values."""
        part = edge(t - p.onset, p.duration, slack(t, p.onset))
        return p.start * (1 - part) + p.end * part
