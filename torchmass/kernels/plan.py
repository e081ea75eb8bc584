"""Plan: what one run computes, with every choice made and every tensor in place."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from torchmass.dynamics import Dynamics
from torchmass.integrators import Values
from torchmass.kernels.draws import normals

CHUNK = 256  # steps whose noise is drawn at once


class Snapshot(dict[str, Tensor]):
    """The states at one time, each (*b, N), as items and as attributes: what a monitor sees."""

    def __getattr__(self, name: str) -> Tensor:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no state {name!r}; the states are {', '.join(self)}.") from None


Monitor = Callable[[Snapshot], Any]


@dataclass(frozen=True)
class StateMonitor:
    """Sees one state."""

    name: str

    def __call__(self, snapshot: Snapshot) -> Tensor:
        return snapshot[self.name]


@dataclass(frozen=True)
class OutputMonitor:
    """Sees the output of the model."""

    dynamics: Dynamics

    def __call__(self, snapshot: Snapshot) -> Tensor:
        return self.dynamics.output(self.dynamics.S(*snapshot.values()), self.dynamics.p)


@dataclass(frozen=True)
class Plan:
    """One run: integrate `steps` steps of `dt` ms from `x0`, recording every `every`-th row after the transient."""

    dynamics: Dynamics
    method: str
    dt: float
    steps: int
    names: tuple[str, ...]  # of the states
    x0: Values  # each (*b, N)
    inputs: tuple[Tensor, ...]  # each (T or 1, *b, N or 1)
    monitors: Mapping[str, Monitor]
    transient: int = 0
    every: int = 1
    seed: int | None = None
    first_step: int = 0
    first_simulation: int = 0

    @property
    def rows(self) -> range:
        """The steps that are recorded."""
        return range(self.transient, self.steps, self.every)

    def times(self) -> Tensor:
        """The end of each recorded step in ms, (T,), float64."""
        rows = torch.arange(len(self.rows), dtype=torch.float64, device=self.x0[0].device)
        return (self.first_step + self.transient + 1 + self.every * rows) * self.dt

    def record(self, x: Values) -> dict[str, Tensor]:
        """What the monitors see in state `x`."""
        snapshot = Snapshot(zip(self.names, x, strict=True))
        return {name: self.seen(monitor, snapshot) for name, monitor in self.monitors.items()}

    @staticmethod
    def seen(monitor: Monitor, snapshot: Snapshot) -> Tensor:
        """What one monitor sees, which must be a tensor."""
        value = monitor(snapshot)
        if not isinstance(value, Tensor):
            raise TypeError(f"a monitor must return a tensor, got {type(value).__name__}.")
        return value

    def input_rows(self) -> Iterator[Values]:
        """The inputs of each step."""
        constant = [u.shape[0] == 1 for u in self.inputs]
        for i in range(self.steps):
            yield tuple(u[0 if held else i] for u, held in zip(self.inputs, constant, strict=True))

    def noise_rows(self) -> Iterator[Values]:
        """A standard normal for each drive, (*b, N), at each step; drawn in chunks, never stored."""
        for start in range(0, self.steps, CHUNK):
            count = min(CHUNK, self.steps - start)
            chunks = [self._noise(drive.source, start, count) for drive in self.dynamics.drives]
            yield from zip(*chunks, strict=True) if chunks else [()] * count

    def _noise(self, source: int, start: int, count: int) -> Tensor:
        if self.seed is None:
            raise ValueError("a plan with noise needs a seed.")
        x, first = self.x0[0], self.first_simulation
        simulations = torch.arange(first, first + x.shape[:-1].numel(), device=x.device)
        drawn = normals(self.seed, self.first_step + start, count, simulations, x.shape[-1], source)
        return drawn.reshape(count, *x.shape).to(x.dtype)
