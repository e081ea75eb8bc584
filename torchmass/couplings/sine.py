"""The coupling of phases."""

from typing import Any

import torch
from torch import Tensor

from torchmass.coupling import Coupling
from torchmass.declare import Param


class SineCoupling(Coupling):
    r"""\(u_i = k \sum_j w_{ij}\,\sin(x_j - x_i - \alpha_i)\), for phases x in rad and inputs `(*b, N)`.

    It is computed as \(\cos(x_i + \alpha_i)\sum_j w_{ij}\sin x_j - \sin(x_i + \alpha_i)\sum_j w_{ij}\cos x_j\), so that
    it costs two sines a node, not one a pair.

    Source: Kuramoto 1984, Chemical Oscillations, Waves, and Turbulence, Springer, doi:10.1007/978-3-642-69689-3;
    the phase lag: Sakaguchi & Kuramoto 1986, Prog. Theor. Phys. 76:576, doi:10.1143/PTP.76.576.
    """

    alpha = Param(0.0, "", "Phase lag of the node that receives, in rad.")

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """Sine and cosine of the phase."""
        return torch.sin(x), torch.cos(x)

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """The sines of all differences, by the addition theorem."""
        sines, cosines = sums
        return p.k * (torch.cos(x + p.alpha) * sines - torch.sin(x + p.alpha) * cosines)
