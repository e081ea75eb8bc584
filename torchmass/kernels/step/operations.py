"""The scalar operations of a kernel: how each is written in C++ and Triton, its derivative and its value for constants.

Functions are in include/math.h, and under the same names in device.py.

A derivative takes the gradient g of the result, the result y and the arguments, all as traced scalars, and gives the
gradient of each argument (None where there is none), with the conventions of torch at kinks.
"""

import math
import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from torchmass.exprel import exprel_bend, exprel_slope, inverse_exprel_bend, inverse_exprel_slope

Derivative = Callable[..., tuple[Any, ...]]


@dataclass(frozen=True)
class Operation:
    """A scalar operation; `fold` is None where a constant argument is not worth a case."""

    code: str
    derivative: Derivative | None = None
    fold: Callable[..., float] | None = None
    device: str = ""

    @property
    def triton(self) -> str:
        """The same in Triton: where nothing else is said, as in C++."""
        return self.device or self.code.replace("tm::", "tm.")


def _extremum(g: Any, first: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """The gradient goes to the argument that was taken, half to each where they are equal."""
    half = torch.where(a == b, 0.5 * g, 0.0)
    return torch.where(first, g, half), torch.where(first | (a == b), half, g)


def _clamp(g: Any, y: Any, x: Any, low: Any, high: Any) -> tuple[Any, None, None]:
    return torch.where((x >= low) & (x <= high), g, 0.0), None, None


def _where(g: Any, y: Any, c: Any, a: Any, b: Any) -> tuple[None, Any, Any]:
    return None, torch.where(c, g, 0.0), torch.where(c, 0.0, g)


def _pow(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, Any]:
    return g * b * a ** (b - 1), torch.where(a == 0, 0.0, g * y * torch.log(a))


def _sigmoid(g: Any, y: Any, a: Any) -> tuple[Any]:
    """g y (1 − y), with a product and its sum in one operation."""
    fired = g * y
    return (fired - fired * y,)


TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)

OPERATIONS: dict[str, Operation] = {
    "const": Operation(""),
    "input": Operation(""),
    "add": Operation("{0} + {1}", lambda g, y, a, b: (g, g), operator.add),
    "sub": Operation("{0} - {1}", lambda g, y, a, b: (g, -g), operator.sub),
    "mul": Operation("{0} * {1}", lambda g, y, a, b: (g * b, g * a), operator.mul),
    "div": Operation("{0} / {1}", lambda g, y, a, b: (g / b, -g * y / b)),
    "neg": Operation("-{0}", lambda g, y, a: (-g,), lambda a: -a),
    "pow": Operation("tm::pow({0}, {1})", _pow),
    "sqrt": Operation("tm::sqrt({0})", lambda g, y, a: (0.5 * g / y,)),
    "rsqrt": Operation("tm::rsqrt({0})", lambda g, y, a: (-0.5 * g * y * y * y,)),
    "exp": Operation("tm::exp({0})", lambda g, y, a: (g * y,)),
    "expm1": Operation("tm::expm1({0})", lambda g, y, a: (g * (y + 1),)),
    "exprel": Operation("tm::exprel({0})", lambda g, y, a: (g * exprel_slope(a),)),
    "exprel_slope": Operation("tm::exprel_slope({0})", lambda g, y, a: (g * exprel_bend(a),)),
    "inverse_exprel": Operation("tm::inverse_exprel({0})", lambda g, y, a: (g * inverse_exprel_slope(a),)),
    "inverse_exprel_slope": Operation("tm::inverse_exprel_slope({0})", lambda g, y, a: (g * inverse_exprel_bend(a),)),
    "log": Operation("tm::log({0})", lambda g, y, a: (g / a,)),
    "log1p": Operation("tm::log1p({0})", lambda g, y, a: (g / (1 + a),)),
    "sin": Operation("tm::sin({0})", lambda g, y, a: (g * torch.cos(a),)),
    "cos": Operation("tm::cos({0})", lambda g, y, a: (-g * torch.sin(a),)),
    "tan": Operation("tm::tan({0})", lambda g, y, a: (g * (1 + y * y),)),
    "tanh": Operation("tm::tanh({0})", lambda g, y, a: (g * (1 - y * y),)),
    "sigmoid": Operation("tm::sigmoid({0})", _sigmoid),
    "sigmoid2": Operation("tm::sigmoid2({0}, {1})"),  # 1 / (1 + 2ⁿ⁺ʸ): only `Linear` writes it
    "softplus": Operation("tm::softplus({0})", lambda g, y, a: (g * torch.sigmoid(a),)),
    "erf": Operation("tm::erf({0})", lambda g, y, a: (g * TWO_OVER_ROOT_PI * torch.exp(-a * a),)),
    "erfc": Operation("tm::erfc({0})", lambda g, y, a: (-g * TWO_OVER_ROOT_PI * torch.exp(-a * a),)),
    "atan2": Operation("tm::atan2({0}, {1})", lambda g, y, a, b: (g * b / (a * a + b * b), -g * a / (a * a + b * b))),
    "abs": Operation("tm::abs({0})", lambda g, y, a: (g * torch.sign(a),), lambda a: abs(a)),
    "sign": Operation("tm::sign({0})", lambda g, y, a: (None,)),
    "floor": Operation("tm::floor({0})", lambda g, y, a: (None,), math.floor),
    "remainder": Operation("tm::remainder({0}, {1})", lambda g, y, a, b: (g, -g * torch.floor(a / b))),
    "minimum": Operation("tm::minimum({0}, {1})", lambda g, y, a, b: _extremum(g, a < b, a, b)),
    "maximum": Operation("tm::maximum({0}, {1})", lambda g, y, a, b: _extremum(g, a > b, a, b)),
    "clamp": Operation("tm::clamp({0}, {1}, {2})", _clamp),
    "where": Operation("tm::select({0}, {1}, {2})", _where),
    "lt": Operation("{0} < {1}"),
    "le": Operation("{0} <= {1}"),
    "gt": Operation("{0} > {1}"),
    "ge": Operation("{0} >= {1}"),
    "eq": Operation("{0} == {1}"),
    "ne": Operation("{0} != {1}"),
    "and": Operation("{0} & {1}"),
    "or": Operation("{0} | {1}"),
    "not": Operation("!{0}", device="~{0}"),
}
BOOLEAN = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"})
CHEAP = BOOLEAN | {"add", "sub", "mul", "neg", "abs", "where", "minimum", "maximum", "clamp", "sign", "floor"}
DEAR = 12  # what any other costs, in additions
