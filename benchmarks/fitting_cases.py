"""The steps of fits that are timed."""

from dataclasses import dataclass, replace
from typing import Self

TR, AVERAGED = 720.0, 4.0  # ms


@dataclass(frozen=True)
class RestingState:
    """84 regions of reduced Wong–Wang with delays and noise to BOLD to FC, and the gradient of the global coupling.

    The loss is the RMSE of FC to a target, over all pairs. Without noise, engines are compared over 30 TR.
    """

    steps: int = 60_000  # of 1 ms
    sigma: float = 0.01
    key: str = "rww 84 to FC"
    title: str = (
        "Reduced Wong–Wang, 84 regions, delays ≤ 75 ms, 60,000 steps of 1 ms, noise, HRF BOLD, FC, gradient of G"
    )

    def shortened(self) -> Self:
        """30 TR without noise, of which every engine draws its own."""
        return replace(self, steps=min(self.steps, int(30 * TR)), sigma=0.0)


@dataclass(frozen=True)
class Population:
    """The losses of 64 candidates of an 80-region Hopf network, which a search such as CMA-ES asks for at once."""

    steps: int = 1000
    candidates: int = 64
    key: str = "population"
    title: str = "64 candidates of (k, a), 80 Hopf regions, noise, 1,000 steps of 0.1 ms, RMSE to a target"

    def shortened(self) -> Self:
        """The same: candidates draw the same noise in a batch as alone."""
        return self


Case = RestingState | Population
CASES: tuple[Case, ...] = (RestingState(), Population())
