"""What users give to a plot, as checked float64 arrays in memory."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from torchmass.viz.canvas import require


def as_array(name: str, x: Any) -> Any:
    """A tensor (also on a GPU, also with a gradient), an array or a list as a finite float64 array."""
    np = require("numpy")
    try:
        array = np.array(_plain(x), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{name} must be a tensor, an array or a list of real numbers: {error}.") from error
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        where = tuple(int(i) for i in wrong[0])
        raise ValueError(
            f"{name} has {len(wrong)} values that are not finite, the first at index {where}: only finite numbers "
            "can be drawn; leave them out, or find out where the run left the finite numbers."
        )
    return array


def _plain(x: Any) -> Any:
    if isinstance(x, Tensor):
        if x.is_complex():
            raise TypeError("got complex numbers; take .real or .abs()")
        return x.detach().cpu().double().numpy()
    return [_plain(item) for item in x] if isinstance(x, (list, tuple)) else x


def as_series(name: str, x: Any, least: int = 1) -> Any:
    """A time series as (T, N), from (T,) or (T, N), with at least `least` samples."""
    array = as_array(name, x)
    if array.ndim > 2:
        index = ", ".join([":", *["0"] * (array.ndim - 2)])
        raise ValueError(
            f"{name} has shape {array.shape}: a plot shows one simulation, (T,) or (T, N); pick one of the batch, "
            f"{name}[{index}]."
        )
    if array.ndim == 0 or array.size == 0 or len(array) < least:
        raise ValueError(
            f"{name} must be (T,) or (T, N) with at least {least} samples, got shape {array.shape}; record more."
        )
    return array[:, None] if array.ndim == 1 else array


def as_matrix(name: str, x: Any) -> Any:
    """A square matrix (N, N), [to, from]."""
    array = as_array(name, x)
    if array.ndim == 3:
        raise ValueError(f"{name} has shape {array.shape}: a plot shows one matrix (N, N); pick one, {name}[0].")
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.size == 0:
        raise ValueError(f"{name} must be a square matrix (N, N), [to, from], got shape {array.shape}.")
    return array


def as_labels(labels: Sequence[str] | None, count: int) -> list[str] | None:
    """One label for each of `count` nodes, or None."""
    if labels is None:
        return None
    if isinstance(labels, str):
        raise TypeError(f"labels takes a list of names: labels=[{labels!r}].")
    if len(labels) != count:
        raise ValueError(f"labels has {len(labels)} names for {count} nodes: give one name a node.")
    return [str(label) for label in labels]


def refuse_constant(name: str, series: Any, what: str) -> None:
    """Raise a `ValueError` if a column of `series` (T, N) never changes, for which `what` is undefined."""
    still = [i for i, width in enumerate(series.max(0) - series.min(0)) if width == 0]
    if still:
        raise ValueError(
            f"{name} is constant in node {still[0]} ({len(still)} of {series.shape[1]} nodes): {what} of a constant is "
            "undefined; leave such nodes out, or check that they are driven at all."
        )
