"""Coupling: what nodes send each other, and what they make of the weighted sum."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from torchmass.declare import Param
from torchmass.parametrised import Parametrised
from torchmass.values import as_value


class Coupling(Parametrised):
    r"""\(u_i = \mathrm{receive}\big(x_i, \sum_j w_{ij}\,\mathrm{send}(x_j)\big)\), weights `[to, from]`.

    A kind of coupling defines two pure static functions: `send(x, p)` returns one or more channels of a
    node's signal, `receive(x, sums, p)` turns the node's own signal and the weighted sum of each channel
    into its input. `p` is a named tuple of the declared parameters. An instance is built from its weights,
    `(N, N)` or `(B, N, N)`, and a value for any parameter.
    """

    weights = Param(0.0, "", "Connection strength, [to, from]; the diagonal is used as given.", per="edge")
    k = Param(1.0, "", "Global gain.")

    def __init__(self, weights: Any, *, like: Tensor | None = None, **values: Any) -> None:
        given = as_value("weights", weights, torch.empty(()) if like is None else like)
        if given.ndim < 2 or given.shape[-1] != given.shape[-2]:
            raise ValueError(f"weights must be square, (*b, N, N) with [to, from]; got shape {tuple(given.shape)}.")
        super().__init__(given.shape[-1], like=like, weights=given, **values)

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The channels a node sends."""
        raise NotImplementedError

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """The input a node receives."""
        raise NotImplementedError


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


class AdditiveCoupling(Coupling):
    r"""\(u_i = k \sum_j w_{ij}\,x_j\), for signals and inputs `(*b, N)`.

    Source: the linear coupling of The Virtual Brain, Sanz-Leon et al. 2015, doi:10.1016/j.neuroimage.2015.01.002.
    """

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The signal."""
        return (x,)

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives."""
        (arriving,) = sums
        return p.k * arriving


COUPLINGS: Mapping[str, type[Coupling]] = MappingProxyType(
    {"diffusive": DiffusiveCoupling, "additive": AdditiveCoupling}
)
