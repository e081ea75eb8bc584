"""Columns: which nodes of a network have a quantity, where groups of nodes have models of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Columns:
    """The n of N nodes that have a quantity, in the order in which their model has them.

    The others hold a number too, which nothing reads: `idle`, or without it what the first of the n has.
    """

    nodes: Tensor  # (n,), which of the N
    places: Tensor  # (N,), where each of the N stands among the n; 0 for the others
    idle: float | None = None
    group: str = ""  # what the n are called together

    def named(self, names: Sequence[Any]) -> tuple[Any, ...]:
        """The n of N names."""
        return tuple(names[node] for node in self.nodes.tolist())

    def own(self, value: Tensor) -> Tensor:
        """The n of (*b, N), as (*b, n); what is the same for all nodes stays as it is."""
        return value if not value.ndim or value.shape[-1] == 1 else value[..., self.nodes]

    def spread(self, value: Tensor) -> Tensor:
        """The opposite: (*b, n) as (*b, N)."""
        everywhere = value if not value.ndim or value.shape[-1] == 1 else value[..., self.places]
        if self.idle is None:
            return everywhere
        nodes = torch.arange(len(self.places), device=self.places.device)
        return torch.where(self.nodes[self.places] == nodes, everywhere, self.idle)


def chosen(group: Tensor, values: Sequence[Tensor | None]) -> Tensor:
    """Of each node, what its group has, 0 where that is None; `group` is the number of each node's group."""
    found = torch.zeros_like(group)
    for k, value in enumerate(values):
        found = found if value is None else torch.where(group == k, value, found)
    return found
