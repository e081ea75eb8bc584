"""What a run returns, and the state from which another continues it."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

from torch import Tensor

from torchmass.naming import refuse


class RunState(dict[str, Tensor]):
    """The states in which a run ended, with all that is needed to continue it bit for bit.

    Give it as `x0` to the next run: the clock, the seed and the simulation indices go on from here.
    """

    def __init__(
        self, states: Mapping[str, Tensor], *, seed: int | None, step: int, dt: float, first_simulation: int
    ) -> None:
        super().__init__(states)
        self.seed, self.step, self.dt, self.first_simulation = seed, step, dt, first_simulation

    def detach(self) -> "RunState":
        """The same state, cut from the graph: where truncated backpropagation starts anew."""
        states = {name: value.detach() for name, value in self.items()}
        return RunState(states, seed=self.seed, step=self.step, dt=self.dt, first_simulation=self.first_simulation)


class Result(Mapping[str, Tensor]):
    """The recorded series of a run by monitor, each `(T, *b, N)`, and `"ts"`, `(T,)` in ms, the end of each step.

    `state` is where the run ended, `seed` what its random numbers came from (None if it drew none), `backend` and
    `method` how it was computed, `labels` what the nodes of a network are called, where they have names.
    """

    def __init__(
        self,
        series: Mapping[str, Tensor],
        clock: Callable[[], Tensor],
        state: RunState,
        seed: int | None,
        backend: str,
        method: str,
        labels: tuple[str, ...] | None = None,
    ) -> None:
        self._series, self._clock = dict(series), clock
        self.state, self.seed, self.backend, self.method = state, seed, backend, method
        self.labels = labels

    @cached_property
    def ts(self) -> Tensor:
        """The end of each recorded step, (T,), in ms."""
        return self._clock()

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
