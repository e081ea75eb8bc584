"""What a run returns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import torch
from torch import Tensor

from torchmass.export import dataframe, mne, xarray
from torchmass.naming import lookup, refuse
from torchmass.run_state import RunState, seed_of
from torchmass.viz import plot_timeseries

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FREQUENCY = "frequency"  # the axis of spectra
OTHER = "other_"  # begins the name of the first axis of pairs


class Quantity(NamedTuple):
    """What a series is: its unit, None where none is known, and the name and the entries of its last axis.

    A spectrum has an axis of `frequencies`, in Hz, before those of batch and region; what is said of `pairs`, as a
    covariance, has another axis of the same entries before the last.
    """

    unit: str | None
    axis: str
    entries: tuple[str, ...] | tuple[int, ...]
    frequencies: tuple[float, ...] | None = None
    pairs: bool = False

    @property
    def axes(self) -> tuple[str, ...]:
        """The names of the axes that have the entries."""
        return (OTHER + self.axis, self.axis) if self.pairs else (self.axis,)


class Result(Mapping[str, Tensor]):
    """The recorded series of a run by monitor, each `(T, *b, N)`, and `"ts"`, `(T,)` in ms, the end of each step.

    What observers say is there as well, with times of their own in `times(name)`.
    `state` is where the run ended, `seed` what its random numbers came from (None if it drew none), `backend` and
    `method` how it was computed, `labels` what the nodes of a network are called, where they have names. `units` are
    those of the series, None for what a callable computed, and `dims` names the axes of one.

    `plot` draws a series with the names of its nodes. `save` keeps a result in a file, from which `Result.load` brings
    it back; `to_xarray`, `to_dataframe` and `to_mne` hand it to other packages. All of them copy the numbers to the CPU
    and cut them from the graph.
    """

    def __init__(
        self,
        series: Mapping[str, Tensor],
        clock: Callable[[], Tensor],
        state: RunState,
        seed: int | None,
        backend: str,
        method: str,
        quantities: Callable[[], Mapping[str, Quantity]],
        labels: tuple[str, ...] | None = None,
        clocks: Mapping[str, Tensor | None] = MappingProxyType({}),
    ) -> None:
        self._series, self._clock, self._describe = dict(series), clock, quantities
        self.state, self.seed, self.backend, self.method = state, seed, backend, method
        self.labels, self._clocks = labels, dict(clocks)

    @cached_property
    def ts(self) -> Tensor:
        """The end of each recorded step, (T,), in ms."""
        return self._clock()

    def times(self, name: str) -> Tensor:
        """The end of each row of a series, in ms. Raises `ValueError` where rows are not in time, as a spectrum's."""
        lookup("the result", "series", name, self._series)
        found = self._clocks.get(name, self.ts)
        if found is None:
            raise ValueError(f"the rows of {name!r} are not in time.")
        return found

    @cached_property
    def quantities(self) -> Mapping[str, Quantity]:
        """What each series is."""
        return self._describe()

    def plot(self, name: str, nodes: Sequence[str | int] | None = None, ax: "Axes | None" = None) -> "Axes":
        """Lines of a series, (T, N), over time, called as the nodes are: all, or `nodes`, by name or place."""
        lookup("the result", "series", name, self._series)
        entries = self.quantities[name].entries
        by_name = {str(entry): place for place, entry in enumerate(entries)}
        places = [lookup("the result", "node", n, by_name) if isinstance(n, str) else n for n in nodes or by_name]
        ax = plot_timeseries(self[name][..., places], self.times(name), [str(entries[place]) for place in places], ax)
        ax.set_ylabel(" ".join(filter(None, [name, self.units[name] and f"({self.units[name]})"])))
        return ax

    @property
    def units(self) -> Mapping[str, str | None]:
        """The unit of each series, "" where it has none and None where none is known."""
        return {name: self.quantities[name].unit for name in self._series}

    def dims(self, name: str) -> tuple[str, ...]:
        """The names of the axes of a series: `time`, `batch` (or `batch_0`, `batch_1`, …), and `region`.

        What observers say has `time_<series>` and, of spectra, `frequency_<series>`; a covariance has `other_region`
        and `region`; what only the nodes of one group have ends in `region_<group>`; an axis of another size is
        `<series>_0`, ….
        """
        series = lookup("the result", "series", name, self._series)
        quantity = self.quantities[name]
        leading = [self._time_of(name)] if self._clocks.get(name, self.ts) is not None else []
        leading += [] if quantity.frequencies is None else [f"{FREQUENCY}_{name}"]
        shape, batch = tuple(series.shape[len(leading) :]), tuple(next(iter(self.state.values())).shape[:-1])
        if shape[: len(batch)] != batch:
            batch = ()
        batches = ("batch",) if len(batch) == 1 else tuple(f"batch_{i}" for i in range(len(batch)))
        rest = shape[len(batch) :]
        known = rest == (len(quantity.entries),) * len(quantity.axes)
        return (*leading, *batches, *(quantity.axes if known else (f"{name}_{i}" for i in range(len(rest)))))

    def _time_of(self, name: str) -> str:
        return f"time_{name}" if name in self._clocks else "time"

    def to_xarray(self) -> Any:
        """An `xarray.Dataset`: a variable for each series with its `dims`, and the unit as its attribute `units`.

        `time` is `ts`, in ms, frequencies are in Hz; a region is called by its label or, where nodes have none, by its
        index. Seed, dt, method and backend are attributes of the Dataset. Raises `ImportError` without xarray.
        """
        variables = {name: xarray.Variable(self.dims(name), self[name], unit) for name, unit in self.units.items()}
        quantities = self.quantities.values()
        coords: dict[str, Sequence[Any]] = {axis: known.entries for known in quantities for axis in known.axes}
        coords |= {} if self.labels is None else {"region": self.labels}
        scales = {axis: xarray.Variable((axis,), values, unit) for axis, (values, unit) in self._scales().items()}
        made = {"seed": self.seed, "dt": self.state.dt, "method": self.method, "backend": self.backend}
        return xarray.dataset(variables | scales, coords, made)

    def _scales(self) -> dict[str, tuple[Tensor, str]]:
        """The axes along which there are numbers, with these and their unit."""
        clocks = {self._time_of(name): (times, "ms") for name, times in self._clocks.items() if times is not None}
        spectra = {name: known.frequencies for name, known in self.quantities.items() if known.frequencies is not None}
        hertz = {f"{FREQUENCY}_{name}": (torch.tensor(f, dtype=torch.float64), "Hz") for name, f in spectra.items()}
        return {"time": (self.ts, "ms"), **clocks, **hertz}

    def to_dataframe(self, series: Sequence[str] | None = None) -> Any:
        """A `pandas.DataFrame` with a column for each of `series`, by default all, and a row for each entry.

        Its index is time in ms, batch and region. A region without a state, as where groups have models of their own,
        has no number there. Raises `ValueError` for series of different axes or times, `ImportError` without pandas.
        """
        chosen = list(self._series) if series is None else [*series]
        for name in chosen:
            lookup("the result", "series", name, self._series)
        return dataframe.table(self.to_xarray(), chosen)

    def to_mne(self, series: str = "output", *, unit: str | None = None) -> Any:
        """One series as an `mne.io.RawArray`, or with a batch axis as `mne.EpochsArray`, an epoch for each simulation.

        Numbers are converted from `unit`, by default that of the series, to the SI units of MNE: potentials become
        channels of type eeg, magnetic fields mag, others misc. Channels are called as regions are; time counts from the
        first row. Raises `ValueError` for an unknown unit, for less than two rows and for more than one batch axis,
        `ImportError` without MNE.
        """
        values, quantity = lookup("the result", "series", series, self._series), self.quantities[series]
        names = [str(entry) for entry in quantity.entries]
        return mne.signals(values, self.times(series), names, quantity.unit if unit is None else unit)

    def save(self, path: str | Path) -> None:
        """Keep all of it in a NetCDF file (`.nc`) or a Zarr store (`.zarr`), which replaces what is there.

        The file holds `to_xarray()`, and where the run ended, with the memories of its observers, in the group
        `run_state`. Raises `ValueError` for another ending of the path, `ImportError` without the packages.
        """
        xarray.write(path, self.to_xarray(), self.state.to_xarray())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The result that `save` kept, on the CPU; its `state` continues the run, bit for bit.

        Raises `FileNotFoundError` where there is none, `ValueError` for a file that holds no result, `ImportError`
        without the packages.
        """
        held, end = xarray.read(path)
        series = xarray.variables(held)
        entries = {axis: tuple(names.values.tolist()) for axis, names in held.coords.items()}
        labels = entries.get("region", ())
        return cls(
            {name: values for name, (_, values, _) in series.items()},
            lambda: torch.tensor(entries["time"], dtype=torch.float64),
            RunState.from_xarray(end),
            seed_of(held.attrs),
            held.attrs["backend"],
            held.attrs["method"],
            lambda: {name: _quantity(name, variable, entries) for name, variable in series.items()},
            labels if labels and isinstance(labels[0], str) else None,
            {name: _clock(entries, name) for name, (dims, _, _) in series.items() if dims[0] != "time"},
        )

    def __getitem__(self, name: str) -> Tensor:
        if name in self._series:
            return self._series[name]
        return self.ts if name == "ts" else refuse("the result", "series", name, self)

    def __iter__(self) -> Iterator[str]:
        yield from (*self._series, "ts")

    def __len__(self) -> int:
        return len(self._series) + 1

    def __repr__(self) -> str:
        series = ", ".join(f"{name}: {tuple(value.shape)}" for name, value in self.items())
        return f"Result({series}; {self.method}, {self.backend})"


def _quantity(name: str, variable: xarray.Variable, entries: Mapping[str, tuple[Any, ...]]) -> Quantity:
    axis, frequencies = variable.dims[-1], entries.get(f"{FREQUENCY}_{name}")
    return Quantity(variable.unit, axis, entries.get(axis, ()), frequencies, OTHER + axis in variable.dims)


def _clock(entries: Mapping[str, tuple[Any, ...]], name: str) -> Tensor | None:
    times = entries.get(f"time_{name}")
    return None if times is None else torch.tensor(times, dtype=torch.float64)
