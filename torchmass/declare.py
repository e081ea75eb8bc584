"""Declarations: a quantity's default, unit, bounds and meaning, each said once, on one line."""

import inspect
from collections.abc import Iterable
from copy import copy
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, overload

from torch import Tensor

from torchmass.bounds import REAL, Bounds

UNITS = frozenset(
    {
        *("", "ms", "s", "1/ms", "1/ms²", "rad", "rad/ms", "Hz", "1/(ms Hz)", "per √ms"),
        *("mV", "mV/s", "1/mV", "nA", "pA", "Hz/nA", "nA/Hz", "Hz/pA", "nS", "pF", "Hz²", "mM"),
        *("mS/cm²", "µF/cm²", "mm", "mm/ms", "nA m", "µV", "µV/(nA m)", "fT", "fT/(nA m)"),
    }
)


class Declaration:
    """What every declared quantity has: a unit, a meaning and the name it was assigned to."""

    name: str
    unit: str
    doc: str

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"unknown unit {self.unit!r}; the units are {sorted(UNITS)}.")

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", name)

    def summary(self) -> tuple[str, str, str, str]:
        """Name, default, unit and meaning, as a row of the documentation table."""
        return self.name, "", f"[{self.unit}]" if self.unit else "", self.doc


@dataclass(frozen=True, eq=False)
class Param(Declaration):
    """A parameter: `a = Param(0.25, "1/ms", "Distance from the bifurcation.")`.

    `bounds` are the values that make sense at all (not a range to fit in). `per` is what the last
    axes run over: a `"node"` value broadcasts to `(*b, N)`, an `"edge"` value is `(*b, N, N)`
    with `[to, from]`, a `"sensor"` value `(*b, M, N)` with `[sensor, node]`, one for `"all"` is a number or
    `(B, 1)`. A `random` one may be given as a distribution. On an instance the attribute is the value in natural units.
    """

    default: float
    unit: str
    doc: str
    bounds: Bounds = field(default=REAL, kw_only=True)
    per: Literal["node", "edge", "sensor", "all"] = field(default="node", kw_only=True)
    random: bool = field(default=False, kw_only=True)
    name: str = field(default="", kw_only=True)

    @overload
    def __get__(self, instance: None, owner: type) -> "Param": ...
    @overload
    def __get__(self, instance: Any, owner: type) -> Tensor: ...
    def __get__(self, instance: Any, owner: type) -> "Param | Tensor":
        return self if instance is None else instance.value(self.name)

    def __set__(self, instance: Any, value: Any) -> None:
        instance.assign(**{self.name: value})

    def summary(self) -> tuple[str, str, str, str]:
        """Name, default, unit and meaning, as a row of the documentation table."""
        name, _, unit, doc = super().summary()
        return name, f"{self.default:g}", unit, doc + _rule(self.bounds)


@dataclass(frozen=True, eq=False)
class State(Declaration):
    """A state variable: its default start, unit and meaning.

    `range` is where it usually lies (for plots and tests); `bounds` are enforced by clamping at
    the end of every step and are part of the model.
    """

    start: float
    unit: str
    doc: str
    range: tuple[float, float] = field(default=(-1.0, 1.0), kw_only=True)
    bounds: Bounds = field(default=REAL, kw_only=True)
    name: str = field(default="", init=False)

    def as_param(self) -> Param:
        """The parameter `init_<state>`: where a run starts."""
        doc, name = f"Start of {self.name}.", f"init_{self.name}"
        return Param(self.start, self.unit, doc, bounds=self.bounds, random=True, name=name)

    def summary(self) -> tuple[str, str, str, str]:
        """Name, default start, unit and meaning, as a row of the documentation table."""
        name, _, unit, doc = super().summary()
        return name, f"{self.start:g}", unit, doc + _rule(self.bounds)


@dataclass(frozen=True, eq=False)
class Input(Declaration):
    """An input: its unit and meaning; `port=True` marks where a network enters."""

    unit: str
    doc: str
    port: bool = field(default=False, kw_only=True)
    name: str = field(default="", init=False)

    def summary(self) -> tuple[str, str, str, str]:
        """Name, unit and meaning, as a row of the documentation table."""
        name, default, unit, doc = super().summary()
        return name, default, unit, doc + (" (where a network enters)" if self.port else "")


D = TypeVar("D", bound=Declaration)


def renamed(declaration: D, name: str) -> D:
    """The same declaration of a quantity of another name."""
    other = copy(declaration)
    other.__set_name__(type(declaration), name)
    return other


def declared(cls: type, kind: type[D]) -> dict[str, D]:
    """The declarations of one kind in `cls` and its bases, in the order they were written."""
    found: dict[str, D] = {}
    for base in reversed(cls.__mro__):
        found |= {name: value for name, value in vars(base).items() if isinstance(value, kind)}
    return found


def table(title: str, declarations: Iterable[Declaration]) -> str:
    """A text table of declarations, as the class docstrings show it; empty for none."""
    rows = [declaration.summary() for declaration in declarations]
    if not rows:
        return ""
    widths = [max(map(len, column)) for column in list(zip(*rows, strict=True))[:3]]
    lines = [
        "    " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]])
        for row in rows
    ]
    return "\n".join([f"{title}::", "", *lines, ""])


def tabled(cls: type) -> str:
    """The docstring of a class with the table of its parameters."""
    listed = table("Parameters", declared(cls, Param).values())
    return "\n\n".join(filter(None, [inspect.cleandoc(vars(cls).get("__doc__") or ""), listed]))


def _rule(bounds: Bounds) -> str:
    return "" if bounds == REAL else f" ({bounds})"
