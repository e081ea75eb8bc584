"""What can be compared: signals (T, *b, N) that are long enough, that change, that lack no value, and that match."""

import torch
from torch import Tensor

from torchmass.undefined import defined, truth

ROUNDINGS = 16  # the fast convolution of a constant with a haemodynamic response leaves 5


def signals(name: str, x: Tensor, least: int = 2) -> Tensor:
    """x itself, (T, *b, N) with at least `least` samples."""
    if x.ndim < 2 or len(x) < least:
        raise ValueError(f"{name} must be (T, *b, N) with at least {least} samples, got shape {tuple(x.shape)}.")
    return x


def aligned(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Two signals, or spectra, (T, *b, N) of one length and of the same regions, whose batch axes broadcast.

    The first is a prediction, the second a target, which usually has no batch axes and must lack no value.
    """
    signals("prediction", p, 1)
    signals("target", q, 1)
    if len(p) != len(q):
        raise ValueError(f"prediction has {len(p)} rows and target has {len(q)}: record or cut them to one length.")
    refuse_missing("target", q)
    batch = max(p.ndim, q.ndim) - 2
    return matched(*(x.reshape(len(x), *[1] * (batch - x.ndim + 2), *x.shape[1:]) for x in (p, q)))


def matched(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """Two quantities (..., N) of the same regions; the second is a target, which must lack no value."""
    if p.shape[-1] != q.shape[-1]:
        raise ValueError(f"prediction has {p.shape[-1]} regions and target has {q.shape[-1]}: compare the same ones.")
    refuse_missing("target", q)
    return p, q


def refuse_missing(name: str, x: Tensor) -> None:
    """Raise a `ValueError` that says where `x` is NaN or infinite."""
    missing = ~x.detach().isfinite()
    if truth(missing.any()):
        raise ValueError(
            f"{name} has {int(missing.sum())} values that are not finite, the first at index "
            f"{missing.nonzero()[0].tolist()} of shape {tuple(x.shape)}: leave such samples or regions out."
        )


def changing(name: str, x: Tensor, dim: int, what: str) -> Tensor:
    """x, where it changes along `dim`, by more than roundings; `what` of a constant is not defined, as above."""
    low, high = torch.aminmax(x.detach(), dim=dim)
    constant = high - low <= ROUNDINGS * torch.finfo(x.dtype).eps * torch.maximum(-low, high)
    return defined(x.movedim(dim, 0), constant, f"{name} is constant", f"its {what} is not defined").movedim(0, dim)
