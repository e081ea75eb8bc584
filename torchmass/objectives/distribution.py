r"""Distributions of a quantity, as samples (*b, n) or as densities (*b, G) on a grid, and how far two of them are."""

import torch
from torch import Tensor

from torchmass.objectives.signals import changing
from torchmass.undefined import defined


def density(samples: Tensor, x: Tensor, bandwidth: float | None = None) -> Tensor:
    r"""The Gaussian kernel density of samples (*b, n) at the evenly spaced points x (G,), to (*b, G), with integral 1.

    \(\rho(x) \propto \sum_i \exp(-(x - s_i)^2 / 2h^2)\), h = `bandwidth` × the standard deviation of the samples;
    Scott's \(n^{-1/5}\) unless given. Differentiable in the samples. Raises `ValueError` for samples that are all equal
    and for a kernel so narrow that no point of x sees a sample.

    Source: Scott (1992), Multivariate Density Estimation, doi:10.1002/9780470316849.
    """
    samples = changing("a set of samples", samples, -1, "density")
    factor = samples.shape[-1] ** -0.2 if bandwidth is None else bandwidth
    width = factor * samples.std(-1, keepdim=True)
    z = (x - samples[..., None]) / width[..., None]  # (*b, n, G)
    heights = torch.exp(-z.square() / 2).sum(-2)
    total = heights.sum(-1)
    total = defined(
        total, total == 0, "no point of the grid lies within a kernel of a sample", "give a finer grid of x"
    )
    return heights / (total[..., None] * (x[1] - x[0]))


def ks_distance(p: Tensor, q: Tensor) -> Tensor:
    r"""Kolmogorov–Smirnov distance \(\max|F_p - F_q|\) of two densities on one grid: (*b, G) twice to (*b).

    Differentiable, unlike that of samples: the slope is that of the one point where the distance is taken.
    """
    return (_cumulated(p) - _cumulated(q)).abs().amax(-1)


def wasserstein_1d(p: Tensor, q: Tensor, x: Tensor) -> Tensor:
    r"""Wasserstein-1 distance \(\int|F_p - F_q|\,dx\) of two densities at the evenly spaced points x: to (*b)."""
    return (_cumulated(p) - _cumulated(q)).abs().sum(-1) * (x[1] - x[0])


def sample_ks(p: Tensor, q: Tensor) -> Tensor:
    """Kolmogorov–Smirnov distance of two sets of samples: (*b, n) and (*b, m) to (*b); `scipy.stats.ks_2samp`.

    Exact, and a step function of the samples: it has no gradient, and what is computed from it has none either.
    """
    values, difference = _cdf_difference(p.detach(), q.detach())
    last_of_equals = values.diff(dim=-1) > 0
    largest = torch.where(last_of_equals, difference[..., :-1].abs(), 0.0).amax(-1)
    return torch.where(values[..., -1].isnan(), torch.nan, largest)  # in order, NaN is last


def sample_wasserstein(p: Tensor, q: Tensor) -> Tensor:
    """Wasserstein-1 distance of two sets of samples: (*b, n) and (*b, m) to (*b); `scipy.stats.wasserstein_distance`.

    Exact and, but where two samples are equal, differentiable. In the unit of the samples.
    """
    values, difference = _cdf_difference(p, q)
    return (difference[..., :-1].abs() * values.diff(dim=-1)).sum(-1)


def _cumulated(p: Tensor) -> Tensor:
    return p.cumsum(-1) / p.sum(-1, keepdim=True)


def _cdf_difference(p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """All samples in order, (*b, n + m), and the difference of the two distribution functions from each on."""
    n, m = p.shape[-1], q.shape[-1]
    if not n or not m:
        raise ValueError(f"both sets need a sample, got {n} and {m}.")
    batch = torch.broadcast_shapes(p.shape[:-1], q.shape[:-1])
    values, order = torch.cat([p.expand(*batch, n), q.expand(*batch, m)], -1).sort(-1)
    return values, torch.where(order < n, 1 / n, -1 / m).to(values.dtype).cumsum(-1)
