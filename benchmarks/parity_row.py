"""A row of the table of parity, and the connectome that all rows share."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from connectome import generated

import torchmass as tm

REGIONS = 20
CONNECTOME = generated(REGIONS)  # other weights in both directions
WEIGHTS = CONNECTOME.weights.astype(np.float64)  # [to, from]
LONGEST = 12  # steps, of a delay
LAGS = CONNECTOME.lengths / CONNECTOME.lengths.max() * LONGEST  # in steps
WHOLE = np.rint(LAGS)


@dataclass(frozen=True)
class Row:
    """`difference` is the largest of any state at any step, relative to the range of that state."""

    what: str
    dt: float
    steps: int
    difference: float
    remark: str = ""


def difference(ours: tm.Result, theirs: Mapping[str, np.ndarray]) -> float:
    """Of a run from the series, (T, N), that another took."""
    apart = {name: np.abs(ours[name].numpy() - series).max() for name, series in theirs.items()}
    return float(max(apart[name] / max(np.ptp(series), 1e-12) for name, series in theirs.items()))


def starts(node: type[tm.NeuralMass], seed: int = 1) -> dict[str, np.ndarray]:
    """A start of every region, within the ranges of the states."""
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(*state.range, REGIONS) for name, state in node.state_declarations.items()}
