r"""Functional connectivity dynamics: how functional connectivity changes from one window of time to the next."""

import torch
from torch import Tensor

from torchmass.objectives.connectivity import functional_connectivity, upper_triangle
from torchmass.objectives.distribution import density, ks_distance, wasserstein_1d
from torchmass.objectives.norms import normed
from torchmass.objectives.signals import signals

MIDPOINTS = (-0.99, 0.99, 100)  # where the distribution of correlations is evaluated: first, last, how many


def fcd(x: Tensor, window: int, step: int) -> Tensor:
    r"""Functional connectivity dynamics: (T, *b, N) to (*b, W, W), the likeness of every two windows of x.

    \(D_{ab}\) is the Pearson correlation of the strict upper triangles of the functional connectivities in windows a
    and b, which are `window` samples long and start every `step` samples. Raises `ValueError` for fewer than two
    windows, a signal that is constant in one, and fewer than 3 regions.

    Source: Hansen et al. (2015), NeuroImage 105:525, doi:10.1016/j.neuroimage.2014.11.001.
    """
    for name, value, least in (("window", window, 2), ("step", step, 1)):
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise ValueError(f"{name} must be a whole number of samples ≥ {least}, got {value!r}.")
    if signals("x", x).shape[-1] < 3 or len(x) < window + step:
        raise ValueError(
            f"two windows of {window} samples, {step} apart, of 3 regions or more are needed, got shape "
            f"{tuple(x.shape)}: record longer or shorten the window."
        )
    windows = x.unfold(0, window, step).movedim(-1, 0)  # (window, W, *b, N)
    edges = normed("the FC of a window", upper_triangle(functional_connectivity(windows)), -1)  # (W, *b, edges)
    return torch.einsum("u...e,v...e->...uv", edges, edges)


def fcd_distribution(d: Tensor, midpoints: Tensor | None = None, bandwidth: float | None = None) -> Tensor:
    """The density of the entries above the diagonal of `fcd`: (*b, W, W) to (*b, G), by `density` at `midpoints`.

    These are 100 from −0.99 to 0.99 unless given. Raises `ValueError` for entries that are all equal.
    """
    return density(upper_triangle(d), correlations(d) if midpoints is None else midpoints, bandwidth)


def fcd_ks(p: Tensor, q: Tensor) -> Tensor:
    """Kolmogorov–Smirnov distance of the smooth distributions of two `fcd`: (*b, W, W) and (*b, V, V) to (*b).

    The differentiable surrogate of `sample_ks` of their entries, from which smoothing takes a few hundredths.
    """
    return ks_distance(fcd_distribution(p), fcd_distribution(q))


def fcd_wasserstein(p: Tensor, q: Tensor) -> Tensor:
    """Wasserstein-1 distance of the smooth distributions of two `fcd`: (*b, W, W) and (*b, V, V) to (*b)."""
    return wasserstein_1d(fcd_distribution(p), fcd_distribution(q), correlations(p))


def correlations(like: Tensor) -> Tensor:
    """The correlations at which a distribution is evaluated unless others are given, (G,)."""
    return torch.linspace(*MIDPOINTS, dtype=like.dtype, device=like.device)
