"""Power over frequency: how much, where its peak is, and how far two spectra are. Frequencies are Hz, dt is ms."""

import torch
from torch import Tensor

from torchmass.objectives.distance import relative_of
from torchmass.objectives.norms import rms
from torchmass.objectives.signals import aligned, changing, signals
from torchmass.spectra import band, power_spectral_density, segment_length
from torchmass.undefined import defined


def band_spectrum(
    x: Tensor, dt: float, low: float, high: float | None, nperseg: int | None = None
) -> tuple[Tensor, Tensor]:
    """`power_spectral_density` at the frequencies in [low, high) Hz alone: (F,) and (F, *b, N).

    `high=None` is all from `low`. Raises `ValueError` for a band without frequencies and for a constant signal.
    """
    x = changing("x", signals("x", x), 0, "spectrum")
    part = band(low, high, segment_length(len(x), nperseg), dt)
    f, power = power_spectral_density(x, dt, nperseg)
    return f[part], power[part]


def band_power(x: Tensor, dt: float, low: float, high: float | None, nperseg: int | None = None) -> Tensor:
    r"""\(\int_{low}^{high} P\,df\), the variance that a signal has in [low, high) Hz: (T, *b, N) to (*b, N), in x²."""
    _, power = band_spectrum(x, dt, low, high, nperseg)
    return power.sum(0) * (1000 / (dt * segment_length(len(x), nperseg)))


def spectral_centroid(x: Tensor, dt: float, low: float, high: float | None, nperseg: int | None = None) -> Tensor:
    r"""\(\int fP\,df / \int P\,df\) over [low, high) Hz: (T, *b, N) to (*b, N), in Hz.

    The surrogate of a peak's frequency for who is far from it: it always has a value and a slope, and sees the power of
    the whole band, the background included.
    """
    f, power = band_spectrum(x, dt, low, high, nperseg)
    return torch.tensordot(f, power / power.sum(0), 1)


def peak_frequency(x: Tensor, dt: float, low: float, high: float | None, nperseg: int | None = None) -> Tensor:
    r"""The frequency of the highest peak in [low, high) Hz: (T, *b, N) to (*b, N), in Hz.

    The vertex of the parabola through the logarithm of the highest value and its two neighbours, exact for a Gaussian
    peak. Which value is the highest has no slope; the vertex has, and is what the gradient is of: it moves a peak
    within the spacing of the frequencies, on to the next one, and so on. Raises `ValueError` where the highest value is
    at an end of the band, which is then not a peak; `spectral_centroid` has a value there.
    """
    f, power = band_spectrum(x, dt, low, high, nperseg)
    if len(f) < 3:
        raise ValueError(f"a peak in [{low}, {high}) Hz needs 3 frequencies, the band has {len(f)}: lengthen nperseg.")
    highest = power.argmax(0)  # (*b, N)
    inner = highest.clamp(1, len(f) - 2)
    left, top, right = (power.gather(0, (inner + i)[None])[0].log() for i in (-1, 0, 1))
    curvature = left - 2 * top + right
    vertex = f[inner] + (f[1] - f[0]) * (left - right) / curvature / 2
    none = (highest != inner) | (curvature == 0)
    return defined(vertex, none, f"no peak in [{low}, {high}) Hz", "power is highest at an end of the band; widen it")


def log_spectral_distance(p: Tensor, q: Tensor) -> Tensor:
    r"""\(\sqrt{\langle(10\log_{10} p/q)^2\rangle}\) over frequencies and regions, in dB: (F, *b, N) twice to (*b).

    Source: Gray & Markel (1976), IEEE Trans. Acoust. Speech Signal Process. 24:380, doi:10.1109/TASSP.1976.1162849.
    """
    p, q = aligned(p, q)
    first, second = (
        defined(power, power <= 0, f"{name} has no power", "its logarithm is not defined").log10()
        for name, power in (("prediction", p), ("target", q))
    )
    return rms(10 * (first - second), 0, -1)


def relative_spectral_distance(p: Tensor, q: Tensor) -> Tensor:
    r"""\(\lVert p - q\rVert / \lVert q\rVert\) over frequencies, the mean over regions: (F, *b, N) twice to (*b)."""
    p, q = aligned(p, q)
    return relative_of(0)(p, q).mean(-1)


def spectral_shape_distance(p: Tensor, q: Tensor) -> Tensor:
    r"""\(\frac12\sum|p/\!\sum\!p - q/\!\sum\!q|\) over frequencies, the mean over regions: (F, *b, N) twice to (*b).

    From 0 to 1, whatever the size of the signals: which share of the relative power lies at other frequencies.
    """
    p, q = (_shares(name, power) for name, power in zip(("prediction", "target"), aligned(p, q), strict=True))
    return (p - q).abs().sum(0).mean(-1) / 2


def _shares(name: str, power: Tensor) -> Tensor:
    total = power.sum(0)
    return power / defined(total, total == 0, f"{name} has no power", "it has no shares")
