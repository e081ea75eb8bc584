"""Populations: searches without gradients that ask for candidates and are told their losses, a generation a run."""

import logging
from abc import abstractmethod
from typing import Protocol

import torch
from torch import Tensor

from torchmass.fit.checkpoint import digest
from torchmass.fit.journal import Journal
from torchmass.fit.problem import Problem
from torchmass.fit.space import Space
from torchmass.undefined import tolerant
from torchmass.values import whole

log = logging.getLogger("torchmass")


class Strategy(Protocol):
    """A search: a pure function of its seed and of what it was told."""

    @property
    def done(self) -> bool:
        """Whether it has converged, by a rule of its own."""
        ...

    def ask(self) -> Tensor:
        """The candidates of a generation, raw numbers (P, n)."""
        ...

    def tell(self, losses: Tensor) -> None:
        """Their losses, (P,)."""
        ...


class Population:
    """A backend that runs the `population` of candidates of each step as one batch.

    `penalty` is the loss that a candidate is told to have whose run diverges, or for which an objective of torchmass is
    not defined, as where its signal stands still; the log (`logging.getLogger("torchmass")`) says how many had it.
    Without it these raise and end the fit, as does what `predict` or an objective of one's own raises.

    A checkpoint holds the losses told, with their terms; a fit that goes on tells them once more, and raises
    `ValueError` if the search then asks for other candidates.
    """

    def __init__(self, population: int, penalty: float | None) -> None:
        self.population, self.penalty = whole("population", population, least=2), penalty

    @abstractmethod
    def strategy(self, space: Space, seed: int, steps: int) -> Strategy:
        """A new search of so many steps."""

    def run(self, problem: Problem, journal: Journal) -> None:
        """Ask, evaluate and tell until the journal says that it is over."""
        kept = journal.checkpoint.load() or {"told": [], "asked": []}
        told, asked = list(kept["told"]), list(kept["asked"])
        journal.told = len(told)
        strategy = self.strategy(problem.space, journal.first_seed, journal.n_steps)
        for step in journal.steps(lambda: {"told": torch.stack(told), "asked": asked}):
            flat = strategy.ask()
            if step == len(told):
                asked.append(digest(flat))
                told.append(self._table(problem, flat, journal.seed))
            journal.checkpoint.same(asked[step], digest(flat))
            losses = told[step][0]
            finite = losses.isfinite()
            if failed := int((~finite).sum()):
                log.info(f"step {step} of the fit: {failed} of {len(finite)} candidates pay the penalty.")
            strategy.tell(torch.where(finite, losses, self.penalty or 0.0))
            journal.stopped |= strategy.done
            best = torch.where(finite, losses, torch.inf).argmin()
            journal.record(told[step][:, best, None], flat[best][None])

    @torch.no_grad()
    def _table(self, problem: Problem, flat: Tensor, seed: int) -> Tensor:
        with tolerant(self.penalty is not None):
            found = problem.evaluated(flat, seed)
        if self.penalty is None:
            problem.refuse_nonfinite(found.losses, problem.space.split(flat))
        return found.table
