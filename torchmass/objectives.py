r"""What a fit compares: pure, differentiable functions of time series (T, *b, N) and of matrices (*b, N, N)."""

import torch
from torch import Tensor


def functional_connectivity(x: Tensor) -> Tensor:
    r"""Pearson correlation of every two signals over time: (T, *b, N) to (*b, N, N).

    \(F_{ij} = \langle z_i(t)\,z_j(t)\rangle_t\), where z is x less its mean over its standard deviation.
    Raises `ValueError` for a constant signal, whose correlation is not defined.
    """
    z = _normed("x", _series(x), 0)
    return _products(z, z)


def lagged_correlation(x: Tensor, lag: int) -> Tensor:
    r"""Correlation of every signal with every signal `lag` samples earlier: (T, *b, N) to (*b, N, N), `[to, from]`.

    \(C_{ij} = \langle z_i(t + \mathrm{lag})\,z_j(t)\rangle_t\), with mean and standard deviation over the T − lag
    samples that each factor has. `lag` is a whole number from 0 to T − 2. Raises `ValueError` for a constant signal.
    """
    if isinstance(lag, bool) or not isinstance(lag, int) or not 0 <= lag <= len(x) - 2:
        raise ValueError(f"lag must be a whole number of samples from 0 to T − 2 = {len(x) - 2}, got {lag!r}.")
    later, earlier = _normed("x[lag:]", _series(x)[lag:], 0), _normed("x[:T - lag]", x[: len(x) - lag], 0)
    return _products(later, earlier)


def fc_correlation(p: Tensor, q: Tensor) -> Tensor:
    """Pearson correlation of two matrices over their strict upper triangles: (*b, N, N) twice to (*b).

    Batch axes broadcast. Raises `ValueError` unless both are square, of one size N ≥ 3, and not constant.
    """
    if p.shape[-2:] != q.shape[-2:] or p.ndim < 2 or p.shape[-1] != p.shape[-2] or p.shape[-1] < 3:
        raise ValueError(f"two (*b, N, N) with N ≥ 3 are needed, got shapes {tuple(p.shape)} and {tuple(q.shape)}.")
    row, column = torch.triu_indices(p.shape[-1], p.shape[-1], 1, device=p.device)
    first, second = _normed("p", p[..., row, column], -1), _normed("q", q[..., row, column], -1)  # (*b, edges)
    return (first * second).sum(-1)


def _products(y: Tensor, x: Tensor) -> Tensor:
    return torch.einsum("t...i,t...j->...ij", y, x)


def _series(x: Tensor) -> Tensor:
    if x.ndim < 2 or len(x) < 2:
        raise ValueError(f"x must be (T, *b, N) with at least 2 samples, got shape {tuple(x.shape)}.")
    return x


def _normed(name: str, x: Tensor, dim: int) -> Tensor:
    """`x` less its mean along `dim`, with norm 1 along it."""
    constant = (x.detach() == x.detach().narrow(dim, 0, 1)).all(dim)
    if _known_true(constant.any()):
        where = f" at index {constant.nonzero()[0].tolist()}" if constant.ndim else ""
        raise ValueError(f"{name} is constant{where}: its correlation is not defined.")
    centred = x - x.mean(dim, keepdim=True)
    centred = centred / centred.detach().abs().amax(dim, keepdim=True)  # squares of 1e-25 would be 0 in float32
    return centred / torch.linalg.vector_norm(centred, dim=dim, keepdim=True)


def _known_true(condition: Tensor) -> bool:
    """Whether a boolean scalar is True; False where its value cannot be seen (vmap, compile)."""
    if torch.compiler.is_compiling():
        return False
    try:
        return bool(condition)
    except RuntimeError:  # inside vmap a value belongs to many members and has no truth of its own
        return False
