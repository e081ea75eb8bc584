"""The links of a call as Triton kernels sum them: matrices, or tables of the connections of each node."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from torchmass.kernels.coupled import Pair
from torchmass.kernels.step.exchange import LinkKind

# what a table with delays has: the other node, `samples`, and how many terms are summed step by step, and in all
DELAYED = ("other", "back", "near", "far", "terms")


class Connections(NamedTuple):
    """Connections, (E,), with their weights and delays in steps, (P, E); P is 1 where simulations share them."""

    to: Tensor
    source: Tensor
    weights: Tensor
    lags: Tensor | None = None

    @classmethod
    def of(cls, link: LinkKind, pairs: Sequence[Pair | None], nodes: int) -> "Connections":
        """All that there can be: the pairs that are listed, or all."""
        weights, lags, _, ends = (None if pair is None else pair.tensor for pair in pairs)
        assert weights is not None
        if link.is_sparse:
            assert ends is not None
            to, source = ends.long()
        else:
            pair = torch.arange(nodes * nodes, device=weights.device)
            to, source = pair // nodes, pair % nodes
        weights = weights.reshape(-1, len(to))
        if lags is not None:  # what has no delay that is a number delivers none
            lags = lags.reshape(-1, len(to))
            weights, lags = torch.where(lags.isnan(), torch.nan, weights), lags.nan_to_num(0.0, torch.inf)
        return cls(to, source, weights, lags)

    @property
    def shared(self) -> bool:
        """Whether all simulations have the same."""
        return len(self.weights) == 1 and (self.lags is None or len(self.lags) == 1)

    @property
    def possible(self) -> Tensor:
        """Which may have a delay that ends, (E,)."""
        return torch.ones_like(self.to, dtype=torch.bool) if self.lags is None else ~self.lags.isinf().all(0)

    def possible_first(self) -> tuple["Connections", Tensor]:
        """The same in another order, and which of these each is."""
        order = (~self.possible).to(torch.uint8).argsort(stable=True)
        lags = None if self.lags is None else self.lags[:, order]
        return Connections(self.to[order], self.source[order], self.weights[:, order], lags), order

    def shortest(self) -> Tensor:
        """The shortest delay of each in any simulation, (E,); infinite where it has no weight."""
        assert self.lags is not None
        return torch.where((self.weights != 0).any(0), self.lags.amin(0), torch.inf)

    def read(self, c: float) -> tuple[Tensor, Tensor]:
        """How many whole steps ago each reads at a fraction `c` of a step, and the share of the step before that.

        One that is shorter than this reads between now, which has that share, and what is sent just then: −1 steps ago.
        """
        assert self.lags is not None
        age = torch.where(self.lags.isinf(), 0, self.lags - c)  # whose weight is 0
        age = torch.where(age < 0, age / c, age) if c else age
        whole = age.floor()
        return whole.to(torch.int32), age - whole

    def samples(self, c: float) -> list[Tensor]:
        """The same as the steps, the weight of what was sent then, and that of the step before; (P, E) each."""
        whole, part = self.read(c)
        return list(torch.broadcast_tensors(whole, self.weights * (1 - part), self.weights * part))


def named(link: int, c: float | None, which: str) -> str:
    """How the names of a link's tables begin: of those read at a fraction `c` of a step, where it has delays."""
    return f"l{link}{'' if c is None else f'_{c:g}'.replace('.', '_')}{which}"
