"""Simulations for inference: many runs of one network, each with a gain and noise of its own."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from connectome import generated
from engine import CHECKED_STEPS
from requirements import OURS, Requirement

TAU, DT = 10.0, 0.1  # ms; vbi counts time in units of tau, as a hundredth of which its step is the same
DELTA, J, ETA = 0.7, 14.5, -4.6
EVERY = 10  # steps from one recorded row to the next, of engines that record


@dataclass(frozen=True)
class InferenceCase:
    """Runs of a network of Montbrió, Pazó and Roxin's nodes, by Heun, coupled at both stages of a step."""

    regions: int
    simulations: int
    duration: float  # ms
    noise: float = 0.037  # D of vbi: σ² of r is 2D, of v 4D, per unit of tau; r in spikes per tau

    @property
    def title(self) -> str:
        """What it is called in tables."""
        return f"{self.simulations} simulations of {self.regions} regions, {self.duration / 1000:g} s"

    @property
    def key(self) -> str:
        """What requirements call it."""
        return f"sbi {self.regions}"

    @property
    def steps(self) -> int:
        """How many steps it takes."""
        return round(self.duration / DT)

    def shortened(self) -> Self:
        """Without noise, for which engines are compared by their series."""
        return replace(self, duration=CHECKED_STEPS * DT, noise=0.0)

    def weights(self) -> np.ndarray:
        """[to, from], of unit in-strength."""
        return generated(self.regions).weights

    def gains(self) -> np.ndarray:
        """The parameter of each simulation."""
        return np.linspace(0.3, 0.9, self.simulations)

    def start(self) -> tuple[np.ndarray, np.ndarray]:
        """r in spikes per tau, and v."""
        rng = np.random.default_rng(3)
        return rng.uniform(0, 1.5, self.regions), rng.uniform(-2, 2, self.regions)


CASES = (InferenceCase(regions=80, simulations=16, duration=2_000.0),)
INFERENCE_REQUIREMENTS = (
    Requirement("sbi: ≥ 3 times the simulations of vbi's fastest", "vbi", OURS, tuple(c.key for c in CASES), 3),
)
