"""The relative exponential, the one primitive behind exponential Euler and the f–I curves x/(1 − e^(−dx))."""

import torch
from torch import Tensor

NEAR_ZERO = 1e-2  # there the series below is exact to 2e-17


def exprel(z: Tensor) -> Tensor:
    r"""\((e^z - 1)/z\), with the value 1 and the right derivatives at and near z = 0."""
    near = torch.abs(z) < NEAR_ZERO
    safe = torch.where(near, torch.ones_like(z), z)
    w = torch.where(near, z, torch.zeros_like(z))
    series = 1 + w / 2 * (1 + w / 3 * (1 + w / 4 * (1 + w / 5 * (1 + w / 6 * (1 + w / 7)))))
    return torch.where(near, series, torch.expm1(safe) / safe)
