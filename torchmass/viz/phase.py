"""Two states against each other."""

from typing import TYPE_CHECKING, Any

from torchmass.viz.arrays import as_series
from torchmass.viz.canvas import colours, line_canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_phase_portrait(x: Any, y: Any, ax: "Axes | None" = None) -> "Axes":
    """The path of (x, y), each (T,) or (T, N), from an open circle (start) to a filled one (end).

    Raises `ValueError` when the shapes differ or have a batch axis, and for NaN.
    """
    xs, ys = as_series("x", x), as_series("y", y)
    if xs.shape != ys.shape:
        raise ValueError(f"x and y must have the same shape, got {xs.shape} and {ys.shape}: take both from one run.")
    ax = line_canvas(ax, width=4.6, height=4.2)
    for i, colour in enumerate(colours(xs.shape[1])):
        (path,) = ax.plot(xs[:, i], ys[:, i], color=colour, linewidth=1.2)
        ends = {"color": path.get_color(), "marker": "o", "markersize": 7, "linestyle": "none", "zorder": 3}
        first = i == 0 and ax.get_legend() is None  # one entry of each in the legend, however many paths
        ax.plot(xs[:1, i], ys[:1, i], markerfacecolor="white", label="start" if first else None, **ends)
        ax.plot(xs[-1:, i], ys[-1:, i], label="end" if first else None, **ends)
    ax.set_xlabel(ax.get_xlabel() or "x")
    ax.set_ylabel(ax.get_ylabel() or "y")
    if ax.get_legend() is None:
        ax.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
    return ax
