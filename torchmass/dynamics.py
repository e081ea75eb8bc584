"""What one step computes, as data: the equations, their parameters, the couplings and the noise.

Every backend interprets a `Dynamics`; `step` below is its meaning.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import Bounds
from torchmass.columns import chosen
from torchmass.drives import Drive, OUDrive, WhiteDrive
from torchmass.integrators import Diffusion, Increments, Scheme, Values
from torchmass.links import HISTORY, OUTPUT, Link, Past

Pasts = Sequence[Past | None]  # of each link


@dataclass(frozen=True)
class Dynamics:
    """A node's equations with everything they need, for all nodes at once.

    `x` in `step` and `slopes` holds the states of the model and, after them, its Ornstein–Uhlenbeck processes;
    the equations themselves see the states of the model alone.
    """

    derivative: Callable[[Any, Any, Any], tuple[Tensor, ...]]
    output: Callable[[Any, Any], Tensor]
    States: Any  # named tuple of the states of the model
    Inputs: Any  # named tuple of the inputs
    p: Any
    bounds: tuple[Bounds, ...]
    links: tuple[Link, ...] = ()
    drives: tuple[Drive, ...] = ()
    update: Callable[[Any, Any, Any, float], tuple[Tensor, ...]] | None = None  # of a map, in place of `derivative`

    def S(self, *x: Tensor) -> Any:
        """The states of the model as the equations take them; processes may follow them in `x`."""
        return self.States(*x[: len(self.bounds)])

    def joined(self, *links: Link) -> "Dynamics":
        """The same equations with further couplings."""
        return replace(self, links=(*self.links, *links))

    def parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that the equations, the couplings and the noise depend on, by name."""
        yield from zip(self.p._fields, self.p, strict=True)
        for link in self.links:
            yield from zip(link.labels, link.leaves, strict=True)
        driven = (*self.States._fields, *self.Inputs._fields)
        for drive in self.drives:
            yield from zip((f"noise_{driven[drive.source]}.{name}" for name in drive.names), drive.leaves, strict=True)

    @property
    def noise_leaves(self) -> tuple[Tensor, ...]:
        """Every tensor that the noise depends on, drive by drive, as their `labels` name them."""
        return tuple(leaf for drive in self.drives for leaf in drive.leaves)

    @property
    def names(self) -> tuple[str, ...]:
        """The states of the model, then the Ornstein–Uhlenbeck processes as `noise_<what they drive>`."""
        driven = (*self.States._fields, *self.Inputs._fields)
        processes = (f"noise_{driven[drive.source]}" for drive in self.drives if isinstance(drive, OUDrive))
        return (*self.States._fields, *processes)

    def signal(self, source: int, x: Values) -> Tensor:
        """A state, or the output, in state `x`, (*b, N)."""
        return self.output(self.S(*x), self.p) if source == OUTPUT else x[source]

    def read(self, link: Link, x: Values) -> Tensor:
        """What a link reads in state `x`, (*b, N): of each group of nodes its source."""
        return self._of_groups([None if k is None else self.signal(k, x) for k in link.source])

    def _of_groups(self, values: Sequence[Tensor | None]) -> Tensor:
        (first, *others) = values
        return chosen(self.p.group, values) if others or first is None else first

    @property
    def sources(self) -> tuple[int, ...]:
        """The sources of which the past is needed."""
        return tuple(sorted({source for link in self.links if link.delays is not None for source in link.sources}))

    def source_name(self, source: int) -> str:
        """What the past of a source is called in a state."""
        return HISTORY + ("output" if source == OUTPUT else self.States._fields[source])

    def reach(self, source: int, dt: float) -> int:
        """How many steps of the past of a source are needed."""
        return max(link.reach(dt) for link in self.links if source in link.sources)

    def pasts(self, histories: Sequence[Tensor], dt: float) -> Pasts:
        """The past of every link, where that of every one of `sources` is (H, *b, N) before now."""
        known = dict(zip(self.sources, histories, strict=True))
        return [None if link.delays is None else link.past(self.before(link, known), dt) for link in self.links]

    def before(self, link: Link, histories: Mapping[int, Tensor]) -> Tensor:
        """What a link with delays read before now, (H, *b, N), from the past of each source."""
        known = {source: histories[source] for source in link.sources}
        length, steady = min(map(len, known.values())), all(rows.stride(0) == 0 for rows in known.values())
        cut = {source: rows[:1] if steady else rows[len(rows) - length :] for source, rows in known.items()}
        found = self._of_groups([None if source is None else cut[source] for source in link.source])
        return found.expand(length, *found.shape[1:])

    def remembered(self, pasts: Pasts, x: Values) -> Pasts:
        """The past of every link with what it sends now, in state `x`."""
        linked = zip(self.links, pasts, strict=True)
        return [past and past.followed_by(link.sent(self.read(link, x))) for link, past in linked]

    def inputs(self, x: Values, u: Sequence[Tensor]) -> Any:
        """The inputs `u` with what the couplings add to them in state `x`, in which they have always been."""
        return self.inputs_at(x, 0.0, u, x, [None] * len(self.links))

    def inputs_at(self, x: Values, c: float, u: Sequence[Tensor], start: Values, pasts: Pasts) -> Any:
        """The inputs at the stage `x`, a fraction `c` into the step from `start`."""
        total = list(u)
        for link, past in zip(self.links, pasts, strict=True):
            stage, when = (start, 0.0) if link.hold else (x, c)
            arriving = link(self.read(link, stage), past, when)
            for target in link.target:
                total[target] = total[target] + arriving
        return self.Inputs(*total)

    def local(self, x: Values, u: Any) -> Values:
        """The derivatives of the states of the model, per ms, each (*b, N)."""
        slopes = self.derivative(self.S(*x), u, self.p)
        return tuple(slopes)

    def mapped(self, x: Values, u: Any, dt: float) -> Values:
        """The states of a map after a step, each (*b, N)."""
        assert self.update is not None
        return tuple(self.update(self.S(*x), u, self.p, dt))

    def slopes(self, x: Values, u: Sequence[Tensor]) -> Values:
        """The same in state `x`, with couplings and Ornstein–Uhlenbeck processes, without white noise."""
        coloured = replace(self, drives=tuple(drive for drive in self.drives if isinstance(drive, OUDrive)))
        own, unused = x[: len(self.bounds)], [x[0]] * len(coloured.drives)
        u, forcing, _ = coloured.pushes(x, u, 1.0, unused)  # what η adds in 1 ms is η
        slopes = self.local(own, self.inputs(own, u))
        return tuple(f if eta is None else f + eta for f, eta in zip(slopes, forcing, strict=True))

    def pushes(
        self, x: Values, u: Sequence[Tensor], dt: float, z: Sequence[Tensor]
    ) -> tuple[list[Tensor], Increments, Diffusion | None]:
        """Noise in one step from `x`: inputs with theirs, increments of states, and what depends on the stage."""
        count, inputs = len(self.bounds), list(u)
        dw: list[Tensor | None] = [None] * count
        scaled: dict[int, tuple[Callable[[Any], Any], Tensor]] = {}
        for drive, normal in zip(self.drives, z, strict=True):
            if drive.source >= count:
                port = drive.source - count
                inputs[port] = inputs[port] + drive.held(x, dt, normal)
            elif isinstance(drive, WhiteDrive) and drive.g is not None:
                scaled[drive.source] = drive.g, drive.held(x, dt, normal)
            else:
                dw[drive.source] = drive.increment(x, dt, normal)
        diffusion = partial(self.diffusion, scaled) if scaled else None
        return inputs, tuple(dw), diffusion

    def diffusion(self, scaled: Mapping[int, tuple[Callable[[Any], Any], Tensor]], x: Values) -> Increments:
        """The noise at a stage, per ms: for each state in `scaled` its g(s) times its rate."""
        s = self.S(*x)
        return tuple(scaled[k][0](s) * scaled[k][1] if k in scaled else None for k in range(len(x)))

    def processes(self, x: Values, dt: float, z: Sequence[Tensor]) -> Values:
        """The Ornstein–Uhlenbeck processes after one step from `x`; one without its drive stays as it is."""
        count = len(self.bounds)
        if len(x) == count:
            return ()
        moved = list(x)
        for drive, normal in zip(self.drives, z, strict=True):
            if isinstance(drive, OUDrive):
                moved[drive.place] = drive.moved(x, dt, normal)
        return tuple(moved[count:])


