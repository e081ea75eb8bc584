"""Matrices between nodes: connection weights, and correlations of activity."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torchmass.viz.arrays import as_labels, as_matrix, as_series, refuse_constant
from torchmass.viz.canvas import canvas, require

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROUNDING = 1e-4  # a correlation computed in float32 may pass 1 by this much


def plot_connectivity(weights: Any, labels: Sequence[str] | None = None, ax: "Axes | None" = None) -> "Axes":
    """A heat map of connection weights (N, N), [to, from]: rows receive, columns send.

    Weights of both signs get a diverging colour map around 0. Raises `ValueError` for other shapes and for NaN.
    """
    matrix = as_matrix("weights", weights)
    names = as_labels(labels, len(matrix))
    low, high = min(float(matrix.min()), 0.0), max(float(matrix.max()), 0.0)
    signed = low < 0 < high
    limits = (-max(-low, high), max(-low, high)) if signed else (low, high)
    ax = _heat_map(matrix, names, ax, limits, "RdBu_r" if signed else "viridis", "weight")
    ax.set_xlabel("from")
    ax.set_ylabel("to")
    return ax


def plot_functional_connectivity(
    x: Any, is_matrix: bool = False, labels: Sequence[str] | None = None, ax: "Axes | None" = None
) -> "Axes":
    """A heat map of the Pearson correlations between the nodes of `x`, (T, N), or of the matrix `x`, (N, N).

    Raises `ValueError` for a node that is constant, for a matrix with values outside [-1, 1], for other shapes and NaN.
    """
    matrix = _correlations(as_matrix("x", x)) if is_matrix else _correlate(as_series("x", x, least=2))
    ax = _heat_map(matrix, as_labels(labels, len(matrix)), ax, (-1.0, 1.0), "RdBu_r", "correlation")
    ax.set_xlabel("node")
    ax.set_ylabel("node")
    return ax


def _correlations(matrix: Any) -> Any:
    largest = float(abs(matrix).max())
    if largest > 1 + ROUNDING:
        raise ValueError(
            f"x must hold correlations in [-1, 1], got {largest:g}: is it a time series (is_matrix=False), "
            "a covariance, or Fisher's z (take its tanh)?"
        )
    return matrix


def _correlate(series: Any) -> Any:
    if series.shape[1] < 2:
        raise ValueError(f"x must be (T, N) with at least 2 nodes to correlate, got shape {series.shape}.")
    refuse_constant("x", series, "the correlation")
    return require("numpy").corrcoef(series, rowvar=False)


def _heat_map(
    matrix: Any, names: list[str] | None, ax: "Axes | None", limits: tuple[float, float], colours: str, what: str
) -> "Axes":
    ax = canvas(ax, width=4.8, height=4.0)
    low, high = limits
    image = ax.imshow(matrix, cmap=colours, vmin=low, vmax=high if low < high else low + 1, interpolation="nearest")
    ax.figure.colorbar(image, ax=ax, label=what, fraction=0.046, pad=0.04)  # as tall as the matrix
    if names is not None:
        size = min(10.0, max(4.0, 240.0 / len(names)))  # points; 80 regions stay apart on a full page
        ax.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
        ax.set_yticks(range(len(names)), names, fontsize=size)
    else:
        ax.locator_params(integer=True)  # nodes have no halves
    return ax
