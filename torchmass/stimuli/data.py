"""A stimulus given by its samples."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from torchmass.declare import Param
from torchmass.naming import lookup
from torchmass.parametrised import Parametrised
from torchmass.stimuli.stimulus import Stimulus, beside_time
from torchmass.stimuli.times import EPS, milliseconds, whole_intervals


class Data(Parametrised, Stimulus):
    r"""Samples \(s_k\) at the times onset + k·dt: joined by lines (`"linear"`) or each held for dt ms (`"hold"`).

    `samples` is (T,) or (T, *b, N or 1). Before the first sample and after the last the stimulus is 0: after onset +
    (T - 1)·dt with `"linear"`, from onset + T·dt on with `"hold"`. Once freed every sample is a parameter. `onset` is a
    number, which has no gradient with `"hold"`. Samples that are held at the dt of a run are the same input as their
    tensor. Raises `ValueError` for samples without a time axis and for an unknown interpolation.
    """

    samples = Param(0.0, "", "Samples, in the unit of the input.")
    onset = Param(0.0, "ms", "Time of the first sample.")

    def __init__(self, samples: Any, dt: float, interpolation: str = "linear", *, onset: Any = onset.default) -> None:
        super().__init__(samples=samples, onset=onset)
        lookup("torchmass", "interpolation", interpolation, INTERPOLATIONS)
        self.dt, self.interpolation = milliseconds("Data.dt", dt), interpolation
        self._checked()

    def _checked(self) -> tuple[Tensor, Tensor]:
        """The samples as (T, *b, N or 1), and the onset."""
        samples, onset = self.samples, self.onset
        if not samples.ndim or not len(samples):
            raise ValueError(f"Data.samples must be (T,) or (T, *b, N or 1), got shape {tuple(samples.shape)}.")
        if onset.ndim:
            raise ValueError(f"Data.onset must be a number, got shape {tuple(onset.shape)}.")
        return samples.unsqueeze(-1) if samples.ndim == 1 else samples, onset

    def evaluate(self, t: Tensor) -> Tensor:
        """The interpolated samples."""
        samples, onset = self._checked()
        rounding = 8 * EPS * t.abs() + 4 * torch.finfo(onset.dtype).eps * onset.detach().abs()
        return INTERPOLATIONS[self.interpolation](samples, (t - onset) / self.dt, rounding / self.dt)

    def extra_repr(self) -> str:
        """The samples and how they are joined."""
        return f"{super().extra_repr()}, dt={self.dt:g}, interpolation={self.interpolation!r}"


def _hold(samples: Tensor, q: Tensor, slack: Tensor) -> Tensor:
    """The sample whose interval `q` lies in."""
    k = whole_intervals(q, slack)
    return _where((k >= 0) & (k < len(samples)), _nearest(samples, k))


def _linear(samples: Tensor, q: Tensor, slack: Tensor) -> Tensor:
    """The line from the sample before `q` to the next."""
    k, end, last = whole_intervals(q, slack), -whole_intervals(-q, slack), len(samples) - 1
    part = beside_time((q - k).to(samples.dtype), samples.ndim - 1)
    line = _nearest(samples, k) * (1 - part) + _nearest(samples, k + 1) * part
    return _where((k >= 0) & (end <= last), line)


def _nearest(samples: Tensor, k: Tensor) -> Tensor:
    return samples[k.clamp(0, len(samples) - 1)]


def _where(there: Tensor, rows: Tensor) -> Tensor:
    return torch.where(beside_time(there, rows.ndim - 1), rows, 0.0)


INTERPOLATIONS: Mapping[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"linear": _linear, "hold": _hold}
