"""What one step computes, as data: the equations, their parameters, the couplings and the noise.

Every backend interprets a `Dynamics`; `step` below is its meaning.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from torchmass.bounds import Bounds
from torchmass.integrators import Diffusion, Increments, Scheme, Values


@dataclass(frozen=True)
class Link:
    """A coupling bound to its source state and its target input."""

    send: Callable[[Tensor, Any], tuple[Tensor, ...]]
    receive: Callable[[Tensor, tuple[Tensor, ...], Any], Tensor]
    p: Any
    weights: Tensor  # (*b, N, N), [to, from]; where all pairs of different nodes are alike, (*b, 1, 1)
    source: int
    target: int
    alike: bool = False

    def __call__(self, x: Values) -> Tensor:
        """What arrives at every node, (*b, N)."""
        signal = x[self.source]
        sent = torch.stack(torch.broadcast_tensors(*self.send(signal, self.p)), -2)  # (*b, channels, N)
        sums = self.weights * (sent.sum(-1, keepdim=True) - sent) if self.alike else sent @ self.weights.mT
        return self.receive(signal, sums.unbind(-2), self.p)


@dataclass(frozen=True)
class Drive(ABC):
    """A noise process on state `source`, or on input `source − S`; `names` are the tensors it depends on."""

    source: int
    sigma: Tensor
    names: ClassVar[tuple[str, ...]] = ("sigma",)

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        """The tensors that the process depends on."""
        return tuple(getattr(self, name) for name in self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """What kernels call them: `s_<source>` and `t_<source>`."""
        return tuple(f"{name[0]}_{self.source}" for name in self.names)

    @property
    @abstractmethod
    def kind(self) -> tuple[Any, ...]:
        """The class and its arguments, with None for each tensor: what a kernel depends on, in plain values."""

    def holding(self, *leaves: Any) -> Self:
        """The same process with other tensors."""
        return replace(self, **dict(zip(self.names, leaves, strict=True)))

    @abstractmethod
    def increment(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """What the process adds to a state over one step from `x`."""

    @abstractmethod
    def held(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """What the process adds to an input during one step from `x`."""


@dataclass(frozen=True)
class WhiteDrive(Drive):
    """White noise of strength `sigma` per √ms, on a state times `g(s)` if given."""

    g: Callable[[Any], Any] | None = None

    @property
    def kind(self) -> tuple[Any, ...]:
        """The class and its arguments, without σ."""
        return WhiteDrive, self.source, None, self.g

    def increment(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """σ√dt ξ."""
        return self.sigma * dt**0.5 * normal

    def held(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """σξ/√dt."""
        return self.sigma / dt**0.5 * normal


@dataclass(frozen=True)
class OUDrive(Drive):
    """An Ornstein–Uhlenbeck process, η: standard deviation `sigma`, time constant `tau` in ms, state `place` of `x`."""

    tau: Tensor
    place: int
    names: ClassVar[tuple[str, ...]] = ("sigma", "tau")

    @property
    def kind(self) -> tuple[Any, ...]:
        """The class and its arguments, without σ and τ."""
        return OUDrive, self.source, None, None, self.place

    def increment(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """η dt."""
        return dt * x[self.place]

    def held(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """η."""
        return x[self.place]

    def moved(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """η after one step, exact for any dt: e^(−dt/τ) η + σ √(1 − e^(−2dt/τ)) ξ."""
        spread = self.sigma * torch.sqrt(-torch.expm1(-2 * dt / self.tau))
        return torch.exp(-dt / self.tau) * x[self.place] + spread * normal


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
            yield from zip(("weights", *link.p._fields), (link.weights, *link.p), strict=True)
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

    def inputs(self, x: Values, u: Sequence[Tensor]) -> Any:
        """The inputs `u` with what the couplings add to them in state `x`."""
        total = list(u)
        for link in self.links:
            total[link.target] = total[link.target] + link(x)
        return self.Inputs(*total)

    def local(self, x: Values, u: Any) -> Values:
        """The derivatives of the states of the model, per ms, each (*b, N)."""
        slopes = self.derivative(self.S(*x), u, self.p)
        return tuple(slopes)

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
    dynamics: Dynamics, scheme: Scheme, x: Values, u: Sequence[Tensor], dt: float, z: Sequence[Tensor] = ()
) -> Values:
    """One step of `scheme` from `x` under inputs `u`, with a standard normal in `z` for each drive.

    White noise adds σ√dt z to a state (times g at every stage), or σz/√dt to an input over the whole step. An
    Ornstein–Uhlenbeck process adds its value at the start of the step to the input, or to the derivative of the state.
    """
    count = len(dynamics.bounds)
    inputs, dw, diffusion = dynamics.pushes(x, u, dt, z)
    moved = scheme(lambda stage, _: dynamics.inputs(stage, inputs), dynamics.local, x[:count], dt, dw, diffusion)
    clamped = (bounds.clamp(value) for bounds, value in zip(dynamics.bounds, moved, strict=True))
    return (*clamped, *dynamics.processes(x, dt, z))


def batch_shape(dynamics: Dynamics, *values: Tensor) -> tuple[int, ...]:
    """The batch axes that parameters, couplings, noise and `values` (each `(*b, N)`) broadcast to."""
    shapes = [value.shape[:-1] for value in (*dynamics.p, *values)]
    shapes += [leaf.shape[:-1] for leaf in dynamics.noise_leaves]
    for link in dynamics.links:
        shapes += [link.weights.shape[:-2], *(value.shape[:-1] for value in link.p)]
    if len(different := set(shapes) - {()}) < 2:  # mostly; broadcast_shapes costs 60 µs
        return tuple(*different)
    try:
        return tuple(torch.broadcast_shapes(*shapes))
    except RuntimeError as error:
        found = sorted({tuple(shape) for shape in shapes if shape})
        raise ValueError(f"the batch axes of parameters, start and inputs must broadcast; they are {found}.") from error
