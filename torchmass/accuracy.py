"""Whether a step is small enough, as `Simulator.check_dt` finds it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class DtCheck:
    """The largest difference between a run and the same run at dt/2, relative to each state's largest magnitude."""

    dt: float
    order: int
    tolerance: float
    duration: float
    differences: Mapping[str, float]
    noise_off: bool

    @property
    def worst(self) -> float:
        """The largest difference of any state."""
        return max(self.differences.values())

    @property
    def ok(self) -> bool:
        """Whether every difference is within the tolerance."""
        return self.worst <= self.tolerance

    @property
    def suggestion(self) -> float:
        """A round step that should be small enough if the error falls at the order of the method; check it again."""
        wanted = self.dt * max(0.1, (self.tolerance / self.worst) ** (1 / self.order))
        decade = 10.0 ** math.floor(math.log10(wanted))
        return decade * max(digit for digit in (1, 2, 2.5, 5) if digit * decade <= wanted * (1 + 1e-9))

    def __bool__(self) -> bool:
        return self.ok

    def __str__(self) -> str:
        name = max(self.differences, key=lambda key: self.differences[key])
        noise = ", without its noise" if self.noise_off else ""
        verdict = "is small enough" if self.ok else "is too large"
        advice = "" if self.ok else f" Try dt={self.suggestion:g} ms or a method of higher order, and check again."
        return (
            f"dt={self.dt:g} ms {verdict}: over {self.duration:g} ms{noise}, {name} differs from a run at dt/2 by "
            f"{100 * self.worst:.2g} % of its largest value (allowed: {100 * self.tolerance:g} %).{advice}"
        )


def relative_difference(coarse: Tensor, fine: Tensor) -> float:
    """The largest difference relative to the largest magnitude; infinite where either left the finite numbers."""
    difference, scale = float((coarse - fine).abs().max()), float(fine.abs().max())
    if not difference < float("inf"):
        return float("inf")
    return difference / scale if scale > 0 else difference
