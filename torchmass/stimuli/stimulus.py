"""What every stimulus is: values over time, per region, that add and multiply into further stimuli."""

from abc import abstractmethod
from collections.abc import Callable
from functools import reduce
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from torchmass.declare import Param, tabled
from torchmass.parametrised import Parametrised
from torchmass.undefined import known_false
from torchmass.values import is_nonfinite, report


class Stimulus(nn.Module):
    """A function of time in ms that drives an input: `sim.run(500.0, inputs=stimulus)`.

    Stimuli add, subtract and multiply with each other, and with a number, (N,), (B, 1) or (B, N), into a stimulus that
    holds them as `parts`: what is freed in a part is a parameter of the whole. A run evaluates a stimulus at the start
    of each step and holds it over the step; step i is at i·dt, also in a run that continues another. Parameters have
    torch's default dtype at construction and follow `.to`.
    """

    is_steady: bool = False  # whether it has the same values at all times
    __array_ufunc__ = None  # so that numpy leaves array * stimulus to the stimulus

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = tabled(cls)

    @abstractmethod
    def evaluate(self, t: Tensor) -> Tensor:
        """The values at times (T,), float64, ms, which `at` has checked: (T, *b, N or 1)."""

    @property
    @abstractmethod
    def like(self) -> Tensor:
        """A tensor with the dtype and device of this stimulus."""

    def at(self, t: Any) -> Tensor:
        """The values at times `t` (T,) in ms, (T, *b, N or 1), in the dtype of the stimulus.

        Times are taken as float64. Raises `ValueError` unless they are one or more finite numbers.
        """
        t = torch.as_tensor(t, dtype=torch.float64, device=self.like.device)
        if t.ndim != 1 or not len(t):
            raise ValueError(f"times must be (T,) with T ≥ 1, in ms, got shape {tuple(t.shape)}.")
        if is_nonfinite(t):
            raise ValueError(f"times must be finite, got {report(t, ~t.isfinite())}.")
        return self.evaluate(t)

    def forward(self, t: Any) -> Tensor:
        """The same as `at`, so that `torch.func.functional_call` reaches it."""
        return self.at(t)

    def __add__(self, other: Any) -> "Stimulus":
        return Sum(self, self._stimulus(other))

    def __radd__(self, other: Any) -> "Stimulus":
        return Sum(self._stimulus(other), self)

    def __mul__(self, other: Any) -> "Stimulus":
        return Product(self, self._stimulus(other))

    def __rmul__(self, other: Any) -> "Stimulus":
        return Product(self._stimulus(other), self)

    def __neg__(self) -> "Stimulus":
        return self * -1.0

    def __sub__(self, other: Any) -> "Stimulus":
        return self + -self._stimulus(other)

    def __rsub__(self, other: Any) -> "Stimulus":
        return self._stimulus(other) + -self

    def _stimulus(self, other: Any) -> "Stimulus":
        return other if isinstance(other, Stimulus) else Constant(other, like=self.like)


class Combined(Stimulus):
    """Stimuli joined by an operation; parts that are joined by the same one are taken apart."""

    symbol: ClassVar[str]
    operation: ClassVar[Callable[[Tensor, Tensor], Tensor]]

    def __init__(self, *stimuli: Stimulus) -> None:
        super().__init__()
        nested = [s.parts if isinstance(s, Combined) and type(s) is type(self) else [s] for s in stimuli]
        self.parts = nn.ModuleList(part for parts in nested for part in parts)
        self.is_steady = all(part.is_steady for part in self._parts())

    def _parts(self) -> list[Stimulus]:
        return cast(list[Stimulus], list(self.parts))

    def evaluate(self, t: Tensor) -> Tensor:
        """The values of the parts, joined; (T, N) meets (T, B, N) as (T, 1, N)."""
        rows = [part.evaluate(t) for part in self._parts()]
        rank = max(row.ndim for row in rows)
        return reduce(type(self).operation, (beside_time(row, rank - row.ndim) for row in rows))

    @property
    def like(self) -> Tensor:
        """A tensor with the dtype and device of the first part."""
        return self._parts()[0].like

    def __repr__(self) -> str:
        return f"({f' {self.symbol} '.join(map(repr, self.parts))})"


class Sum(Combined):
    """The sum of the stimuli in `parts`."""

    symbol, operation = "+", staticmethod(torch.add)


class Product(Combined):
    """The product of the stimuli in `parts`."""

    symbol, operation = "*", staticmethod(torch.mul)


class Waveform(Parametrised, Stimulus):
    """A stimulus that is one formula: declare its parameters and define `wave(t, p)`.

    `wave` is static, pure and elementwise: `t`, float64, broadcasts against the parameters, the named tuple `p`. `rule`
    refuses values that do not go together. Every parameter is a number, (N,), (B, 1) or (B, N).
    """

    def __init__(self, *, like: Tensor | None = None, **values: Any) -> None:
        super().__init__(like=like, **values)
        self._checked()

    @staticmethod
    def wave(t: Tensor, p: Any) -> Tensor:
        """The values at times `t`."""
        raise NotImplementedError

    @staticmethod
    def rule(p: Any) -> tuple[Tensor, str]:
        """Where the values go together, and the rule in words."""
        return p[0].new_ones((), dtype=torch.bool), ""

    def _checked(self) -> tuple[Any, int]:
        """The parameters, which may have been assigned or fitted since they were given, and the axes that they need."""
        p, name = self.values(), type(self).__name__
        try:
            rank = len(torch.broadcast_shapes(*(value.shape for value in p)))
        except RuntimeError as error:
            shapes = ", ".join(f"{key} {tuple(value.shape)}" for key, value in p._asdict().items())
            raise ValueError(f"the parameters of {name} do not broadcast to (N,) or (B, N): {shapes}.") from error
        kept, words = self.rule(p)
        if known_false(kept.all()):
            kept, *values = torch.broadcast_tensors(kept, *p)
            named = [(key, v) for key, v in zip(p._fields, values, strict=True) if key in words.split()]
            held = ", ".join(f"{key}={report(v, ~kept)}" for key, v in named)
            raise ValueError(f"{name} needs {words}, got {held}.")
        return p, max(rank, 1)

    def evaluate(self, t: Tensor) -> Tensor:
        """The values of the formula."""
        p, rank = self._checked()
        t = beside_time(t, rank)
        values = self.wave(t, p).to(self.like.dtype)
        return values.expand(torch.broadcast_shapes(values.shape, t.shape))


class Constant(Waveform):
    r"""\(u = a\) at all times: what costs a run nothing."""

    is_steady = True
    amplitude = Param(1.0, "", "Value, in the unit of the input.")

    def __init__(self, amplitude: Any = amplitude.default, *, like: Tensor | None = None) -> None:
        super().__init__(like=like, amplitude=amplitude)

    @staticmethod
    def wave(t: Tensor, p: Any) -> Tensor:
        """The amplitude."""
        return p.amplitude


def beside_time(rows: Tensor, axes: int) -> Tensor:
    """`rows` with `axes` more axes of size 1 behind the time axis."""
    return rows.reshape(rows.shape[0], *(1,) * axes, *rows.shape[1:])
