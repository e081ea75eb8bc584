"""Means of squares and of products that neither overflow nor vanish in float32, with gradients that stay finite."""

import math

import torch
from torch import Tensor

from torchmass.objectives.signals import changing


def normed(name: str, x: Tensor, dim: int) -> Tensor:
    """`x` less its mean along `dim`, with norm 1 along it."""
    x = changing(name, x, dim, "correlation")
    centred = x - x.mean(dim, keepdim=True)
    centred = centred / centred.detach().abs().amax(dim, keepdim=True)  # squares of 1e-25 would be 0 in float32
    return centred / torch.linalg.vector_norm(centred, dim=dim, keepdim=True)


def pearson(p: Tensor, q: Tensor, dim: int) -> Tensor:
    """Pearson correlation along `dim`."""
    return (normed("prediction", p, dim) * normed("target", q, dim)).sum(dim)


def rms(x: Tensor, *dims: int) -> Tensor:
    """The root of the mean square along `dims`; where x is 0 it is 0 and so is its gradient, which has no limit."""
    largest = x.detach().abs().amax(dims, keepdim=True)
    scale = torch.where(largest == 0, torch.ones_like(largest), largest)
    root = torch.linalg.vector_norm(x / scale, dim=dims, keepdim=True) * scale
    return (root / math.prod([x.shape[dim] for dim in dims]) ** 0.5).squeeze(dims)


def products(y: Tensor, x: Tensor) -> Tensor:
    """The sum over time of every signal of y with every one of x: (T, *b, N) twice to (*b, N, N), `[of y, of x]`."""
    return torch.einsum("t...i,t...j->...ij", y, x)
