"""What a call of a network's kernel has beside that of single nodes: weights, delays, the past, and their gradients."""

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from torchmass.kernels.cpp.native import Native
from torchmass.kernels.step.exchange import LinkKind
from torchmass.kernels.step.step_graph import StepGraph

T = TypeVar("T")
FEW_STEPS = 8  # of a delay, which is then summed step by step or nearly so
NOBODY, UNWEIGHTED, CONNECTED = range(3)  # who has such delays: none, only pairs whose weight is 0, or others too
NODES_OF_A_THREAD = 24  # that share a simulation and meet now and then
# those of a thread that meets others at every step, which takes 0.05 to 0.4 µs; where all is delayed, it has more to do
NODES_THAT_MEET, LATE_NODES_THAT_MEET = 110, 80


class Pair(NamedTuple):
    """A leaf of a link as the kernel reads it, and how far apart its rows and its simulations lie."""

    tensor: Tensor
    per_row: int
    per_simulation: int


def edge_leaf(leaf: Tensor, shape: tuple[int, ...], axes: int) -> Pair:
    """Weights or delays of all pairs, (*b, N, N), or of some, (*b, E), which have one axis."""
    if prod(leaf.shape[:-axes]) == 1:
        return Pair(leaf.contiguous(), 0, 0)
    inner = leaf.shape[-axes:]
    return Pair(leaf.expand(*shape[:-1], *inner).contiguous(), 0, prod(inner))


def past_leaf(leaf: Tensor, shape: tuple[int, ...]) -> Pair:
    """What was sent before the run, (H, *b, C, N); one row where all are the same."""
    steady = leaf.stride(0) == 0 or len(leaf) == 1
    rows, inner = leaf[:1] if steady else leaf, leaf.shape[-2] * leaf.shape[-1]
    if prod(rows.shape[1:-2]) == 1:
        return Pair(rows.contiguous(), 0 if steady else inner, 0)
    full = rows.reshape(len(rows), *(1,) * (len(shape) - rows.ndim + 2), *rows.shape[1:])
    full = full.expand(len(rows), *shape[:-1], *rows.shape[-2:]).contiguous()
    return Pair(full, 0 if steady else inner * prod(shape[:-1]), inner)


class Pairs:
    """The leaves of the links of a call: for each link its weights, delays, past and connections, or None."""

    def __init__(self, links: Sequence[LinkKind], leaves: Sequence[Tensor], shape: tuple[int, ...]) -> None:
        self.places = list(leaves_of_links(links, range(len(leaves))))
        self.pairs: list[list[Pair | None]] = []
        self.counts: list[int] = []  # of those that have a weight, connected or not
        for link, (weights, lags, past, ends) in zip(links, leaves_of_links(links, leaves), strict=True):
            axes = 1 if link.is_sparse else 2
            self.counts.append(0 if weights is None else prod(weights.shape[-axes:]))
            self.pairs.append(
                [
                    None if weights is None else edge_leaf(weights, shape, axes),
                    None if lags is None else edge_leaf(lags, shape, axes),
                    None if past is None else past_leaf(past, shape),
                    None if ends is None else Pair(ends.contiguous(), 0, 0),
                ]
            )

    def point(self, native: Native, reach: Sequence[int], wanted: Sequence[int]) -> None:
        """Tell the kernel where they are; `wanted` are those of `leaves` whose gradient is asked for."""
        for k, name in enumerate(("weights", "lags", "before", "connections")):
            native.point(**{name: [pair and pair.tensor for pair in (pairs[k] for pairs in self.pairs)]})
        native.list("counts", self.counts)
        apart = [0 if pair is None else pair.per_simulation for pairs in self.pairs for pair in pairs[:2]]
        native.list("apart", apart)
        rows = [(0, 0) if (past := pairs[2]) is None else (past.per_row, past.per_simulation) for pairs in self.pairs]
        native.list("before_apart", [number for row in rows for number in row])
        native.list("zeros", [int(places[0] in wanted) for places in self.places])
        native.list("reach", reach)


class Crew(NamedTuple):
    """The most threads that one simulation is worth, and how they share it.

    Early: one takes all steps, another what can be done apart from them: the noise, sums over what was sent some time
    ago, and gradients of weights. Else each takes some nodes. Where there are delays that is a matter of the network,
    not of how many threads there are or of what has a gradient, since early sums are added up in another order.
    """

    most: int
    is_early: bool


