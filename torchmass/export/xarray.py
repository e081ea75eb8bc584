"""A result as an xarray Dataset, and the NetCDF file or Zarr store that keeps it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from torchmass.packages import require

STATE = "run_state"  # the group of a file that holds where the run ended
ORDER = "variables"  # the attribute that holds their names: a Zarr store has them in the order of the alphabet


class Variable(NamedTuple):
    """An array with the names of its axes and its unit, None where none is known."""

    dims: tuple[str, ...]
    values: Tensor
    unit: str | None = None


def dataset(variables: Mapping[str, Variable], coords: Mapping[str, Sequence[Any]], attrs: Mapping[str, Any]) -> Any:
    """The variables as one Dataset, on the CPU and cut from the graph; units are the attribute `units`."""
    arrays = {
        name: (dims, values.detach().cpu().numpy(), {} if unit is None else {"units": unit})
        for name, (dims, values, unit) in variables.items()
    }
    # None is no value that a file could hold
    known = {name: value for name, value in attrs.items() if value is not None}
    return require("xarray", "to_xarray", "export").Dataset(
        arrays, {name: list(entries) for name, entries in coords.items()}, known
    )


def variables(held: Any) -> dict[str, Variable]:
    """The variables of a Dataset from a file, without its coordinates, in the order in which they were written."""
    arrays = ((name, held[name]) for name in json.loads(held.attrs[ORDER]))
    return {name: Variable(a.dims, torch.tensor(a.values), a.attrs.get("units")) for name, a in arrays}


def write(path: str | Path, series: Any, state: Any) -> None:
    """Keep two Datasets in one file, replacing what is there."""
    tree = require("xarray", "save", "export").DataTree
    series, state = (one.assign_attrs({ORDER: json.dumps(list(one.data_vars))}) for one in (series, state))
    _format(path).write(tree(series, children={STATE: tree(state)}), path)


def read(path: str | Path) -> tuple[Any, Any]:
    """The two Datasets of a file, in memory."""
    if not Path(path).exists():
        raise FileNotFoundError(f"there is no {path}; Result.save writes one.")
    with require("xarray", "load", "export").open_datatree(path, engine=_format(path).engine) as tree:
        if STATE not in tree.children:
            raise ValueError(f"{path} holds no result: it has no group {STATE!r}; Result.save writes one.")
        return tree.to_dataset().load(), tree[STATE].to_dataset().load()


class Format(NamedTuple):
    """How xarray keeps a kind of file, and with which packages."""

    engine: str
    needs: tuple[str, ...]
    write: Callable[[Any, str | Path], Any]


FORMATS: Mapping[str, Format] = {
    ".nc": Format("h5netcdf", ("h5py", "h5netcdf"), lambda tree, path: tree.to_netcdf(path, engine="h5netcdf")),
    # version 3 of the format has no standard for strings yet, of which zarr warns
    ".zarr": Format("zarr", ("zarr",), lambda tree, path: tree.to_zarr(path, mode="w", zarr_format=2)),
}


def _format(path: str | Path) -> Format:
    suffix = Path(path).suffix
    if suffix not in FORMATS:
        raise ValueError(f"a result is kept in a file that ends in {' or '.join(FORMATS)}, got {str(path)!r}.")
    for package in FORMATS[suffix].needs:
        require(package, f"a {suffix} file", "export")
    return FORMATS[suffix]
