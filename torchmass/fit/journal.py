"""The journal of a fit: its losses step by step, the best so far, and whether it goes on."""

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torchmass.fit.checkpoint import Checkpoint
from torchmass.fit.problem import Problem
from torchmass.kernels.finite import NonFiniteError
from torchmass.progress import drawn

KEPT = ("best_losses", "best_flat", "best_seeds", "reference", "stale", "failures")

log = logging.getLogger("torchmass")


@dataclass(frozen=True)
class FitStep:
    """What a callback is told after a step: the losses of its starts, (R,), the best so far, and how to get at more."""

    step: int
    table: Tensor  # the losses, then their terms, (1 + K, R)
    best_losses: Tensor
    flat: Tensor
    seed: int
    problem: Problem

    @property
    def losses(self) -> Tensor:
        """The lowest loss of each start in the step, infinite for those that have failed."""
        return self.table[0]

    @property
    def loss(self) -> float:
        """The lowest loss of the step."""
        return self.losses.min().item()

    @property
    def best_loss(self) -> float:
        """The lowest loss so far."""
        return self.best_losses.min().item()

    @property
    def params(self) -> dict[str, Tensor]:
        """The parameters of the lowest loss of the step, in natural units, by name."""
        raws = self.problem.space.split(self.flat[self.losses.argmin()])
        return self.problem.at(raws, self.problem.values)

    @property
    def terms(self) -> dict[str, float]:
        """The terms of that loss by name, without weights, and the `"prior"`, where there is one."""
        return dict(zip(self.problem.term_names, self.table[1:, self.losses.argmin()].tolist(), strict=True))


class Journal:
    """Keeps the losses of R starts with their K terms, step by step, and of each start the best, its numbers and seed.

    A start that has not improved by more than `tolerance` for `patience` steps has stopped, and one that has failed
    too: what it finds later does not count. The fit ends when all have stopped, after `n_steps`, or when a callback
    returns True.
    """

    def __init__(
        self,
        problem: Problem,
        n_steps: int,
        *,
        seed: int,
        fresh_noise: bool,
        patience: int | None,
        tolerance: float,
        callbacks: Sequence[Callable[[FitStep], Any]],
        checkpoint: Checkpoint,
        progress: bool,
    ) -> None:
        self.problem, self.n_steps, self.first_seed, self.fresh_noise = problem, n_steps, seed, fresh_noise
        self.patience, self.tolerance, self.callbacks = patience, tolerance, callbacks
        self.checkpoint, self.progress = checkpoint, progress
        self.step = self.told = 0  # steps that are over; and those of which callbacks were told before a kill
        self.stopped = False
        self.history: list[Tensor] = []  # a table (1 + K, R) of each step: the losses, then their terms
        self.table: Tensor | None = None  # of this step
        self.flat: Tensor | None = None
        self.failures: dict[int, str] = {}
        self.best_losses = self.best_flat = self.best_seeds = self.reference = self.stale = torch.empty(0)

    @property
    def seed(self) -> int:
        """The seed of the noise of this step."""
        return self.first_seed + self.step * self.fresh_noise

    @property
    def losses(self) -> Tensor | None:
        """The losses of this step, (R,); None before there are any."""
        return None if self.table is None else self.table[0]

    @property
    def going(self) -> Tensor:
        """Which starts have not failed, (R,)."""
        return torch.tensor([k not in self.failures for k in range(len(self.stale))], device=self.stale.device)

    def steps(self, progress: Callable[[], dict[str, Any]]) -> Generator[int]:
        """The steps left to do, in each of which an evaluation is recorded; `progress` is the backend's, to be kept."""
        with drawn(self.n_steps, "fit", unit="step") if self.progress else nullcontext() as bar:
            if bar is not None:
                bar.update(self.step)
            while self.step < self.n_steps and not self.stopped:
                self.table = None
                yield self.step
                self._close(progress)
                if bar is not None:
                    bar.set_postfix(loss=f"{self.best_losses.min().item():.4g}", refresh=False)
                    bar.update()

    def record(self, table: Tensor, flat: Tensor) -> None:
        """The losses (R,), and below their terms, of one evaluation at raw numbers (R, n)."""
        flat, losses = flat.detach().clone(), table[0]
        if not len(self.best_losses):
            self.best_losses, self.best_flat = torch.full_like(losses, torch.inf), torch.empty_like(flat)
            self.reference, self.stale = self.best_losses.clone(), torch.zeros_like(losses, dtype=torch.long)
            self.best_seeds = torch.zeros_like(self.stale)
        losses = torch.where(losses.isfinite() & self.going, losses, torch.inf)
        better = (losses < self.best_losses) & self._running()
        self.best_losses = torch.where(better, losses, self.best_losses)
        self.best_flat = torch.where(better[:, None], flat, self.best_flat)
        self.best_seeds = torch.where(better, self.seed, self.best_seeds)
        table = torch.cat((losses[None], table[1:]))
        if self.table is None or self.flat is None:
            self.table, self.flat = table, flat
        lower = losses < self.table[0]
        self.flat = torch.where(lower[:, None], flat, self.flat)
        self.table = torch.where(lower, table, self.table)

    def fail(self, start: int, error: NonFiniteError) -> None:
        """A start has failed. Raises when none is left, and of a single one the error."""
        if start in self.failures:
            return
        self.failures[start] = f"step {self.step}: {error}"
        if len(self.stale) == 1:
            raise error
        log.info(f"step {self.step} of the fit: start {start} has failed: {error}")
        if len(self.failures) == len(self.stale):
            told = "; ".join(f"start {k} at {text}" for k, text in self.failures.items())
            raise NonFiniteError(f"all starts have failed: {told}")

    def _running(self) -> Tensor:
        return (self.stale < (self.patience or self.n_steps + 1)) & self.going

    def _close(self, progress: Callable[[], dict[str, Any]]) -> None:
        """Finish a step: was it an improvement, is it to be kept, and does the fit end?"""
        assert self.table is not None
        assert self.flat is not None
        self.history.append(self.table)
        improved = self.best_losses < self.reference - self.tolerance
        self.reference = torch.where(improved, self.best_losses, self.reference)
        self.stale = torch.where(improved, 0, self.stale + 1)
        step = FitStep(self.step, self.table, self.best_losses, self.flat, self.seed, self.problem)
        self.step += 1
        self.stopped |= not bool(self._running().any())
        if self.step <= self.told:
            return
        if self.step % self.checkpoint.every == 0 or self.stopped or self.step == self.n_steps:
            self.checkpoint.save({"step": self.step, **progress()})
        for callback in self.callbacks:
            self.stopped |= callback(step) is True

    def state_dict(self) -> dict[str, Any]:
        """What a later process needs to go on after the last step."""
        return {"step": self.step, "history": torch.stack(self.history), **{name: getattr(self, name) for name in KEPT}}

    def load_state_dict(self, kept: Mapping[str, Any]) -> None:
        """Go on after the last step of what was kept."""
        self.step = self.told = kept["step"]
        self.history = list(kept["history"])
        for name in KEPT:
            setattr(self, name, kept[name])
        self.stopped = not bool(self._running().any())
