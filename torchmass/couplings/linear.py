"""Couplings that are linear in the signals, and what others share with them."""

from typing import Any

import torch
from torch import Tensor

from torchmass.coupling import Coupling
from torchmass.declare import Param


class Sending(Coupling):
    """Those that send the signal itself."""

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The signal."""
        return (x,)


class Adding(Coupling):
    """Those that add up what nodes made of their signals."""

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives."""
        (arriving,) = sums
        return p.k * arriving


class DiffusiveCoupling(Coupling):
    r"""\(u_i = k \sum_j w_{ij}\,(x_j - x_i)\), for signals and inputs `(*b, N)`.

    Source: the difference coupling of The Virtual Brain, Sanz-Leon et al. 2015, doi:10.1016/j.neuroimage.2015.01.002.
    """

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The signal, and a one that sums to the node's in-strength."""
        return x, torch.ones_like(x)

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives, less the node's own signal as often."""
        arriving, strength = sums
        return p.k * (arriving - strength * x)


class AdditiveCoupling(Sending):
    r"""\(u_i = k \sum_j w_{ij}\,x_j + b\), for signals and inputs `(*b, N)`.

    Source: the linear coupling of The Virtual Brain, Sanz-Leon et al. 2015, doi:10.1016/j.neuroimage.2015.01.002.
    """

    b = Param(0.0, "", "What arrives without any signal.")

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives."""
        (arriving,) = sums
        return p.k * arriving + p.b
