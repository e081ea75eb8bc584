"""Chain: observers one after the other."""

from collections.abc import Iterator

from torch import Tensor, nn

from torchmass.observe.compound import Compound
from torchmass.observe.observer import Carry, Observer
from torchmass.result import Quantity


class Chain(Compound):
    """Observers one after the other: each sees the rows of the one before, at their spacing.

    `Chain(TemporalAverage(4.0), BOLDSignal(tr=720.0))` is `TemporalAverage(4.0).then(BOLDSignal(tr=720.0))`.
    `chain[i]` is one of them. `chain.free(name)` finds the one that has the parameter; one that several have is freed
    on `chain[i]`. Raises `ValueError` where an observer whose rows are not in time is followed by another.
    """

    def __init__(self, *observers: Observer) -> None:
        super().__init__()
        for observer in observers:
            if not isinstance(observer, Observer):
                raise TypeError(f"a chain is made of observers, got {type(observer).__name__}.")
        flat = [one for observer in observers for one in (observer if isinstance(observer, Chain) else (observer,))]
        if not flat:
            raise ValueError("a chain needs an observer.")
        self.members = nn.ModuleList(flat)
        self.seen, self.title = flat[0].seen, flat[-1].title

    def parts(self) -> list[Observer]:
        return list(self)

    def __iter__(self) -> Iterator[Observer]:
        yield from self.members  # pyright: ignore[reportReturnType]

    def __len__(self) -> int:
        return len(self.members)

    def __getitem__(self, place: int) -> Observer:
        return self.members[place]  # pyright: ignore[reportReturnType]

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        carries, later = (None,) * len(self) if carry is None else carry, []
        for observer, held, step in zip(self, carries, self._steps(dt), strict=True):
            held, z = observer.feed(held, z, dt=step)
            later.append(held)
        return tuple(later), z

    def finish(self, carry: Carry) -> Tensor | None:
        return self[-1].finish(carry[-1])

    def spacing(self, dt: float) -> float | None:
        return self[-1].spacing(self._steps(dt)[-1])

    def quantity(self, seen: Quantity, dt: float) -> Quantity:
        for observer, step in zip(self, self._steps(dt), strict=True):
            seen = observer.quantity(seen, step)
        return seen

    def whole(self, z: Tensor, dt: float) -> Tensor:
        for observer, step in zip(self, self._steps(dt), strict=True):
            z = observer(z, dt=step)
        return z

    def _steps(self, dt: float) -> list[float]:
        """The time between two samples for each observer."""
        steps = [dt]
        for observer, follower in zip(self, list(self)[1:], strict=False):
            spacing = observer.spacing(steps[-1])
            if spacing is None:
                names = type(observer).__name__, type(follower).__name__
                raise ValueError(f"{names[0]} has no rows in time for {names[1]} to observe: it must come last.")
            steps.append(spacing)
        return steps

    def extra_repr(self) -> str:
        """The observers, in order."""
        return ", ".join(map(repr, self))
