"""A result as a pandas DataFrame."""

from collections.abc import Sequence
from typing import Any

from torchmass.packages import require

TIME, REGION, FREQUENCY, OTHER = "time", "region", "frequency", "other_region"


def table(dataset: Any, series: Sequence[str]) -> Any:
    """Some variables of a Dataset, a column each, by time, batch and region; where one has no region, no number."""
    pandas = require("pandas", "to_dataframe", "export")
    index = {name: tuple(_plain(str(dim)) for dim in dataset[name].dims) for name in series}
    if not series:
        raise ValueError("a table needs at least one series.")
    for name, dims in index.items():
        if dims != index[series[0]]:
            raise ValueError(
                f"series {name!r} has the axes {dims} and {series[0]!r} {index[series[0]]}, and a table has one index; "
                "say which series=[…] belong together."
            )
        if TIME in dims and not _times(dataset[name]).equals(_times(dataset[series[0]])):
            raise ValueError(
                f"series {name!r} and {series[0]!r} have rows at different times, and a table has one index; say which "
                "series=[…] belong together."
            )
    columns = [dataset[name].to_series().rename_axis(index=index[name]) for name in series]
    rows = pandas.concat(columns, axis=1, keys=series)
    others = list(index[series[0]][:-1])
    mixed = len({dataset[name].dims for name in series}) > 1  # groups of regions follow each other, with all their rows
    return rows.sort_index(level=others, sort_remaining=False, kind="stable") if mixed else rows


def _plain(dim: str) -> str:
    """An axis without what tells it from its like: regions of one group, times and frequencies of one observer."""
    return next((name for name in (TIME, REGION, FREQUENCY, OTHER) if dim.startswith(f"{name}_")), dim)


def _times(variable: Any) -> Any:
    return variable.indexes[variable.dims[0]]
