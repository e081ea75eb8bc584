"""What one step computes, as data: the equations, their parameters, the couplings and the noise.

Every backend interprets a `Dynamics`; `step` below is its meaning.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import Bounds
from torchmass.integrators import Scheme, Values


@dataclass(frozen=True)
class Link:
    """A coupling bound to its source state and its target input."""

    send: Callable[[Tensor, Any], tuple[Tensor, ...]]
    receive: Callable[[Tensor, tuple[Tensor, ...], Any], Tensor]
    p: Any
    weights: Tensor  # (*b, N, N), [to, from]
    source: int
    target: int

    def __call__(self, x: Values) -> Tensor:
        """What arrives at every node, (*b, N)."""
        signal = x[self.source]
        channels = torch.broadcast_tensors(*self.send(signal, self.p))
        sums = torch.stack(channels, -2) @ self.weights.mT  # (*b, channels, N), one matrix product for all
        return self.receive(signal, sums.unbind(-2), self.p)


@dataclass(frozen=True)
class Drive:
    """White noise of strength `sigma` per √ms on state `source`, or on input `source − S`."""

    source: int
    sigma: Tensor


@dataclass(frozen=True)
class Dynamics:
    """A node's equations with everything they need, for all nodes at once."""

    derivative: Callable[[Any, Any, Any], tuple[Tensor, ...]]
    output: Callable[[Any, Any], Tensor]
    S: Any  # named tuple of the states
    U: Any  # named tuple of the inputs
    p: Any
    bounds: tuple[Bounds, ...]
    links: tuple[Link, ...] = ()
    drives: tuple[Drive, ...] = ()

    def joined(self, *links: Link) -> "Dynamics":
        """The same equations with further couplings."""
        return replace(self, links=(*self.links, *links))

    def parameters(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor that the equations, the couplings and the noise depend on, by name."""
        yield from zip(self.p._fields, self.p, strict=True)
        for link in self.links:
            yield from zip(("weights", *link.p._fields), (link.weights, *link.p), strict=True)
        yield from (("sigma", drive.sigma) for drive in self.drives)

    def inputs(self, x: Values, u: Sequence[Tensor]) -> Any:
        """The inputs `u` with what the couplings add to them in state `x`."""
        total = list(u)
        for link in self.links:
            total[link.target] = total[link.target] + link(x)
        return self.U(*total)

    def local(self, x: Values, u: Any) -> Values:
        """The derivatives of all states, per ms, each (*b, N)."""
        slopes = self.derivative(self.S(*x), u, self.p)
        return tuple(slopes)


def step(
    dynamics: Dynamics, scheme: Scheme, x: Values, u: Sequence[Tensor], dt: float, z: Sequence[Tensor] = ()
) -> Values:
    """One step of `scheme` from `x` under inputs `u`, with a standard normal in `z` for each drive.

    A drive of a state adds σ√dt z to it; a drive of an input adds σz/√dt to the input, over the whole step.
    """
    u = list(u)
    dw: list[Tensor | None] = [None] * len(x)
    for drive, normal in zip(dynamics.drives, z, strict=True):
        if drive.source < len(x):
            dw[drive.source] = drive.sigma * dt**0.5 * normal
        else:
            port = drive.source - len(x)
            u[port] = u[port] + drive.sigma / dt**0.5 * normal
    moved = scheme(lambda stage, _: dynamics.inputs(stage, u), dynamics.local, x, dt, tuple(dw))
    return tuple(bounds.clamp(value) for bounds, value in zip(dynamics.bounds, moved, strict=True))


def batch_shape(dynamics: Dynamics, *values: Tensor) -> tuple[int, ...]:
    """The batch axes that parameters, couplings, noise and `values` (each `(*b, N)`) broadcast to."""
    shapes = [value.shape[:-1] for value in (*dynamics.p, *values)]
    shapes += [drive.sigma.shape[:-1] for drive in dynamics.drives]
    for link in dynamics.links:
        shapes += [link.weights.shape[:-2], *(value.shape[:-1] for value in link.p)]
    try:
        return tuple(torch.broadcast_shapes(*shapes))
    except RuntimeError as error:
        found = sorted({tuple(shape) for shape in shapes if shape})
        raise ValueError(f"the batch axes of parameters, start and inputs must broadcast; they are {found}.") from error
