"""Plan: what one run computes, with every choice made and every tensor in place."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from typing import Any, NamedTuple

import torch
from torch import Tensor

from torchmass.columns import Columns
from torchmass.dynamics import Dynamics, Pasts
from torchmass.integrators import Values
from torchmass.kernels.draws import normals, numbered
from torchmass.links import OUTPUT
from torchmass.run_options import RunOptions
from torchmass.values import whole

CHUNK = 256  # steps whose noise is drawn at once


def check_gradient(checkpoint: int | str, horizon: int | None, gradient: str) -> None:
    """Raise a `ValueError` unless these say how the gradient of a run is to be computed."""
    if checkpoint not in ("none", "sqrt"):
        whole("checkpoint, if not 'none' or 'sqrt', the steps between two kept states,", checkpoint)
    if horizon is not None:
        whole("grad_horizon, in steps,", horizon)
    if gradient not in ("reverse", "forward"):
        raise ValueError(f"gradient must be 'reverse' or 'forward', got {gradient!r}.")
    if gradient == "forward" and (horizon is not None or checkpoint != "none"):
        raise ValueError("gradient='forward' keeps nothing and cuts nothing: leave out checkpoint and grad_horizon.")


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
        return self.dynamics.signal(OUTPUT, tuple(snapshot.values()))


@dataclass(frozen=True)
class Plan:
    """One run: integrate `steps` steps of `dt` ms from `x0`, recording every `every`-th row after the transient."""

    dynamics: Dynamics
    method: str
    dt: float
    steps: int
    names: tuple[str, ...]  # of the states
    x0: Values  # each (*b, N)
    inputs: tuple[Tensor | None, ...]  # each (T or 1, *b, N or 1); None where nothing is given, which is 0
    monitors: Mapping[str, Monitor]
    options: RunOptions
    columns: Mapping[str, Columns] = field(default_factory=dict)  # the nodes that have a state, where only some do
    histories: Values = ()  # of each source of the dynamics: the signal before the run, (H, *b, N)
    transient: int = 0
    every: int = 1
    seed: int | None = None
    first_step: int = 0
    first_simulation: int = 0
    checkpoint: int | str = "none"  # or "sqrt", or the steps between two states that are kept for the gradient
    again: bool = False  # whether all of it is computed again on the way back, by who asks for it
    grad_horizon: int = 0  # steps over which gradients are carried back; 0: all
    gradient: str = "reverse"  # or "forward"

    @property
    def rows(self) -> range:
        """The steps that are recorded."""
        return range(self.transient, self.steps, self.every)

    def interval(self, least: int = 1) -> int:
        """The steps between two states that are kept for the gradient, where `least` are computed again at no cost."""
        if isinstance(self.checkpoint, int):
            return min(self.checkpoint, self.steps)
        return least if self.checkpoint == "none" else -(-math.isqrt(self.steps * least) // least) * least

    def times(self) -> Tensor:
        """The end of each recorded step in ms, (T,), float64."""
        first, last = self.first_step + self.transient + 1, self.first_step + self.steps + 1
        return torch.arange(first, last, self.every, dtype=torch.float64, device=self.x0[0].device) * self.dt

    def snapshot(self, x: Values) -> Snapshot:
        """The states `x`, (*b, N), each of the nodes that have it."""
        states = zip(self.names, x, strict=True)
        return Snapshot((name, self.columns[name].own(v) if name in self.columns else v) for name, v in states)

    def record(self, x: Values) -> dict[str, Tensor]:
        """What the monitors see in state `x`."""
        own, whole = self.snapshot(x), Snapshot(zip(self.names, x, strict=True))
        shown = {name: whole if isinstance(m, OutputMonitor) else own for name, m in self.monitors.items()}
        return {name: self.seen(monitor, shown[name]) for name, monitor in self.monitors.items()}

    @staticmethod
    def seen(monitor: Monitor, snapshot: Snapshot) -> Tensor:
        """What one monitor sees, which must be a tensor."""
        value = monitor(snapshot)
        if not isinstance(value, Tensor):
            raise TypeError(f"a monitor must return a tensor, got {type(value).__name__}.")
        return value

    def pasts(self) -> Pasts:
        """What every coupling remembers when the run begins."""
        return self.dynamics.pasts(self.histories, self.dt)

    @property
    def is_steady(self) -> bool:
        """Whether no input changes in time."""
        return all(u is None or u.shape[0] == 1 for u in self.inputs)

    def inputs_at(self, i: int) -> Values:
        """The inputs of step i, each (*b, N) or what broadcasts to it."""
        none = self.x0[0].new_zeros(())
        return tuple(none if u is None else u[0 if u.shape[0] == 1 else i] for u in self.inputs)

    def input_rows(self, begin: int = 0, end: int | None = None) -> Iterator[Values]:
        """The inputs of each step from `begin` to `end`."""
        steps = range(begin, self.steps if end is None else end)
        if self.is_steady:
            yield from repeat(self.inputs_at(0), len(steps))
        else:
            yield from map(self.inputs_at, steps)

    def noise_rows(self, begin: int = 0, end: int | None = None) -> Iterator[Values]:
        """A standard normal for each drive, (*b, N), at each step; drawn in chunks, never stored."""
        end, drives = self.steps if end is None else end, self.dynamics.drives
        for start in range(begin, end, CHUNK):
            count = min(CHUNK, end - start)
            drawn = {stream: self._noise(stream, start, count) for stream in {drive.draws for drive in drives}}
            yield from zip(*(drawn[drive.draws] for drive in drives), strict=True) if drives else [()] * count

    def _noise(self, stream: int, start: int, count: int) -> Tensor:
        if self.seed is None:
            raise ValueError("a plan with noise needs a seed.")
        x = self.x0[0]
        simulations = numbered(x.shape[:-1], self.first_simulation, self.options.candidates, x.device)
        drawn = normals(self.seed, self.first_step + start, count, simulations, x.shape[-1], stream)
        return drawn.reshape(count, *x.shape).to(x.dtype)


class Outcome(NamedTuple):
    """What a backend computed: the rows of every monitor, (T, *b, …), the states in which the run ends, histories."""

    series: dict[str, Tensor]
    ends: Values
    histories: Values = ()  # as in a plan
    finite: bool = False  # whether all of it is known to be finite
