"""What activity settles on, against a parameter."""

from typing import TYPE_CHECKING, Any

from torchmass.viz.arrays import as_array, as_series
from torchmass.viz.canvas import line_canvas, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STILL = 1e-3  # of the range of all nodes: what moves less is at rest


def plot_bifurcation(values: Any, x: Any, ax: "Axes | None" = None) -> "Axes":
    """Every maximum and minimum of `x`, (T, N), of each node over its value of a parameter, (N,).

    Rest is one dot, a cycle two, chaos a cloud. Give the end of a long run: `transient` leaves the approach out.
    Raises `ValueError` for other shapes, for fewer than 3 samples and for NaN.
    """
    series, parameter = as_series("x", x, least=3), as_array("values", values)
    if parameter.shape != (series.shape[1],):
        raise ValueError(
            f"values must be (N,) with N={series.shape[1]}, one for each node of x, got shape {parameter.shape}."
        )
    np, ax = require("numpy"), line_canvas(ax)
    range_of_all = series.max() - series.min()
    maxima, minima = [], []
    for node, value in zip(series.T, parameter, strict=True):
        rising = np.diff(node) > 0
        turns = np.flatnonzero(rising[1:] != rising[:-1])
        still = node.max() - node.min() <= STILL * range_of_all or len(turns) == 0
        kept = [(node[-1], True)] if still else [(node[at + 1], rising[at]) for at in turns]
        for height, is_top in kept:
            (maxima if is_top else minima).append((value, height))
    for dots, colour in ((minima, "C0"), (maxima, "C3")):
        ax.plot(*np.reshape(dots, (-1, 2)).T, ".", color=colour, markersize=2.5, rasterized=True)
    ax.set_xlabel(ax.get_xlabel() or "parameter")
    ax.set_ylabel(ax.get_ylabel() or "maxima and minima")
    return ax
