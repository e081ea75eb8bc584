"""Power over frequency."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torchmass.viz.arrays import as_labels, as_series, refuse_constant
from torchmass.viz.canvas import draw_lines, line_canvas, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WINDOW = 1000.0  # ms: resolves 1 Hz, so that theta, alpha and beta stand apart, and 2 s are 3 windows to average
SHORTEST = 8  # samples; a window of fewer is all taper


def plot_power_spectrum(
    x: Any,
    dt: float,
    ax: "Axes | None" = None,
    nperseg: int | None = None,
    fmax: float | None = None,
    labels: Sequence[str] | None = None,
) -> "Axes":
    """Welch's power spectral density of `x`, (T,) or (T, N), sampled every `dt` ms, over frequency in Hz.

    `nperseg` is the samples of a window: 1 s of them, or all there are if fewer. Frequencies up to `fmax` Hz are drawn
    (default: all, 500/dt Hz), 0 is not, since the mean is removed. The power axis is logarithmic. Raises `ValueError`
    for a constant node, a window longer than the series, other shapes and NaN.
    """
    series = as_series("x", x, least=SHORTEST)
    names = as_labels(labels, series.shape[1])
    refuse_constant("x", series, "the spectrum")
    if not 0 < dt < math.inf:
        raise ValueError(f"dt must be > 0 ms and finite, got {dt}: the time between two samples, dt × sample_every.")
    fs = 1000.0 / dt  # Hz
    f, power = require("scipy.signal").welch(series, fs=fs, nperseg=_window(nperseg, len(series), dt), axis=0)
    shown = (f > 0) & (f <= (fs / 2 if fmax is None else fmax))
    if not shown.any():
        raise ValueError(f"fmax={fmax} Hz leaves nothing to draw: the first frequency of this window is {f[1]:g} Hz.")
    ax = line_canvas(ax)
    draw_lines(ax, f[shown], power[shown], names)
    ax.set_yscale("log")
    ax.set_xlabel("frequency (Hz)")
    ax.set_ylabel("power (unit²/Hz)")
    return ax


def _window(nperseg: int | None, samples: int, dt: float) -> int:
    if nperseg is None:
        return min(samples, max(SHORTEST, round(WINDOW / dt)))
    if isinstance(nperseg, bool) or not isinstance(nperseg, int) or not SHORTEST <= nperseg <= samples:
        raise ValueError(
            f"nperseg must be a whole number of samples between {SHORTEST} and the {samples} of x, got {nperseg!r}."
        )
    return nperseg
