"""RunOptions: what fits, inference and layers ask of every run of a simulator that they hand on."""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class RunOptions:
    """What a caller of many runs asks of each, beside what `Simulator.run` is told; see `Simulator.asked`."""

    often: bool = False  # there are many such runs: a kernel pays for short ones, and large matrices multiply at once
    candidates: int = 1  # along the first batch axis, to be compared: they draw the same random numbers
    first_simulation: int = 0  # of runs that name none
    seeds: torch.Generator | None = None  # where runs without a seed take theirs; torch's default generator without


SINGLE = RunOptions()  # of a run that is asked for by itself: a constant, for torch.compile makes no dataclass
