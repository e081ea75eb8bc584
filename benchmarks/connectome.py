"""A connectome made up for the benchmarks: as a measured one in what costs time, and the same everywhere."""

from dataclasses import dataclass

import numpy as np

SEMI_AXES = (85.0, 65.0, 60.0)  # mm, of an ellipsoid about as large as a human brain
DECAY = 30.0  # mm over which weights fall to 1/e


@dataclass(frozen=True)
class Connectome:
    """Weights and lengths [to, from] between regions at random places; the diagonals are 0."""

    weights: np.ndarray  # of unit in-strength, not symmetric, 0 where there is no connection
    lengths: np.ndarray  # mm, of every pair

    def delays(self, longest: float) -> np.ndarray:
        """Delays in ms if the longest connection takes `longest`."""
        return self.lengths / self.speed(longest)

    def speed(self, longest: float) -> float:
        """The speed in mm/ms at which the longest connection takes `longest` ms."""
        return float(self.lengths[self.weights > 0].max()) / longest


def generated(regions: int, density: float = 1.0, seed: int = 2) -> Connectome:
    """Lognormal weights that decay with distance, between a share `density` of all pairs."""
    rng = np.random.default_rng(seed)
    places = _inside_ellipsoid(rng, regions)
    lengths = np.linalg.norm(places[:, None] - places[None], axis=-1)
    weights = rng.lognormal(size=(regions, regions)) * np.exp(-lengths / DECAY)
    connected = rng.random((regions, regions)) < density
    np.fill_diagonal(connected, False)
    weights *= connected
    return Connectome(weights / np.maximum(weights.sum(1, keepdims=True), 1e-30), lengths)


def _inside_ellipsoid(rng: np.random.Generator, count: int) -> np.ndarray:
    """Places of equal probability per volume, (count, 3)."""
    directions = rng.normal(size=(count, 3))
    radii = rng.random((count, 1)) ** (1 / 3)
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * radii * np.array(SEMI_AXES)
