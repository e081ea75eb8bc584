"""Gaussian likelihoods of recordings, given what a linear network does."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from torchmass.values import is_nonfinite


def markov(z: Tensor, propagator: Tensor, stationary: Tensor) -> Tensor:
    r"""\(\log p(z)\) of deviations from rest (T, *b, M), all states of a stationary Ornstein–Uhlenbeck process: (*b).

    \(z_0 \sim N(0, \Sigma)\) and \(z_{n+1} \sim N(\Phi z_n, \Sigma - \Phi\Sigma\Phi^\top)\), exact for any spacing.
    Raises `ValueError` where a state is determined by the others.
    """
    moved = z[1:] - (propagator @ z[:-1].unsqueeze(-1)).squeeze(-1)
    spread = stationary - propagator @ stationary @ propagator.mT
    return _normal(z[:1], stationary) + _normal(moved, (spread + spread.mT) / 2)


def _normal(x: Tensor, covariance: Tensor) -> Tensor:
    """The log density of (T, *b, M), independent in T."""
    lower, failed = torch.linalg.cholesky_ex(covariance)
    if bool((failed > 0).any()):
        raise ValueError(
            "the states are not random enough for a likelihood: one follows from the others, such as a state without "
            "noise of its own over a short dt, or with σ = 0. Give noise to each, or use whittle_log_likelihood."
        )
    white = torch.linalg.solve_triangular(lower, x.movedim(0, -1), upper=False)  # (*b, M, T)
    spread = torch.diagonal(lower, dim1=-2, dim2=-1).log().sum(-1)
    return -0.5 * white.square().sum((-2, -1)) - len(x) * (spread + 0.5 * x.shape[-1] * math.log(2 * math.pi))


def whittle(x: Tensor, dt: float, spectrum: Callable[[Tensor], Tensor], band: tuple[float, float]) -> Tensor:
    r"""\(-\sum_k \log\det \frac{\pi}{dt} S(f_k) + d_k^* S(f_k)^{-1} d_k\) of a signal (T, *b, N), rows dt apart: (*b).

    d is the Fourier transform of the signal less its mean, scaled as S, one-sided per Hz, at the frequencies of T rows
    within the band, in Hz, other than 0 and Nyquist's.
    """
    frequencies = torch.arange(1, (len(x) + 1) // 2).to(x) * (1e3 / (len(x) * dt))
    chosen = (frequencies >= band[0]) & (frequencies <= band[1])
    if not bool(chosen.any()):
        raise ValueError(f"no frequency of {len(x)} rows, {dt:g} ms apart, lies in the band {band} Hz; widen it.")
    found = torch.fft.rfft(x - x.mean(0), dim=0)[1 : len(frequencies) + 1][chosen]
    d = found * math.sqrt(2e-3 * dt / len(x))
    expected = spectrum(frequencies[chosen])  # (F, *b, N, N)
    lower, failed = torch.linalg.cholesky_ex(expected)
    if bool((failed > 0).any()):
        raise ValueError("the cross-spectrum has no inverse: a signal follows from the others; add noise to each node.")
    white = torch.linalg.solve_triangular(lower, d.unsqueeze(-1), upper=False).squeeze(-1)
    spread = 2 * torch.diagonal(lower, dim1=-2, dim2=-1).real.log().sum(-1) + d.shape[-1] * math.log(
        math.pi / (1e-3 * dt)
    )
    return -((white.abs().square()).sum(-1) + spread).sum(0)


def check_series(name: str, x: Tensor, size: int, batch: int) -> Tensor:
    """A series (T, *b, N), with at least so many axes *b.

    Raises `ValueError` for another shape, and for what is not finite.
    """
    if x.ndim < 2 or len(x) < 3 or x.shape[-1] != size:
        raise ValueError(f"{name} must be (T, *b, N) with T ≥ 3 and N={size}, got shape {tuple(x.shape)}.")
    if is_nonfinite(x):
        raise ValueError(f"{name} must be finite, got {float(x[~x.isfinite()][0])}; cut out what is missing.")
    return x.reshape(len(x), *[1] * (batch + 2 - x.ndim), *x.shape[1:])
