"""The couplings of The Virtual Brain that have definitions of their own.

Its linear and difference couplings are `AdditiveCoupling` and `DiffusiveCoupling`.
"""

from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.couplings.linear import Adding, Sending
from torchmass.declare import Param


class TVBTanhCoupling(Adding):
    r"""\(u_i = k \sum_j w_{ij}\,a\,\big(1 + \tanh((b\,x_j - m)/\sigma)\big)\): every node sends a saturated signal.

    Source: Sanz-Leon et al. 2015, doi:10.1016/j.neuroimage.2015.01.002, `HyperbolicTangent`.
    """

    a = Param(1.0, "", "Half of the most that is sent.")
    b = Param(1.0, "", "Gain of the signal.")
    midpoint = Param(0.0, "", "Where half of it is sent, m.")
    sigma = Param(1.0, "", "Width.", bounds=POSITIVE)

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The signal through a hyperbolic tangent."""
        return (p.a * (1 + torch.tanh((p.b * x - p.midpoint) / p.sigma)),)


class TVBSigmoidalCoupling(Sending):
    r"""\(u_i = k\,\big(c_{min} + (c_{max} - c_{min})\,\mathrm{sigmoid}(a\,(\sum_j w_{ij}\,x_j - m)/\sigma)\big)\).

    Source: Sanz-Leon et al. 2015, doi:10.1016/j.neuroimage.2015.01.002, `Sigmoidal`.
    """

    cmin = Param(-1.0, "", "Least that arrives.")
    cmax = Param(1.0, "", "Most that arrives.")
    midpoint = Param(0.0, "", "Sum at which half of it arrives, m.")
    a = Param(1.0, "", "Gain of the sum.")
    sigma = Param(230.0, "", "Width.", bounds=POSITIVE)

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives, through a sigmoid."""
        (arriving,) = sums
        fired = torch.sigmoid(p.a * (arriving - p.midpoint) / p.sigma)
        return p.k * (p.cmin + (p.cmax - p.cmin) * fired)


class TVBPreSigmoidalCoupling(Adding):
    r"""\(u_i = k \sum_j w_{ij}\,H\,\big(Q + \tanh(G\,(P\,x_j - \theta))\big)\), with a threshold that does not move.

    Source: Sanz-Leon et al. 2015, doi:10.1016/j.neuroimage.2015.01.002, `PreSigmoidal`.
    """

    H = Param(0.5, "", "Scale.")
    Q = Param(1.0, "", "Offset.")
    G = Param(60.0, "", "Gain.")
    P = Param(1.0, "", "Gain of the signal.")
    theta = Param(0.5, "", "Threshold.")

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The signal through a hyperbolic tangent."""
        return (p.H * (p.Q + torch.tanh(p.G * (p.P * x - p.theta))),)
