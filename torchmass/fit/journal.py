"""The journal of a fit: its losses step by step, the best so far, and whether it goes on."""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torchmass.fit.checkpoint import Checkpoint
from torchmass.fit.problem import Problem
from torchmass.fit.space import Raws
from torchmass.progress import drawn

KEPT = ("best_losses", "best_flat", "best_seeds", "reference", "stale")


@dataclass(frozen=True)
class FitStep:
    """What a callback is told after a step: the losses of its starts, (R,), the best so far, and how to get at more."""

    step: int
    losses: Tensor
    best_losses: Tensor
    flat: Tensor
    seed: int
    problem: Problem

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
        return self.problem.at(self._raws, self.problem.values)

    @property
    def terms(self) -> dict[str, float]:
        """The terms of that loss by name, without weights, and the `"prior"`, where there is one: by one more run."""
        with torch.no_grad():
            found = self.problem.at(self._raws, lambda: self.problem.evaluate(self.seed).terms)
        return {name: term.item() for name, term in found.items()}

    @property
    def _raws(self) -> Raws:
        return self.problem.space.split(self.flat[self.losses.argmin()])


class Journal:
    """Keeps `history`, (steps, R), and for each of R starts the lowest loss, its raw numbers (n,) and its seed.

    A start that has not improved by more than `tolerance` for `patience` steps has stopped: what it finds later does
    not count. The fit ends when all have, after `n_steps`, or when a callback returns True.
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
        self.history: list[Tensor] = []
        self.losses: Tensor | None = None  # of this step
        self.flat: Tensor | None = None
        self.best_losses = self.best_flat = self.best_seeds = self.reference = self.stale = torch.empty(0)

    @property
    def seed(self) -> int:
        """The seed of the noise of this step."""
        return self.first_seed + self.step * self.fresh_noise

    def steps(self, progress: Callable[[], dict[str, Any]]) -> Generator[int]:
        """The steps left to do, in each of which an evaluation is recorded; `progress` is the backend's, to be kept."""
        with drawn(self.n_steps, "fit", unit="step") if self.progress else nullcontext() as bar:
            if bar is not None:
                bar.update(self.step)
            while self.step < self.n_steps and not self.stopped:
                self.losses = None
                yield self.step
                self._close(progress)
                if bar is not None:
                    bar.set_postfix(loss=f"{self.best_losses.min().item():.4g}", refresh=False)
                    bar.update()

    def record(self, losses: Tensor, flat: Tensor) -> None:
        """The losses (R,) of one evaluation at raw numbers (R, n)."""
        losses, flat = losses.detach().clone(), flat.detach().clone()
        if not len(self.best_losses):
            self.best_losses, self.best_flat = torch.full_like(losses, torch.inf), torch.empty_like(flat)
            self.reference, self.stale = self.best_losses.clone(), torch.zeros_like(losses, dtype=torch.long)
            self.best_seeds = torch.zeros_like(self.stale)
        better = (losses < self.best_losses) & self._running()
        self.best_losses = torch.where(better, losses, self.best_losses)
        self.best_flat = torch.where(better[:, None], flat, self.best_flat)
        self.best_seeds = torch.where(better, self.seed, self.best_seeds)
        if self.losses is None or self.flat is None:
            self.losses, self.flat = losses, flat
        lower = losses < self.losses
        self.flat = torch.where(lower[:, None], flat, self.flat)
        self.losses = torch.where(lower, losses, self.losses)

    def _running(self) -> Tensor:
        return self.stale < (self.patience or self.n_steps + 1)

    def _close(self, progress: Callable[[], dict[str, Any]]) -> None:
        """Finish a step: was it an improvement, is it to be kept, and does the fit end?"""
        assert self.losses is not None
        assert self.flat is not None
        self.history.append(self.losses)
        improved = self.best_losses < self.reference - self.tolerance
        self.reference = torch.where(improved, self.best_losses, self.reference)
        self.stale = torch.where(improved, 0, self.stale + 1)
        step = FitStep(self.step, self.losses, self.best_losses, self.flat, self.seed, self.problem)
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
