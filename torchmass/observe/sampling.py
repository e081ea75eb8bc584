"""Fewer samples: every k-th, or the mean over k."""

import torch
from torch import Tensor

from torchmass.observe.observer import Carry, Observer, counted, taken
from torchmass.result import Quantity
from torchmass.values import whole_steps


class Periodic(Observer):
    """What has a row, of the kind of the signal, at the end of every `period` ms."""

    def __init__(self, period: float) -> None:
        super().__init__()
        self.period = float(period)

    def samples(self, dt: float) -> int:
        """How many samples make a period."""
        return whole_steps("period", self.period, dt, least=1)

    def spacing(self, dt: float) -> float:
        return self.samples(dt) * dt

    def quantity(self, seen: Quantity, dt: float) -> Quantity:
        return seen

    def extra_repr(self) -> str:
        """The period."""
        return f"period={self.period:g}"


class Subsample(Periodic):
    """The last sample of every period: (T, *b, N) to (T // k, *b, N), where k samples make `period` ms.

    Rows are the samples k − 1, 2k − 1, …, to the bit, in stretches too. Raises `ValueError` where `period` is no
    multiple of dt.
    """

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        count, before = self.samples(dt), taken(carry)
        rows = z[count - 1 - before :: count].clone()  # a view would keep the whole stretch
        return (counted((before + len(z)) % count),), rows


class TemporalAverage(Periodic):
    """The mean over every period: (T, *b, N) to (T // k, *b, N), where k samples make `period` ms.

    Periods do not overlap; samples of one that is not complete at the end have no row. In stretches the rows are the
    same, to rounding. Raises `ValueError` where `period` is no multiple of dt.
    """

    def __init__(self, period: float = 4.0) -> None:
        super().__init__(period)

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        count = self.samples(dt)
        samples = z if carry is None else torch.cat((carry[0], z))
        periods = len(samples) // count
        complete = samples[: periods * count].unflatten(0, (periods, count))  # (R, k, *b, N)
        return (samples[periods * count :].clone(),), complete.mean(1)
