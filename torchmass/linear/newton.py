"""Newton's method for many systems of equations at once, differentiable where it ends."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

MOST = 100  # iterations
GROWTH = 4.0  # of the step in time from one iteration to the next
LONG = 1e12  # times the first step: from there on steps are Newton's


def newton(advance: Callable[[Tensor, float], Tensor], x: Tensor, first: float) -> tuple[Tensor, Tensor]:
    r"""Where `advance` leaves x, (*b, M), unchanged, and which of *b arrived.

    `advance(x, tau)` is one linearly implicit Euler step of \(\dot x = F(x)\) over τ ms, \(x + (1/\tau - F')^{-1}F\):
    short ones follow the flow from x to what attracts it, and with τ = ∞ it is Newton's step. τ begins at `first` and
    grows with every iteration (pseudo-transient continuation). The last two steps alone are in the graph: each doubles
    the order up to which derivatives are exact, so that the first three are, by the implicit function theorem.

    Source: Kelley & Keyes 1998, Convergence analysis of pseudo-transient continuation, SIAM J. Numer. Anal. 35:508,
    doi:10.1137/S0036142996304796.
    """
    small = torch.finfo(x.dtype).eps ** 0.5
    with torch.no_grad():
        for i in range(MOST):
            tau = first * GROWTH**i
            tau = math.inf if tau > LONG * first else tau
            x, before = advance(x, tau), x
            if tau == math.inf and bool(_same(x, before, small).all()):
                break
    found = advance(advance(x, math.inf), math.inf)
    return found, _same(found.detach(), x, small)


def _same(x: Tensor, before: Tensor, small: float) -> Tensor:
    """Whether the last change was so small that the next is below rounding; what has grown so large diverges."""
    return (((x - before).abs() <= small * (1 + x.abs())) & (x.abs() < 1 / small)).all(-1)