def step(
    dynamics: Dynamics,
    scheme: Scheme,
    x: Values,
    u: Sequence[Tensor],
    dt: float,
    z: Sequence[Tensor] = (),
    pasts: Pasts | None = None,
) -> Values:
    """One step of `scheme` from `x` under inputs `u`, with a standard normal in `z` for each drive.

    White noise adds σ√dt z to a state (times g at every stage), or σz/√dt to an input over the whole step. An
    Ornstein–Uhlenbeck process adds its value at the start of the step to the input, or to the derivative of the state.
    Couplings are evaluated at every stage, or held from the start; those with delays read `pasts`, in which x is now.
    """
    count = len(dynamics.bounds)
    start, pasts = x[:count], [None] * len(dynamics.links) if pasts is None else pasts
    inputs, dw, diffusion = dynamics.pushes(x, u, dt, z)
    at = lambda stage, c: dynamics.inputs_at(stage, c, inputs, start, pasts)
    own = dynamics.local if dynamics.update is None else dynamics.mapped
    moved = scheme(at, own, start, dt, dw, diffusion)
    clamped = (bounds.clamp(value) for bounds, value in zip(dynamics.bounds, moved, strict=True))
    return (*clamped, *dynamics.processes(x, dt, z))


def batch_shape(dynamics: Dynamics, *values: Tensor) -> tuple[int, ...]:
    """The batch axes that parameters, couplings, noise and `values` (each `(*b, N)`) broadcast to."""
    shapes = [value.shape[:-1] for value in (*dynamics.p, *values)]
    shapes += [leaf.shape[:-1] for leaf in dynamics.noise_leaves]
    for link in dynamics.links:
        shapes += link.batches
    # mostly; broadcast_shapes costs 60 µs, but a set would make constants of sizes that torch.compile has symbols for
    if not torch.compiler.is_compiling() and len(different := set(shapes) - {()}) < 2:
        return tuple(*different)
    try:
        return tuple(torch.broadcast_shapes(*shapes))
    except RuntimeError as error:
        found = sorted({tuple(shape) for shape in shapes if shape})
        raise ValueError(f"the batch axes of parameters, start and inputs must broadcast; they are {found}.") from error
