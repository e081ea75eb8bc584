r"""The relative exponential \((e^z - 1)/z\), behind exponential Euler, and its inverse, behind f–I curves.

Both and their slopes are operations of kernels; what they mean in torch is written here.
"""

from collections.abc import Callable, Sequence
from math import factorial

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

Function = Callable[[Tensor], Tensor]

WIDTH = 0.5  # of the series about 0, which are exact to 1e-16 there
EXPREL = [1 / factorial(n + 1) for n in range(18)]
BERNOULLI = {0: 1, 1: -1 / 2, 2: 1 / 6, 4: -1 / 30, 6: 1 / 42, 8: -1 / 30, 10: 5 / 66, 12: -691 / 2730, 14: 7 / 6}
INVERSE = [BERNOULLI.get(n, 0) / factorial(n) for n in range(15)]


def _operation(function: Function) -> Function:
    """The same function; of what is no tensor it is an operation by this name."""

    def either(z: Tensor) -> Tensor:
        return handle_torch_function(either, (z,), z) if has_torch_function((z,)) else function(z)

    either.__name__, either.__doc__ = function.__name__, function.__doc__
    return either


def _slope(series: Sequence[float]) -> list[float]:
    return [n * c for n, c in enumerate(series)][1:]


def _about_zero(z: Tensor, series: Sequence[float], far: Function) -> Tensor:
    """Σ cₙzⁿ near 0, and there the right derivatives; `far` elsewhere, where it is not given 0."""
    near = torch.abs(z) < WIDTH
    w, total = torch.where(near, z, 0.0), 0.0
    for c in reversed(series):
        total = c + w * total
    return torch.where(near, total, far(torch.where(near, 1.0, z)))


@_operation
def exprel(z: Tensor) -> Tensor:
    r"""\((e^z - 1)/z\), with the value 1 and the right derivatives at and near z = 0."""
    return _about_zero(z, EXPREL, lambda z: torch.expm1(z) / z)


@_operation
def exprel_slope(z: Tensor) -> Tensor:
    """The derivative of `exprel`."""
    return _about_zero(z, _slope(EXPREL), lambda z: (torch.exp(z) - exprel(z)) / z)


def exprel_bend(z: Tensor) -> Tensor:
    """Its second derivative."""
    return _about_zero(z, _slope(_slope(EXPREL)), lambda z: (torch.exp(z) - 2 * exprel_slope(z)) / z)


@_operation
def inverse_exprel(z: Tensor) -> Tensor:
    r"""\(z/(e^z - 1)\), with the value 1 and the right derivatives at and near z = 0."""
    return 1 / exprel(z)


@_operation
def inverse_exprel_slope(z: Tensor) -> Tensor:
    """The derivative of `inverse_exprel`."""
    return _about_zero(z, _slope(INVERSE), lambda z: _inverse_slope(z, inverse_exprel(z)))


def _inverse_slope(z: Tensor, y: Tensor) -> Tensor:
    return (1 - torch.where(z < 0, y * torch.exp(z), y + z)) / torch.expm1(z)  # y eᶻ is y + z


def inverse_exprel_bend(z: Tensor) -> Tensor:
    """Its second derivative."""
    return _about_zero(z, _slope(_slope(INVERSE)), lambda z: _inverse_bend(z, inverse_exprel(z)))


def _inverse_bend(z: Tensor, y: Tensor) -> Tensor:
    return -(y + (z + 2 * y) * inverse_exprel_slope(z)) / z
