"""What a fit found."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from torchmass.fit.problem import Problem, listed
from torchmass.system import System


@dataclass(frozen=True, repr=False)
class FitResult:
    """The parameters of the lowest loss that a fit met, and how it got there.

    `best_params` are those parameters, by name, in natural units; `model` is the fitted one, which now has them.
    `best_loss` is their loss and `prediction` what they predict, with the noise of `seed`; `terms` is what that loss
    adds up, by name and without weights: the terms of the objective and, where there are priors, `"prior"`. `history`
    holds the lowest loss of each step, (steps,), of each of R starts (steps, R), and `term_history` the terms of these
    losses by name. `failures` says of each start that has failed, by its place, in which step and what it met; its
    losses are infinite from there on.
    """

    best_params: dict[str, Tensor]
    best_loss: float
    terms: dict[str, float]
    history: Tensor
    term_history: dict[str, Tensor]
    failures: dict[int, str]
    prediction: Any
    model: System
    seed: int
    problem: Problem  # what was minimised
    raw: Tensor  # the best parameters as the n numbers of the problem's space

    @property
    def n_steps(self) -> int:
        """The steps that were made."""
        return len(self.history)

    def __repr__(self) -> str:
        failed = f", {len(self.failures)} of {self.history.shape[1]} starts failed" if self.failures else ""
        after = f"after {self.n_steps} steps{failed}"
        return f"FitResult(best_loss={self.best_loss:.4g} {after}; {listed(self.best_params)})"
