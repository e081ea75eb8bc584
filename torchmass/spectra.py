r"""The Fourier side of signals (T, ...), time first: Welch's power spectral density and the analytic signal."""

import math

import torch
from torch import Tensor

SEGMENT = 256  # samples, scipy's default
SHORTEST = 8  # samples; a segment of fewer is all taper


def power_spectral_density(x: Tensor, dt: float, nperseg: int | None = None) -> tuple[Tensor, Tensor]:
    r"""Frequencies in Hz, (F,), and the one-sided power density of every signal by Welch's method, (F, ...).

    \[P_k = \frac{2\,dt}{\sum_t w_t^2}\Big\langle\Big|\sum_t w_t\,(x_t - \bar x)\,e^{-2\pi i k t/n}\Big|^2\Big\rangle\]

    in x²/Hz, the mean over segments of n = `nperseg` samples that overlap by half, each less its own mean, w Hann's
    window; frequency 0 and, for even n, the last are not doubled. Equals `scipy.signal.welch`. `dt` is the time
    between two samples in ms (in the formula s); `nperseg` is 256 unless given, or all samples if there are fewer.
    Raises `ValueError` for a longer segment than x, one of fewer than 8 samples, and a dt that is no time.

    Source: Welch (1967), IEEE Trans. Audio Electroacoust. 15:70, doi:10.1109/TAU.1967.1161901.
    """
    n = segment_length(len(x), nperseg)
    return frequencies(n, dt, like=x), periodograms(x.unfold(0, n, n - n // 2), dt).mean(0)


def periodograms(segments: Tensor, dt: float) -> Tensor:
    """The one-sided power density of every segment, (W, ..., n) as `unfold` gives them, to (W, F, ...)."""
    n = segments.shape[-1]
    window = torch.hann_window(n, dtype=segments.dtype, device=segments.device)
    spectrum = torch.fft.rfft((segments - segments.mean(-1, keepdim=True)) * window)  # (W, ..., F)
    scale = _sides(n, n // 2 + 1, segments) * (_seconds(dt) / window.square().sum())
    return (torch.view_as_real(spectrum).square().sum(-1) * scale).movedim(-1, 1)


def frequencies(samples: int, dt: float, like: Tensor | None = None) -> Tensor:
    """The frequencies in Hz of the spectrum of `samples` samples every `dt` ms, (samples // 2 + 1,)."""
    dtype, device = (None, None) if like is None else (like.dtype, like.device)
    return torch.fft.rfftfreq(samples, _seconds(dt), dtype=dtype, device=device)


def segment_length(samples: int, nperseg: int | None = None) -> int:
    """The samples of a segment of Welch's method: `nperseg`, or 256, or all there are if fewer."""
    length = min(samples, SEGMENT) if nperseg is None else nperseg
    if isinstance(length, bool) or not isinstance(length, int) or not SHORTEST <= length <= samples:
        raise ValueError(
            f"nperseg must be a whole number of samples between {SHORTEST} and the {samples} of the signal, got "
            f"{length!r}: shorten the segment or record more."
        )
    return length


def band(low: float, high: float | None, samples: int, dt: float) -> slice:
    """Which frequencies of the spectrum of `samples` samples lie in [low, high) Hz; `high=None` is all from `low`.

    Neighbouring bands share no frequency, so their powers add up. Raises `ValueError` for a band without frequencies
    and for one beyond Nyquist's frequency, 500/dt Hz.
    """
    spacing, nyquist = 1 / (samples * _seconds(dt)), 0.5 / _seconds(dt)
    if not 0 <= low < (nyquist if high is None else high):
        raise ValueError(f"a band is from low ≥ 0 Hz to a higher frequency, got low={low} and high={high}.")
    if high is not None and high > nyquist * (1 + 1e-9):
        raise ValueError(f"high={high} Hz is above {nyquist:g} Hz, the highest frequency of a sample every {dt} ms.")
    # a bound that is a frequency itself is found whatever its rounding
    first = math.ceil(low / spacing - 1e-9)
    stop = samples // 2 + 1 if high is None else math.ceil(high / spacing - 1e-9)
    if first >= stop:
        raise ValueError(f"no frequency lies in [{low}, {high}) Hz: they are {spacing:g} Hz apart; lengthen nperseg.")
    return slice(first, stop)


def analytic_signal(x: Tensor) -> Tensor:
    r"""\(x + i\,\mathcal H x\), complex, of every signal over time: (T, ...) to (T, ...); `scipy.signal.hilbert`.

    Its modulus is the envelope and its angle the phase, of a signal in a narrow band without mean. Negative
    frequencies are removed from the spectrum of all of x, which is taken for periodic: the ends are not to be trusted.

    Source: Gabor (1946), J. IEE 93:429, doi:10.1049/ji-3-2.1946.0074.
    """
    positive = _sides(len(x), len(x), x).view(-1, *[1] * (x.ndim - 1))
    return torch.fft.ifft(torch.fft.fft(x, dim=0) * positive, dim=0)


def _sides(samples: int, count: int, like: Tensor) -> Tensor:
    """The weights of the first `count` frequencies: 2 where one stands for its negative too, which then has 0."""
    weights = torch.zeros(count, dtype=like.dtype, device=like.device)
    weights[: samples // 2 + 1] = 2
    weights[0] = 1
    if samples % 2 == 0:
        weights[samples // 2] = 1
    return weights


def _seconds(dt: float) -> float:
    if not 0 < dt < math.inf:
        raise ValueError(f"dt must be > 0 ms and finite, got {dt}: the time between two samples, dt × sample_every.")
    return dt / 1000
