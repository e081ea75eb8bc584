"""Covariance and correlation of nodes, in memory that does not grow with time."""

import torch
from torch import Tensor

from torchmass.observe.observer import Carry, Observer, counted, taken
from torchmass.result import Quantity
from torchmass.undefined import defined


class Covariance(Observer):
    r"""Covariance of every two signals over time: (T, *b, N) to (*b, N, N), known at the end.

    \(C_{ij} = \frac{1}{T - 1}\sum_t (z_i(t) - \bar z_i)(z_j(t) - \bar z_j)\). Stretches are merged by their means and
    products of deviations, so that large means cancel nothing; in stretches the result is the same, to rounding. Raises
    `ValueError` for fewer than 2 samples.

    Source: Chan, Golub & LeVeque 1983, Algorithms for computing the sample variance, Am. Stat. 37:242,
    doi:10.1080/00031305.1983.10483115; after Welford 1962, doi:10.1080/00401706.1962.10490022.
    """

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        before, count, none = taken(carry), taken(carry) + len(z), z.new_empty(0, *z.shape[1:])
        mean, products = (z.new_zeros(()), z.new_zeros(())) if carry is None else carry[:2]
        if not len(z):
            return (mean, products, counted(count)), none
        own = z.mean(0)
        moved, deviations = own - mean, z - own
        products = products + torch.einsum("t...i,t...j->...ij", deviations, deviations)
        products = products + before * len(z) / count * moved.unsqueeze(-1) * moved.unsqueeze(-2)
        return (mean + moved * (len(z) / count), products, counted(count)), none

    def finish(self, carry: Carry) -> Tensor:
        if taken(carry) < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 samples, got {taken(carry)}.")
        return carry[1] / (taken(carry) - 1)

    def spacing(self, dt: float) -> None:
        return None

    def quantity(self, seen: Quantity, dt: float) -> Quantity:
        return seen._replace(unit=None, pairs=True)


class Correlation(Observer):
    r"""Pearson correlation of every two signals over time, functional connectivity: (T, *b, N) to (*b, N, N).

    \(F_{ij} = C_{ij}/\sqrt{C_{ii}C_{jj}}\), where C is the `Covariance`, which says how it is found. Raises
    `ValueError` for a constant signal, whose correlation is not defined.
    """

    def __init__(self) -> None:
        super().__init__()
        self.covariance = Covariance()

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        return self.covariance.advance(carry, z, dt)

    def finish(self, carry: Carry) -> Tensor:
        covariance = self.covariance.finish(carry)
        variance = covariance.diagonal(dim1=-2, dim2=-1)
        # the mean of equal numbers may be off by a rounding
        constant = variance <= (8 * torch.finfo(variance.dtype).eps * carry[0]) ** 2
        scale = defined(variance.sqrt(), constant, "the signal is constant", "its correlation is not defined")
        return covariance / (scale.unsqueeze(-1) * scale.unsqueeze(-2))

    def spacing(self, dt: float) -> None:
        return None

    def quantity(self, seen: Quantity, dt: float) -> Quantity:
        return seen._replace(unit="", pairs=True)
