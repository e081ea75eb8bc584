"""Numbers that leave the finite range: caught in the run and on the gradient's way back, with the step named."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from torchmass.dynamics import step
from torchmass.integrators import SCHEMES, Values
from torchmass.kernels.plan import Plan
from torchmass.undefined import tolerance
from torchmass.values import is_nonfinite


class NonFiniteError(FloatingPointError):
    """A state, a loss or a gradient became infinite or NaN."""


def refuse_nonfinite(plan: Plan, series: dict[str, Tensor], x: Values) -> None:
    """Raise a `NonFiniteError` if a series or the final state is not finite, naming the first step where one is."""
    for name, value in plan.snapshot(x).items():
        if is_nonfinite(value):
            raise NonFiniteError(f"{name} is not finite {_where(plan)}.")
    for name, value in series.items():
        if value.is_floating_point() and is_nonfinite(value):
            row = plan.rows[int((~value.isfinite()).flatten(1).any(1).nonzero()[0])]
            raise NonFiniteError(f"the monitor {name!r} is not finite {_at(plan, row)}, though the states end finite.")


def _at(plan: Plan, i: int) -> str:
    return _after(plan.first_step + i + 1, plan.dt)


def _after(end: int, dt: float) -> str:
    return f"after step {end} (t = {end * dt:g} ms)"


def _where(plan: Plan) -> str:
    found = _first_nonfinite(plan) if plan.method in SCHEMES else None
    if found is None:
        return "at the end of the run"
    at, name, index = found
    return (
        f"from {name} at index {index} {_at(plan, at)} on: try a smaller dt, a shorter run or other parameters, "
        "or keep such runs with allow_nonfinite=True"
    )


def _first_nonfinite(plan: Plan) -> tuple[int, str, tuple[int, ...]] | None:
    """The first step that ends in a state that is not finite, that state's name and the index in it."""
    x, scheme, pasts = plan.x0, SCHEMES[plan.method], plan.pasts()
    with torch.no_grad():
        for i, (u, z) in enumerate(zip(plan.input_rows(), plan.noise_rows(), strict=True)):
            pasts = plan.dynamics.remembered(pasts, x)
            x = step(plan.dynamics, scheme, x, u, plan.dt, z, pasts)
            for name, value in plan.snapshot(x).items():
                wrong = ~value.isfinite()
                if bool(wrong.any()):
                    return i, name, tuple(wrong.nonzero()[0].tolist())
    return None


def watch_states(plan: Plan, i: int, x: Values) -> None:
    """Have the backward pass raise, naming the step, if the gradient of a state after step `i` is not finite."""
    if _refused():
        for name, value in zip(plan.names, x, strict=True):
            if value.requires_grad:
                value.register_hook(partial(_check_state, plan, i, name))


def watched(plan: Plan) -> Plan:
    """The same plan, with a backward pass that raises if the gradient of a parameter is not finite, naming it."""
    if not _refused():
        return plan
    dynamics = plan.dynamics
    links = [link.holding(*map(_watch, link.labels, link.leaves)) for link in dynamics.links]
    drives = [drive.holding(*map(_watch, drive.names, drive.leaves)) for drive in dynamics.drives]
    dynamics = replace(dynamics, p=_watch_each(dynamics.p), links=tuple(links), drives=tuple(drives))
    return replace(plan, dynamics=dynamics)


def _refused() -> bool:
    """Whether a gradient that is not finite is to be refused."""
    return torch.is_grad_enabled() and not torch.compiler.is_compiling() and not tolerance()[1]


def _watch_each(values: Any) -> Any:
    return type(values)(*map(_watch, values._fields, values))


def _watch(name: str, value: Tensor) -> Tensor:
    if not value.requires_grad:
        return value
    alias = value.view_as(value)  # a hook on a parameter itself would stay there after the run
    if alias.requires_grad:  # not within a vmap
        alias.register_hook(partial(_check_parameter, name))
    return alias


def _broken(gradient: Tensor | None) -> bool:
    return gradient is not None and is_nonfinite(gradient)  # None where the loss does not depend on the value


def _check_state(plan: Plan, i: int, name: str, gradient: Tensor | None) -> None:
    if _broken(gradient):
        free = [name for name, value in plan.dynamics.parameters() if value.requires_grad]
        raise lost_gradient(free, name, plan.first_step + i + 1, plan.dt, i == plan.steps - 1)


def lost_gradient(free: Sequence[str], state: str, end: int, dt: float, last: bool) -> NonFiniteError:
    """The error for a gradient that broke at a state after step `end`, in the last step or before."""
    growing = "gradients grow on their way back through chaos and long runs; shorten the run"
    cause = "the loss or its own gradient is not finite" if last else growing
    names = ", ".join(free) or "the start"
    return NonFiniteError(
        f"the gradient for {names} is not finite: it broke at the state {state} {_after(end, dt)}; {cause}."
    )


def _check_parameter(name: str, gradient: Tensor | None) -> None:
    if _broken(gradient):
        raise nonfinite_gradient(name)


def nonfinite_gradient(name: str) -> NonFiniteError:
    """The error for a parameter whose gradient is not finite."""
    return NonFiniteError(f"the gradient of the loss with respect to {name} is not finite.")
