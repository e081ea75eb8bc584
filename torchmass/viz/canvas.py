"""The axes that plots are drawn on, and the only place that imports plotting libraries."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

from torchmass import packages

CYCLE = 10  # more lines than this repeat the colours of the default cycle

require = partial(packages.require, what="plotting", extra="viz")


def canvas(ax: "Axes | None", width: float = 6.4, height: float = 3.6) -> "Axes":
    """`ax`, or the axes of a new figure of that size in inches."""
    if ax is not None:
        return ax
    figure = require("matplotlib.pyplot").figure(figsize=(width, height), layout="constrained")
    return figure.add_subplot()


def line_canvas(ax: "Axes | None", **size: float) -> "Axes":
    """A canvas without the upper and right frame, which curves do not need."""
    ax = canvas(ax, **size)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def colours(count: int) -> list[Any]:
    """A colour for each of `count` lines; None leaves it to the cycle of the axes."""
    if count <= CYCLE:
        return [None] * count
    viridis = require("matplotlib").colormaps["viridis"]
    return [viridis(0.95 * i / (count - 1)) for i in range(count)]  # its last yellow is too pale on white


def draw_lines(ax: "Axes", x: Any, ys: Any, labels: Sequence[str] | None) -> None:
    """One line per column of `ys` (T, N) over `x` (T,), with a legend beside the axes when there are labels."""
    names = labels if labels is not None else [None] * ys.shape[1]
    for y, name, colour in zip(ys.T, names, colours(ys.shape[1]), strict=True):
        ax.plot(x, y, label=name, color=colour, linewidth=1.2)
    ax.margins(x=0)
    if labels is not None:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False)  # beside the curves, never on them
