"""Jets: values that carry what a small random change of two variables does to them, to second order."""

from dataclasses import dataclass
from math import pi, sqrt
from typing import Any, NamedTuple

import torch


class Covariance(NamedTuple):
    """How the two variables vary together."""

    xx: Any
    xy: Any
    yy: Any


def _is_zero(a: Any) -> bool:
    return isinstance(a, float) and a == 0.0


def _times(a: Any, b: Any) -> Any:
    return 0.0 if _is_zero(a) or _is_zero(b) else a * b


def _plus(a: Any, b: Any) -> Any:
    return b if _is_zero(a) else a if _is_zero(b) else a + b


@dataclass(frozen=True)
class Jet:
    r"""f(x, y) with its slopes f_x, f_y and its bend \(c_{xx}f_{xx} + 2c_{xy}f_{xy} + c_{yy}f_{yy}\).

    Half the bend is what the covariance c adds to the mean of f. A jet takes the place of a tensor in maths that is
    written with jets on the left of other factors and with methods (`x.sqrt()`), and exact derivatives come out.
    """

    value: Any
    x: Any
    y: Any
    bend: Any
    c: Covariance

    def __add__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.x, self.y, self.bend, self.c)
        x, y, bend = _plus(self.x, other.x), _plus(self.y, other.y), _plus(self.bend, other.bend)
        return Jet(self.value + other.value, x, y, bend, self.c)

    def __neg__(self) -> "Jet":
        return self * -1.0

    def __sub__(self, other: Any) -> "Jet":
        return self + (-other)

    def __mul__(self, other: Any) -> "Jet":
        if not isinstance(other, Jet):
            x, y, bend = (_times(a, other) for a in (self.x, self.y, self.bend))
            return Jet(self.value * other, x, y, bend, self.c)
        a, b = self.value, other.value
        pairs = (self.x, other.x), (self.y, other.y), (self.bend, other.bend)
        x, y, bend = (_plus(_times(f, b), _times(a, g)) for f, g in pairs)
        return Jet(a * b, x, y, _plus(bend, _times(2.0, self._along(other))), self.c)

    def _along(self, other: "Jet") -> Any:
        """The slopes of both, multiplied through the covariance."""
        c = self.c
        to_x = _plus(_times(c.xx, other.x), _times(c.xy, other.y))
        to_y = _plus(_times(c.xy, other.x), _times(c.yy, other.y))
        return _plus(_times(self.x, to_x), _times(self.y, to_y))

    def _through(self, value: Any, first: Any, second: Any) -> "Jet":
        """h(f), given the value of h and its first and second derivatives at f."""
        bend = _plus(_times(first, self.bend), _times(second, self._along(self)))
        return Jet(value, _times(first, self.x), _times(first, self.y), bend, self.c)

    def square(self) -> "Jet":
        """f²."""
        return self._through(self.value * self.value, 2 * self.value, 2.0)

    def reciprocal(self) -> "Jet":
        """1/f."""
        r = 1 / self.value
        return self._through(r, -r * r, 2 * r * r * r)

    def sqrt(self) -> "Jet":
        """√f."""
        root = torch.sqrt(self.value)
        return self._through(root, 0.5 / root, -0.25 / (root * self.value))

    def erfc(self) -> "Jet":
        """The complementary error function of f."""
        z = self.value
        slope = -2 / sqrt(pi) * torch.exp(-z * z)
        return self._through(torch.special.erfc(z), slope, -2 * z * slope)
