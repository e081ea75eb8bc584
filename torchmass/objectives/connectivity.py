"""Functional connectivity: how signals (T, *b, N) go together, as matrices (*b, N, N), and how near two are."""

import torch
from torch import Tensor

from torchmass.objectives.norms import normed, products, rms
from torchmass.objectives.signals import refuse_missing, signals


def functional_connectivity(x: Tensor) -> Tensor:
    r"""Pearson correlation of every two signals over time: (T, *b, N) to (*b, N, N).

    \(F_{ij} = \langle z_i(t)\,z_j(t)\rangle_t\), where z is x less its mean over its standard deviation.
    Raises `ValueError` for a constant signal, whose correlation is not defined.
    """
    z = normed("x", signals("x", x), 0)
    return products(z, z)


def lagged_correlation(x: Tensor, lag: int) -> Tensor:
    r"""Correlation of every signal with every signal `lag` samples earlier: (T, *b, N) to (*b, N, N), `[to, from]`.

    \(C_{ij} = \langle z_i(t + \mathrm{lag})\,z_j(t)\rangle_t\), with mean and standard deviation over the T − lag
    samples that each factor has. `lag` is a whole number from 0 to T − 2. Raises `ValueError` for a constant signal.
    """
    later, earlier = _apart(x, lag)
    return products(normed("x[lag:]", later, 0), normed("x[:T - lag]", earlier, 0))


def lagged_covariance(x: Tensor, lag: int = 0) -> Tensor:
    r"""Covariance of every signal with every signal `lag` samples earlier: (T, *b, N) to (*b, N, N), `[to, from]`.

    \(C_{ij} = \frac1{T - \mathrm{lag} - 1}\sum_t (x_i(t + \mathrm{lag}) - \bar x_i)(x_j(t) - \bar x_j)\), with means
    over the T − lag samples that each factor has; without lag it is `numpy.cov`. That of a constant signal is 0.
    """
    later, earlier = (part - part.mean(0) for part in _apart(x, lag))
    return products(later, earlier) / (len(later) - 1)


def fc_correlation(p: Tensor, q: Tensor) -> Tensor:
    """Pearson correlation of two matrices over their strict upper triangles: (*b, N, N) twice to (*b).

    Batch axes broadcast. Raises `ValueError` unless both are square, of one size N ≥ 3, and not constant.
    """
    first, second = (normed(name, edges, -1) for name, edges in zip("pq", _edges(p, q, least=3), strict=True))
    return (first * second).sum(-1)


def fc_rmse(p: Tensor, q: Tensor) -> Tensor:
    """Root-mean-square difference of two matrices over their strict upper triangles: (*b, N, N) twice to (*b).

    Batch axes broadcast. The diagonal, which is 1 in both, does not dilute it. Raises `ValueError` unless both are
    square and of one size N ≥ 2.
    """
    first, second = _edges(p, q, least=2)
    return rms(first - second, -1)


def upper_triangle(m: Tensor) -> Tensor:
    """The entries above the diagonal, row by row: (*b, N, N) to (*b, N (N − 1)/2)."""
    row, column = torch.triu_indices(m.shape[-1], m.shape[-1], 1, device=m.device)
    return m[..., row, column]


def _apart(x: Tensor, lag: int) -> tuple[Tensor, Tensor]:
    """The samples from `lag` on, and as many from the first on."""
    if isinstance(lag, bool) or not isinstance(lag, int) or not 0 <= lag <= len(x) - 2:
        raise ValueError(f"lag must be a whole number of samples from 0 to T − 2 = {len(x) - 2}, got {lag!r}.")
    return signals("x", x)[lag:], x[: len(x) - lag]


def _edges(p: Tensor, q: Tensor, least: int) -> tuple[Tensor, Tensor]:
    if p.shape[-2:] != q.shape[-2:] or p.ndim < 2 or p.shape[-1] != p.shape[-2] or p.shape[-1] < least:
        raise ValueError(
            f"two (*b, N, N) with N ≥ {least} are needed, of the same regions, got shapes {tuple(p.shape)} and "
            f"{tuple(q.shape)}."
        )
    refuse_missing("target", q)
    return upper_triangle(p), upper_triangle(q)
