"""Where a run ended, from which another continues it."""

import json
from collections.abc import Mapping
from itertools import count
from typing import Any, Self

from torch import Tensor

from torchmass.export import xarray
from torchmass.memory import Memory

OBSERVED = "observed"  # what a file calls the memories of observers


class RunState(dict[str, Tensor]):
    """The states in which a run ended, with all that is needed to continue it bit for bit.

    Give it as `x0` to the next run: the clock, the seed and the simulation indices go on from here, and so do observers
    of the same names, whose memories are `observed`.
    """

    def __init__(
        self,
        states: Mapping[str, Tensor],
        observed: Mapping[str, Memory] | None = None,
        *,
        seed: int | None,
        step: int,
        dt: float,
        first_simulation: int,
    ) -> None:
        super().__init__(states)
        self.observed = dict(observed or {})
        self.seed, self.step, self.dt, self.first_simulation = seed, step, dt, first_simulation

    @property
    def origin(self) -> dict[str, Any]:
        """What it carries besides the states."""
        return {"seed": self.seed, "step": self.step, "dt": self.dt, "first_simulation": self.first_simulation}

    def detach(self) -> "RunState":
        """The same state, cut from the graph: where truncated backpropagation starts anew."""
        observed = {name: memory.detach() for name, memory in self.observed.items()}
        return RunState({name: value.detach() for name, value in self.items()}, observed, **self.origin)

    def to(self, *args: Any, **options: Any) -> "RunState":
        """The same state on another device, or in another dtype, as `Tensor.to` takes them."""
        observed = {name: memory.to(*args, **options) for name, memory in self.observed.items()}
        return RunState({k: value.to(*args, **options) for k, value in self.items()}, observed, **self.origin)

    def to_xarray(self) -> Any:
        """All of it as an `xarray.Dataset`, as a file keeps it: memories as texts, with their tensors as variables."""
        names = map(f"{OBSERVED} {{}}".format, count())  # which no state has
        told = {name: memory.told(names) for name, memory in self.observed.items()}
        values = dict(self)
        for _, carried in told.values():
            values |= carried
        axes = {name: tuple(f"{name}_{i}" for i in range(value.ndim)) for name, value in values.items()}
        variables = {name: xarray.Variable(axes[name], value) for name, value in values.items()}
        texts = json.dumps({name: text for name, (text, _) in told.items()})
        return xarray.dataset(variables, {}, {**self.origin, OBSERVED: texts})

    @classmethod
    def from_xarray(cls, held: Any) -> Self:
        """The opposite of `to_xarray`."""
        values = {name: variable.values for name, variable in xarray.variables(held).items()}
        states = {name: value for name, value in values.items() if not name.startswith(f"{OBSERVED} ")}
        observed = {name: Memory.of(text, values) for name, text in json.loads(held.attrs[OBSERVED]).items()}
        whole = {name: int(held.attrs[name]) for name in ("step", "first_simulation")}
        return cls(states, observed, **whole, seed=seed_of(held.attrs), dt=float(held.attrs["dt"]))


def seed_of(attrs: Mapping[str, Any]) -> int | None:
    """The seed that a file holds, where there is one."""
    return int(attrs["seed"]) if "seed" in attrs else None
