"""The links of a call as Triton kernels sum them: matrices, or tables of the connections of each node."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from torchmass.kernels.coupled import Pair
from torchmass.kernels.step.exchange import LinkKind

DELAYED = ("other", "back", "near", "far")  # what a table of connections with delays has: the node, and `samples`


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
            return cls(ends[0].long(), ends[1].long(), weights.reshape(-1, weights.shape[-1]))
        pair = torch.arange(nodes * nodes, device=weights.device)
        flat = lambda value: None if value is None else value.reshape(-1, nodes * nodes)
        return cls(pair // nodes, pair % nodes, weights.reshape(-1, nodes * nodes), flat(lags))

    @property
    def shared(self) -> bool:
        """Whether all simulations have the same."""
        return len(self.weights) == 1 and (self.lags is None or len(self.lags) == 1)

    def where(self, which: Tensor) -> "Connections":
        """Some of them."""
        lags = None if self.lags is None else self.lags[:, which]
        return Connections(self.to[which], self.source[which], self.weights[:, which], lags)

    def possible(self) -> Tensor:
        """Which have a delay that ends."""
        return torch.ones_like(self.to, dtype=torch.bool) if self.lags is None else self.lags.isfinite().any(0)

    def there(self) -> "Connections":
        """Those whose weight is other than 0 in some simulation."""
        return self.where((self.weights != 0).any(0) & self.possible())

    def read(self, c: float) -> tuple[Tensor, Tensor]:
        """How many whole steps ago each reads at a fraction `c` of a step, and the share of the step before that.

        One that is shorter than this reads between now, which has that share, and what is sent just then: −1 steps ago.
        """
        assert self.lags is not None
        age = self.lags - c
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


def table(at: Tensor, other: Tensor, values: Sequence[Tensor], nodes: int, few: int) -> list[Tensor]:
    """Connections by the node `at`: the other node of each, (terms, N), and their values, (P, E), as (terms, N, P).

    There are as many terms as some node has connections, and up to a multiple of `few`; what is left over is 0.
    """
    order = at.argsort(stable=True)
    at, other = at[order], other[order]
    degree = torch.bincount(at, minlength=nodes)
    term = torch.arange(len(at), device=at.device) - (degree.cumsum(0) - degree)[at]
    terms = -(-int(degree.max()) // few) * few
    others = torch.zeros(terms, nodes, dtype=torch.int32, device=at.device)
    others[term, at] = other.to(torch.int32)
    spread = [value.new_zeros(terms, nodes, len(value)) for value in values]
    for to, value in zip(spread, values, strict=True):
        to[term, at] = value[:, order].mT
    return [others, *spread]
