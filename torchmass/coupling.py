"""Coupling: what nodes send each other, and what they make of the weighted sum."""

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
    `(N, N)` or `(B, N, N)`, and a value for any parameter. A number, given with `in_size`, is the weight of every pair
    of different nodes: sums are then taken over all nodes at once, in O(N).
    """

    in_size: int
    weights = Param(0.0, "", "Connection strength, [to, from]; the diagonal is used as given.", per="edge")
    k = Param(1.0, "", "Global gain.")

    def __init__(self, weights: Any, in_size: int | None = None, *, like: Tensor | None = None, **values: Any) -> None:
        given = as_value("weights", weights, torch.empty(()) if like is None else like)
        self.alike = not given.ndim and in_size is not None  # one weight for all pairs of different nodes
        given = given.reshape(1, 1) if self.alike else given
        if given.ndim < 2 or given.shape[-1] != given.shape[-2]:
            raise ValueError(
                f"weights must be square, (*b, N, N) with [to, from], or a number with in_size; got shape "
                f"{tuple(given.shape)}."
            )
        super().__init__(given.shape[-1] if in_size is None else in_size, like=like, weights=given, **values)

    def _size(self, declaration: Param) -> int | None:
        return 1 if self.alike and declaration.per == "edge" else self.in_size

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The channels a node sends."""
        raise NotImplementedError

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """The input a node receives."""
        raise NotImplementedError
