"""Tables of connections by node, as Triton kernels read them: laid out by the device alone, whatever the values are."""

import torch
from torch import Tensor


class Table:
    """Where connections stand in a table, (terms, N): those of each node `at`, from the least `key` on.

    It has `terms` rows, as many as some node may have connections or more. What is left over is 0.
    """

    def __init__(self, at: Tensor, nodes: int, terms: int, key: Tensor | None = None) -> None:
        order = torch.arange(len(at), device=at.device) if key is None else key.argsort(stable=True)
        self.order = order[at[order].argsort(stable=True)]  # so that sums are taken in the same order at every call
        self.at, self.shape = at[self.order], (terms, nodes)
        first = torch.searchsorted(self.at, torch.arange(nodes, device=at.device))
        self.term = torch.arange(len(at), device=at.device) - first[self.at]

    def spread(self, values: Tensor) -> Tensor:
        """The values of connections, (P, E), as (terms, N, P)."""
        found = values.new_zeros(*self.shape, len(values))
        found[self.term, self.at] = values[:, self.order].mT
        return found

    def reach(self, which: Tensor) -> Tensor:
        """How many terms have all of some connections, (E,), of every node."""
        return torch.where(which[self.order], self.term + 1, 0).max()
