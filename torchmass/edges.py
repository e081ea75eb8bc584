"""Edges: the pairs of nodes that are connected, all or those of a list, and how their values meet those of nodes."""

from dataclasses import dataclass
from math import prod
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from torchmass.sparse import coalesced, is_sparse
from torchmass.values import as_value


@dataclass(frozen=True, eq=False)
class AllPairs:
    """Every pair of N nodes: what they have is (*b, N, N), [to, from]."""

    nodes: int
    axes: ClassVar[int] = 2

    @property
    def shape(self) -> tuple[int, ...]:
        """That of one number a pair."""
        return self.nodes, self.nodes

    def to(self, x: Tensor) -> Tensor:
        """What the node of each pair has that receives, of (*b, N)."""
        return x.unsqueeze(-1)

    def source(self, x: Tensor) -> Tensor:
        """What the node of each pair has that sends, of (*b, N)."""
        return x.unsqueeze(-2)

    def total(self, values: Tensor) -> Tensor:
        """Sums over all that send, (*b, N)."""
        return values.sum(-1)

    def product(self, weights: Tensor, sent: Tensor) -> Tensor:
        r"""\(\sum_j w_{ij} s_j\) of each channel of what is sent, (*b, C, N)."""
        return sent @ weights.mT

    def transposed(self, values: Tensor) -> Tensor:
        """What the pairs of the other direction have."""
        return values.mT

    def matrix(self, values: Tensor) -> Tensor:
        """The same as (*b, N, N)."""
        return values


@dataclass(frozen=True, eq=False)
class Edges:
    """Some pairs of N nodes: what they have is (*b, E), in the order of `ends`, (2, E), to and from, sorted."""

    nodes: int
    ends: Tensor
    mirror: Tensor | None = None  # (E,), where that of the other direction is, if there is one of each
    axes: ClassVar[int] = 1

    @classmethod
    def among(cls, connected: Any, like: Tensor, both_ways: bool = False) -> Self:
        """The pairs with an entry, be it 0, in a sparse matrix, in any of a batch, or that are True in a dense one."""
        given = connected if is_sparse(connected) else torch.as_tensor(connected, dtype=torch.bool).to_sparse()
        held = coalesced(given, like).detach()
        nodes, (to, source) = held.shape[-1], held.indices()[-2:]
        if not both_ways and held.sparse_dim() == 2:
            return cls(nodes, torch.stack((to, source)))
        place = torch.cat((to * nodes + source, source * nodes + to)) if both_ways else to * nodes + source
        place = place.unique()
        ends = torch.stack((place // nodes, place % nodes))
        return cls(nodes, ends, mirror(ends) if both_ways else None)

    @property
    def shape(self) -> tuple[int, ...]:
        """That of one number an edge."""
        return tuple(self.ends.shape[1:])

    @property
    def place(self) -> Tensor:
        """Where each is among all pairs, (E,)."""
        return self.ends[0] * self.nodes + self.ends[1]

    def to(self, x: Tensor) -> Tensor:
        """What the node of each has that receives, of (*b, N)."""
        return _read(x, self.ends[0])

    def source(self, x: Tensor) -> Tensor:
        """What the node of each has that sends, of (*b, N)."""
        return _read(x, self.ends[1])

    def total(self, values: Tensor) -> Tensor:
        """Sums over all that send, (*b, N)."""
        empty = values.new_zeros(*values.shape[:-1], self.nodes)
        return empty.scatter_add(-1, self.ends[0].expand(values.shape), values)

    def product(self, weights: Tensor, sent: Tensor) -> Tensor:
        r"""\(\sum_j w_{ij} s_j\) of each channel of what is sent, (*b, C, N)."""
        return self.total(weights.unsqueeze(-2) * self.source(sent))

    def transposed(self, values: Tensor) -> Tensor:
        """What those of the other direction have."""
        assert self.mirror is not None
        return _read(values, self.mirror)

    def matrix(self, values: Tensor) -> Tensor:
        """The same as (*b, N, N); pairs that are not connected have 0."""
        flat = values.new_zeros(*values.shape[:-1], self.nodes**2)
        return flat.scatter(-1, self.place.expand(values.shape), values).unflatten(-1, (self.nodes, self.nodes))

    def picked(self, matrix: Tensor) -> Tensor:
        """What a matrix, (*b, N, N), has for each."""
        return matrix.flatten(-2).index_select(-1, self.place)

    def given(self, label: str, value: Any, like: Tensor, *, alone: bool) -> Tensor:
        """A value from a user, which may be a number, a dense or a sparse matrix, or one a connection.

        Raises `ValueError` for a wrong shape, and, where they must stand `alone`, for numbers other than 0 elsewhere.
        """
        held = coalesced(value, like) if is_sparse(value) else None
        values = as_value(label, value if held is None else held.values(), like)
        shape, square = tuple(values.shape if held is None else held.shape), (self.nodes, self.nodes)
        if not shape:
            return values.expand(self.shape) if alone else values
        if shape[-2:] != square and shape[-1:] == self.shape:
            return values
        if shape[-2:] != square:
            raise ValueError(
                f"{label} must be (*b, N, N) with [to, from] and N={self.nodes}, or (*b, E), one for each of "
                f"E={self.shape[0]} connections; got shape {shape}."
            )
        found = self.picked(values) if held is None else self._entries(held, values)
        if alone and (more := int(values.count_nonzero() - found.count_nonzero())):
            raise ValueError(f"{label} must be 0 where there is no connection; {more} others are not.")
        return found

    def _entries(self, held: Tensor, values: Tensor) -> Tensor:
        """What a sparse matrix with these values, or a batch, has for each; 0 where it has no entry."""
        if torch.equal(held.indices(), self.ends):  # as nearly always; what follows takes 0.3 µs an entry
            return values
        (*members, to, source), (*sizes, _, _) = held.indices(), held.shape
        own, none = to * self.nodes + source, to.new_tensor([self.nodes**2])
        place = torch.cat((self.place, none))
        where = torch.searchsorted(place, own)
        there, edges = place[where] == own, len(place) - 1
        member = torch.zeros_like(own)
        for index, size in zip(members, sizes, strict=True):
            member = member * size + index
        flat = values.new_zeros(prod(sizes) * edges)
        return flat.index_put(((member * edges + where)[there],), values[there]).reshape(*sizes, edges)


def mirror(ends: Tensor) -> Tensor:
    """Where among pairs, sorted, of which there are those of both directions, that of the other direction is, (E,)."""
    return ends[1].argsort(stable=True)


def _read(x: Tensor, at: Tensor) -> Tensor:
    """The numbers of (*b, n) at these places; one that is the same at all stays as it is."""
    # gather adds up its gradient in a plain loop: of 2 × 2,000,000 numbers in 11 ms, that of index_select in 20 ms
    return x if x.shape[-1] == 1 else x.gather(-1, at.expand(*x.shape[:-1], len(at)))
