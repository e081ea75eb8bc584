"""One-step integration schemes: pure functions of a vector field, a state and a step; and the step of a map.

A scheme sees the field as two functions. `inputs(x, c)` gives the inputs at the stage that lies a
fraction `c` into the step; it holds what couples nodes. `local(x, u)` gives the derivatives, elementwise
over nodes. Additive noise is an increment `dw` spread evenly over the step, so that the stages of a
scheme see their share of it: Euler–Maruyama, the stochastic Heun method, and so on. Noise that depends on the
state is a rate, `diffusion(x)`, seen at every stage and added to its derivatives.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from torchmass.exprel import exprel

Values = tuple[Tensor, ...]  # one tensor per state
Increments = tuple[Tensor | None, ...]  # the noise increment of each state over one step
InputsAt = Callable[[Values, float], Any]
Local = Callable[[Values, Any], Values]
Update = Callable[[Values, Any, float], Values]
Diffusion = Callable[[Values], Increments]  # the noise of each state at a stage, per ms
Scheme = Callable[[InputsAt, Any, Values, float, Increments, Diffusion | None], Values]
MAP = "map"  # the method of a model that is its own step


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge–Kutta scheme as data: stage coefficients, weights and the order it reaches."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    order: int

    def __call__(
        self,
        inputs: InputsAt,
        local: Local,
        x: Values,
        dt: float,
        dw: Increments,
        diffusion: Diffusion | None = None,
    ) -> Values:
        """One step of the scheme."""
        slopes: list[Values] = []
        for row in self.a:
            stage = _advance(x, dt, row, slopes, dw)
            slopes.append(_diffused(local(stage, inputs(stage, sum(row))), diffusion, stage))
        return _advance(x, dt, self.b, slopes, dw)


def _diffused(slope: Values, diffusion: Diffusion | None, x: Values) -> Values:
    """The derivatives at stage `x`, with the noise that depends on it."""
    if diffusion is None:
        return slope
    return tuple(f if noise is None else f + noise for f, noise in zip(slope, diffusion(x), strict=True))


def _advance(x: Values, dt: float, weights: tuple[float, ...], slopes: list[Values], dw: Increments) -> Values:
    """x + dt Σ weightᵢ slopeᵢ + (Σ weightᵢ) dw."""
    moved = []
    for k, value in enumerate(x):
        for weight, slope in zip(weights, slopes, strict=True):
            if weight:
                value = torch.add(value, slope[k], alpha=dt * weight)  # half the cost of a product and a sum
        increment = dw[k]
        if increment is not None and weights:
            value = value + sum(weights) * increment
        moved.append(value)
    return tuple(moved)


def pull_back(
    field: Callable[..., Values], *x: Tensor, held: Sequence[Any] = ()
) -> tuple[Values, Callable[[Values], Values]]:
    """The value of `field` at `x`, and the map from cotangents of its values to cotangents of `x`.

    What the field reads besides, `held`, counts as constant, though it may have been computed from `x`.
    """
    if has_torch_function(x):  # the tracer of the kernels answers in its own way
        return handle_torch_function(pull_back, x, field, *x, held=held)
    shape = torch.broadcast_shapes(*(value.shape for value in x))
    return torch.func.vjp(field, *(value.expand(shape) for value in x))[:2]


@dataclass(frozen=True)
class ExponentialEuler:
    r"""\(x_k + dt\,\varphi(dt\,J_{kk})\,f_k\), \(\varphi(z) = (e^z - 1)/z\), \(J_{kk} = \partial f_k/\partial x_k\).

    Exact for a linear, uncoupled state. Only the diagonal of the Jacobian of a node is used, so that an
    oscillation, which lives off the diagonal, is damped or driven at first order: prefer `heun` for those.
    """

    order: int = 1

    def __call__(
        self,
        inputs: InputsAt,
        local: Local,
        x: Values,
        dt: float,
        dw: Increments,
        diffusion: Diffusion | None = None,
    ) -> Values:
        """One step of the scheme."""
        u = inputs(x, 0.0)
        slope, rows = pull_back(lambda *states: local(states, u), *x, held=u)
        pushed, moved = _diffused(slope, diffusion, x), []
        for k, value in enumerate(x):
            # the field is elementwise over nodes, so this cotangent picks row k of every node's Jacobian
            row = rows(tuple(torch.ones_like(f) if i == k else torch.zeros_like(f) for i, f in enumerate(slope)))
            increment = dw[k]
            push = dt * pushed[k] if increment is None else dt * pushed[k] + increment
            moved.append(value + exprel(dt * row[k]) * push)
        return tuple(moved)


@dataclass(frozen=True)
class Map:
    """The step of a model that is a map, with the inputs as the step begins; noise is added to the states after it."""

    def __call__(
        self,
        inputs: InputsAt,
        update: Update,
        x: Values,
        dt: float,
        dw: Increments,
        diffusion: Diffusion | None = None,
    ) -> Values:
        """One step of the map."""
        moved = update(x, inputs(x, 0.0), dt)
        if diffusion is not None:
            moved = (v if rate is None else v + dt * rate for v, rate in zip(moved, diffusion(x), strict=True))
        return tuple(v if push is None else v + push for v, push in zip(moved, dw, strict=True))


INTEGRATORS: Mapping[str, Tableau | ExponentialEuler] = MappingProxyType(  # the first is the default
    {
        "heun": Tableau(a=((), (1.0,)), b=(0.5, 0.5), order=2),
        "euler": Tableau(a=((),), b=(1.0,), order=1),
        "midpoint": Tableau(a=((), (0.5,)), b=(0.0, 1.0), order=2),
        "rk4": Tableau(a=((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), b=(1 / 6, 1 / 3, 1 / 3, 1 / 6), order=4),
        "exp_euler": ExponentialEuler(),
    }
)
SCHEMES: Mapping[str, Tableau | ExponentialEuler | Map] = MappingProxyType({**INTEGRATORS, MAP: Map()})
