"""Activity over time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torchmass.viz.arrays import as_array, as_labels, as_series
from torchmass.viz.canvas import draw_lines, line_canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_timeseries(x: Any, ts: Any = None, labels: Sequence[str] | None = None, ax: "Axes | None" = None) -> "Axes":
    """One line per node of `x`, (T,) or (T, N), over `ts`, (T,) in ms, or over the number of the sample.

    Raises `ValueError` for other shapes (pick one simulation of a batch), for labels that do not fit and for NaN.
    """
    series = as_series("x", x)
    names = as_labels(labels, series.shape[1])
    times = as_array("ts", range(len(series)) if ts is None else ts)
    if times.shape != (len(series),):
        raise ValueError(
            f"ts must be (T,) with T={len(series)} as in x, got shape {times.shape}; give r.ts with r[...]."
        )
    ax = line_canvas(ax)
    draw_lines(ax, times, series, names)
    ax.set_xlabel("sample" if ts is None else "time (ms)")
    ax.set_ylabel(ax.get_ylabel() or "activity")
    return ax
