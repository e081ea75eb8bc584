"""Couplings through the normalised Laplacian of the weights."""

from typing import Any

import torch
from torch import Tensor

from torchmass.coupling import Coupling
from torchmass.couplings.linear import DiffusiveCoupling, Sending


def _in_strength(coupling: Coupling, weights: Tensor) -> Tensor:
    """d_i = Σ_j w_ij, (*b, N), 1 where it is 0; where all pairs are alike, (*b, 1)."""
    total = weights[..., 0] * (coupling.in_size - 1) if coupling.alike else coupling.edges.total(weights)
    return torch.where(total == 0, 1.0, total)


class RandomWalkLaplacianCoupling(DiffusiveCoupling):
    r"""\(u_i = k \sum_j \frac{w_{ij}}{d_i}\,(x_j - x_i)\), \(d_i = \sum_j w_{ij}\): what a node hears, on average.

    That is \(D^{-1}W - I\), the random-walk Laplacian with its sign turned. A node that nothing reaches has no input.

    Source: Chung 1997, Spectral Graph Theory, AMS, doi:10.1090/cbms/092.
    """

    def strengths(self) -> Tensor:
        """The weights of each node as parts of their sum, (*b, *edges)."""
        weights = super().strengths()
        return weights / self.edges.to(_in_strength(self, weights))


class SymmetricLaplacianCoupling(Sending):
    r"""\(u_i = k \big(\sum_j \frac{w_{ij}}{\sqrt{d_i d_j}}\,x_j - x_i\big)\), \(d_i = \sum_j w_{ij} \ge 0\).

    That is \(D^{-1/2}WD^{-1/2} - I\), the symmetric normalised Laplacian with its sign turned; also of a node that
    nothing reaches, whose input is \(-k x_i\).

    Source: Chung 1997, Spectral Graph Theory, AMS, doi:10.1090/cbms/092.
    """

    def strengths(self) -> Tensor:
        """The weights by the roots of what reaches either node, (*b, *edges)."""
        weights = super().strengths()
        root = torch.sqrt(_in_strength(self, weights))
        return weights / self.edges.to(root) / self.edges.source(root)

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives, less the node's own signal."""
        (arriving,) = sums
        return p.k * (arriving - x)
