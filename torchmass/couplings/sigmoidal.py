"""Couplings that saturate: in what arrives, or in what each node sends."""

from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.couplings.linear import Adding, Sending
from torchmass.declare import Param


class SigmoidalCoupling(Sending):
    r"""\(u_i = k\,\mathrm{sigmoid}\big(s\,(a \sum_j w_{ij}\,x_j + b - m)\big)\): what arrives saturates.

    Source: brainmass 0.1.1, `sigmoidal`; `TVBSigmoidalCoupling` has the definition of The Virtual Brain.
    """

    a = Param(1.0, "", "Gain of what arrives.")
    b = Param(0.0, "", "Added to what arrives.")
    slope = Param(1.0, "", "Steepness s.")
    midpoint = Param(0.0, "", "What has to arrive for half of k, m.")

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives, through a sigmoid."""
        (arriving,) = sums
        return p.k * torch.sigmoid(p.slope * (p.a * arriving + p.b - p.midpoint))


class TanhCoupling(Sending):
    r"""\(u_i = k \tanh\big(s \sum_j w_{ij}\,x_j\big)\): what arrives saturates on both sides.

    Source: brainmass 0.1.1, `tanh`; `TVBTanhCoupling` has the definition of The Virtual Brain.
    """

    scale = Param(2.0, "", "Gain s of what arrives.")

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives, through a hyperbolic tangent."""
        (arriving,) = sums
        return p.k * torch.tanh(p.scale * arriving)


class SigmoidalJansenRitCoupling(Adding):
    r"""\(u_i = k \sum_j w_{ij}\,\big(c_{min} + (c_{max} - c_{min})\,\mathrm{sigmoid}(r\,(x_j - m))\big)\).

    The signal is a potential, such as the output of `JansenRitStep`, in mV; a rate is sent.

    Source: Jansen & Rit 1995, Biol. Cybern. 73:357, doi:10.1007/BF00199471, for the sigmoid; the coupling as in
    The Virtual Brain, Sanz-Leon et al. 2015, doi:10.1016/j.neuroimage.2015.01.002.
    """

    cmin = Param(0.0, "", "Least that is sent.")
    cmax = Param(0.005, "", "Most that is sent.")
    midpoint = Param(6.0, "mV", "Potential m of half the rate.")
    r = Param(0.56, "1/mV", "Steepness.", bounds=POSITIVE)

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """A rate."""
        return (p.cmin + (p.cmax - p.cmin) * torch.sigmoid(p.r * (x - p.midpoint)),)
