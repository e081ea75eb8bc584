"""The adding problem: a test of how long a network remembers."""

import torch

from torchmass.tasks.trials import Trials, seeded
from torchmass.values import whole


class AddingProblem(Trials):
    """Two of `steps` numbers are marked: what is their sum?

    `inputs` (steps, trials, 2): numbers, uniform in [0, 1], and marks, 1 at one step of the first half and at one of
    the second, 0 elsewhere. `targets` (trials,): the sum of the two marked numbers. Who always answers 1 has a mean
    squared error of 1/6. Raises `ValueError` for fewer than two steps and for counts that are not whole.

    Source: Hochreiter & Schmidhuber 1997, Long short-term memory, Neural Comput. 9:1735,
    doi:10.1162/neco.1997.9.8.1735, experiment 4; as sums of numbers in [0, 1] by Le, Jaitly & Hinton 2015,
    arXiv:1504.00941.
    """

    def __init__(self, trials: int = 1000, steps: int = 100, *, seed: int = 0) -> None:
        trials, steps = whole("AddingProblem.trials", trials), whole("AddingProblem.steps", steps, 2)
        generator = seeded("AddingProblem", seed)
        numbers, half = torch.rand(steps, trials, generator=generator), steps // 2
        first = torch.randint(half, (trials,), generator=generator)
        second = torch.randint(half, steps, (trials,), generator=generator)
        marks = torch.zeros(steps, trials).scatter_(0, torch.stack([first, second]), 1.0)
        super().__init__(torch.stack([numbers, marks], -1), (numbers * marks).sum(0))
