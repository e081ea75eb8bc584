"""Observer: what is seen of a signal, of all of it at once or stretch by stretch as a run produces it."""

import re
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from torchmass.declare import tabled
from torchmass.memory import Carry
from torchmass.parametrised import Parametrised
from torchmass.result import Quantity
from torchmass.values import as_value, check_shape

Sight = str | Callable[[Any], Tensor]  # what of a run: as a monitor is said


class Observer(Parametrised):
    """A module that turns a signal (T, *b, N), sampled every dt ms, into what is recorded of it.

    `observer(z, dt=dt)` takes the whole signal. `feed` takes it in stretches of any length:

        carry, rows = observer.feed(None, first, dt=dt)
        carry, more = observer.feed(carry, second, dt=dt)

    The rows of all stretches, one after the other, are those of the whole. What is known only at the end, as a
    spectrum, comes from `finish(carry)`. `a.then(b)` observes with `b` what `a` sees. Parameters are declared, and
    freed, like those of a model: numbers, (N,), (B, 1) or (B, N).

    A subclass defines `advance`, `spacing` where its rows lie further apart than its samples, and `finish` where there
    is something to say at the end; or `whole`, and no `advance`, where nothing can be said before the end.
    """

    title: str  # what a result calls what it says
    instead: ClassVar[str] = ""  # what does a similar thing stretch by stretch, where `advance` is not defined

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.title = vars(cls).get("title") or re.sub("(?<=[a-z])(?=[A-Z])", "_", cls.__name__).lower()
        cls.__doc__ = tabled(cls)

    def __init__(self, **values: Any) -> None:
        super().__init__(None, **values)
        self.seen: Sight = "output"

    def of(self, seen: Sight) -> Self:
        """See this of a run: a state by name, `"output"` (where not told otherwise) or a callable of the states."""
        self.seen = seen
        return self

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        """What `feed` does with a signal that has been checked; z may have no samples."""
        raise ValueError(f"{self} sees whole signals, not the stretches of a run: give it the series.{self.instead}")

    def finish(self, carry: Carry) -> Tensor | None:
        """What is known when the signal has ended; None where all has been said in the rows."""
        return None

    def spacing(self, dt: float) -> float | None:
        """The time between two rows in ms, of a signal sampled every `dt` ms; None where rows are not in time."""
        return dt

    def quantity(self, seen: Quantity, dt: float) -> Quantity:
        """What its rows are, of a signal that is `seen` every `dt` ms: of no known unit, if a subclass does not say."""
        return seen._replace(unit=None)

    def forward(self, z: Tensor, *, dt: float) -> Tensor:
        """What is seen of the whole signal, (T, *b, N) sampled every `dt` ms."""
        return self.whole(self.checked(z, dt), dt)

    def whole(self, z: Tensor, dt: float) -> Tensor:
        """What `forward` does with a signal that has been checked."""
        carry, rows = self.advance(None, z, dt)
        found = self.finish(carry)
        return rows if found is None else found

    def feed(self, carry: Carry | None, z: Tensor, *, dt: float) -> tuple[Carry, Tensor]:
        """Take the next stretch of the signal, (T', *b, N): what to give to the next `feed`, and the rows, (R, *b, …).

        `carry` is None at the beginning. Differentiable in `z`, in the parameters and in what was carried. Raises
        `ValueError` for other shapes, for dt ≤ 0 and for a dtype other than that of the parameters.
        """
        return self.advance(carry, self.checked(z, dt), dt)

    def checked(self, z: Tensor, dt: float) -> Tensor:
        """The signal, which must be a floating-point tensor (T, *b, N) that fits the parameters."""
        label = f"the signal of {type(self).__name__}"
        if not isinstance(z, Tensor) or not z.is_floating_point():
            raise TypeError(f"{label} must be a floating-point tensor, got {getattr(z, 'dtype', type(z).__name__)}.")
        if z.ndim < 2:
            raise ValueError(f"{label} must be (T, *b, N): time first, nodes last; got shape {tuple(z.shape)}.")
        if not 0 < dt < float("inf"):
            raise ValueError(f"dt, the time between two samples, must be > 0 ms and finite, got {dt}.")
        for part in self.parts():
            for name, declaration in part.declarations.items():
                as_value(label, z, part.like)
                check_shape(f"{type(part).__name__}.{name}", part.value(name), declaration.per, z.shape[-1])
        return z

    def parts(self) -> Iterable[Parametrised]:
        """What has the parameters of this observer."""
        return (self,)

    def then(self, *others: "Observer") -> "Observer":
        """An observer of what this one sees."""
        from torchmass.observe.chain import Chain  # which is an Observer

        return Chain(self, *others)


def taken(carry: Carry | None) -> int:
    """How many samples have been taken since the last row, which is what the last item of a carry says."""
    return 0 if carry is None else int(carry[-1])


def counted(samples: int) -> Tensor:
    """A number of samples as a carry holds it: in a tensor, as all that is carried."""
    return torch.tensor(samples, device="cpu")
