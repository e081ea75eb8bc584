"""Fixed points: states in which a model or a network stays."""

from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

from torchmass.linear.newton import newton
from torchmass.linear.rest import Point, point
from torchmass.system import System
from torchmass.values import report


def fixed_point(
    system: System, guess: Mapping[str, Any] | None = None, inputs: Mapping[str, Any] | None = None
) -> dict[str, Tensor]:
    r"""A state \(x^*\) with \(f(x^*, u) = 0\), couplings included: each state (*b, N), as `x0` of a run takes it.

    From `guess`, states by name (where it gives none, the start of the system), the flow is followed with growing
    implicit steps that end as Newton's, mostly to the point of rest that a run from there would reach; where there is
    none nearby, to one that repels. Delays and noise do not move it. `inputs` are constant, by name. Differentiable by
    the implicit function theorem, \(dx^*/d\theta = -(\partial f/\partial x)^{-1}\,\partial f/\partial\theta\), up to
    third derivatives.

    Raises `ValueError` where none is found, with what is left of the slopes, and where one lies outside the bounds of
    a state.
    """
    begin = point(system, guess or {}, inputs).quiet
    first = 1 / float(torch.linalg.matrix_norm(begin.linear.matrix.detach(), 1).max().clamp(min=1e-12))
    vector, arrived = newton(lambda z, tau: _advance(begin.at(z), tau), begin.vector, first)
    found = begin.at(vector)
    if not bool(arrived.all()):
        _refuse(system, found, arrived)
    _check_bounds(system, found)
    names = list(system.states)[: len(found.x)]
    return system.own(dict(zip(names, found.x, strict=True)))


def _advance(at: Point, tau: float) -> Tensor:
    jacobian, slopes = at.linear.matrix, at.slopes
    unit = torch.eye(jacobian.shape[-1]).to(jacobian)
    return at.vector + torch.linalg.solve_ex(unit / tau - jacobian, slopes.unsqueeze(-1)).result.squeeze(-1)


def _refuse(system: System, found: Point, arrived: Tensor) -> NoReturn:
    left = found.slopes.detach().abs().nan_to_num(torch.inf).max()
    which = f" of {int((~arrived).sum())} of {arrived.numel()} in the batch" if arrived.ndim else ""
    raise ValueError(
        f"{system.label}: no fixed point{which} was found; the largest slope left is {left:.3g} per ms. Give guess= "
        "nearer to one, such as the end of a run, r.state; past a saddle-node bifurcation there is none."
    )


def _check_bounds(system: System, found: Point) -> None:
    margin = torch.finfo(found.x[0].dtype).eps ** 0.5
    for (name, state), value, bounds in zip(system.states.items(), found.x, found.dynamics.bounds, strict=False):
        value = value.detach()
        wrong = (value - bounds.clamp(value)).abs() > margin * (1 + value.abs())
        if bool(wrong.any()):
            raise ValueError(
                f"{system.label}: the fixed point that was found has {name} = {report(value, wrong)}, but {name} must "
                f"be {state.bounds}; give guess= nearer to another."
            )