def crew(step: StepGraph, nodes: int, soon: Sequence[int], wanted: Sequence[int], back: bool) -> Crew:
    """Who shares a simulation of so many nodes, forward or back.

    `soon` says of each link who has delays of a few steps, and `wanted` which leaves of links have a gradient, as
    weights that are 0 have.
    """
    late = [link.is_delayed for link in step.links]
    zeros = [places[0] in wanted for places in leaves_of_links(step.links, range(len(step.pairs)))]
    each = LATE_NODES_THAT_MEET if all(late) else NODES_THAT_MEET
    is_some = 2 * NODES_OF_A_THREAD <= nodes < 2 * each
    if is_some and all(late) and CONNECTED in soon:
        return Crew(2, is_early=True)
    if is_some and not any(late) and (step.drives or (back and any(zeros))):
        return Crew(2, is_early=True)
    least = (UNWEIGHTED if counts else CONNECTED for counts in zeros)
    meet = not all(late) or any(who >= enough for who, enough in zip(soon, least, strict=True))
    return Crew(max(1, nodes // (each if meet else NODES_OF_A_THREAD)), is_early=False)


def whose_are_soon(weights: Tensor | None, lags: Tensor | None, _: Tensor | None, ends: Tensor | None) -> int:
    """Which pairs of different nodes have delays of a few steps, of the leaves of a link."""
    if weights is None or lags is None:
        return NOBODY
    soon = lags < FEW_STEPS
    if ends is None:
        soon.diagonal(dim1=-2, dim2=-1).fill_(False)
    else:
        soon &= ends[0] != ends[1]
    if not soon.any():
        return NOBODY
    return CONNECTED if (soon & (weights != 0)).any() else UNWEIGHTED


def leaves_of_links(links: Sequence[LinkKind], leaves: Sequence[T]) -> Iterator[list[T | None]]:
    """Of each link its weights, delays, past and connections, or None."""
    left = iter(leaves)
    for link in links:
        held = (link.has_weights, link.is_delayed, link.is_delayed, link.is_sparse)
        yield [next(left) if has else None for has in held]


def path_size(call: Any, step: StepGraph, is_early: bool) -> int:
    """About how many numbers a run keeps for its adjoint: states, what arrived, what was sent, noise drawn before."""
    nodes, kept = call.shape[-1], len(step.states) + is_early * len(step.drives)
    kept += sum(not step.links[arrival.link].is_delayed for arrival in step.arrivals)
    late = [link for link, *_ in step.sends if step.links[link].is_delayed]
    past = sum(call.reach[link] + 2 * call.steps for link in late)  # what was sent, and the sums of it
    return prod(call.shape[:-1]) * nodes * (call.steps * kept + past)


def tails(call: Any, like: Tensor) -> list[Tensor]:
    """Empty places for the last rows of signals."""
    return [like.new_empty((rows, *call.shape)) for rows in call.tails[1::2]]


def point_tails(native: Native, call: Any, found: Sequence[Tensor | None], name: str) -> None:
    """Where the last rows of signals, or their gradients, are."""
    native.run.tails = len(call.tails) // 2
    native.list("tail_of", call.tails[::2])
    native.list("tail_rows", call.tails[1::2])
    native.point(**{name: found})


class Gradients:
    """Where the kernel puts the gradients of what links have, and what they are in the shapes of the leaves."""

    def __init__(
        self,
        native: Native,
        call: Any,
        step: StepGraph,
        leaves: Sequence[Tensor],
        given: Sequence[Tensor | None],
    ) -> None:
        self.call, self.leaves = call, leaves[len(step.leaves) :]
        self.held: dict[int, Tensor] = {}
        if not step.links:
            return
        wanted = {i - len(step.leaves) for i in call.wanted}
        pairs = Pairs(step.links, self.leaves, call.shape)
        self.apart = any(pair.per_simulation for own in pairs.pairs for pair in own[:2] if pair is not None)
        copies = prod(call.shape[:-1]) if self.apart else native.run.threads
        nodes = call.shape[-1]
        for places, link in zip(pairs.places, step.links, strict=True):
            for place in wanted.intersection(p for p in places[:2] if p is not None):
                leaf = self.leaves[place]
                inner = leaf.shape[-1 if link.is_sparse else -2 :]
                self.held[place] = leaf.new_zeros(copies, *inner, dtype=torch.float64)
            for place in wanted.intersection(p for p in places[2:] if p is not None):
                past = self.leaves[place]
                shape = (len(past), prod(call.shape[:-1]), past.shape[-2], nodes)
                self.held[place] = past.new_empty(shape)
        point_tails(native, call, given or [None] * (len(call.tails) // 2), "g_tail")
        for k, name in enumerate(("g_weights", "g_lags", "g_before")):
            where = [None if (place := places[k]) is None else self.held.get(place) for places in pairs.places]
            native.point(**{name: where})

    def found(self, place: int) -> Tensor:
        """The gradient of one of the leaves of the links."""
        leaf, held, shape = self.leaves[place], self.held[place], self.call.shape
        if held.ndim < 4:  # of pairs
            total = held.reshape(*shape[:-1], *held.shape[1:]) if self.apart else held.sum(0)
            inner = (1,) * (total.ndim - leaf.ndim) + tuple(leaf.shape)
            return total.sum_to_size(inner).reshape(leaf.shape).to(leaf.dtype)
        rows = held.reshape(len(held), *shape[:-1], *held.shape[-2:])
        inner = (len(leaf), *(1,) * (rows.ndim - leaf.ndim), *leaf.shape[1:])
        return rows.sum_to_size(inner).reshape(leaf.shape).to(leaf.dtype)
