"""Numbers that leave the finite range: caught in the run and on the gradient's way back, with the step named."""

from functools import partial

import torch
from torch import Tensor

from torchmass.dynamics import step
from torchmass.integrators import INTEGRATORS, Values
from torchmass.kernels.plan import Plan
from torchmass.values import is_nonfinite


class NonFiniteError(FloatingPointError):
    """A state, a loss or a gradient became infinite or NaN."""


def refuse_nonfinite(plan: Plan, series: dict[str, Tensor], x: Values) -> None:
    """Raise a `NonFiniteError` if a series or the final state is not finite, naming the first step where one is."""
    for name, value in zip(plan.names, x, strict=True):
        if is_nonfinite(value):
            raise NonFiniteError(f"{name} is not finite {_where(plan)}.")
    for name, value in series.items():
        if value.is_floating_point() and is_nonfinite(value):
            row = plan.rows[int((~value.isfinite()).flatten(1).any(1).nonzero()[0])]
            raise NonFiniteError(f"the monitor {name!r} is not finite {_at(plan, row)}, though the states end finite.")


def _at(plan: Plan, i: int) -> str:
    end = plan.first_step + i + 1
    return f"after step {end} (t = {end * plan.dt:g} ms)"


def _where(plan: Plan) -> str:
    found = _first_nonfinite(plan) if plan.method in INTEGRATORS else None
    if found is None:
        return "at the end of the run"
    at, name, index = found
    return (
        f"from {name} at index {index} {_at(plan, at)} on: try a smaller dt, a shorter run or other parameters, "
        "or keep such runs with allow_nonfinite=True"
    )


def _first_nonfinite(plan: Plan) -> tuple[int, str, tuple[int, ...]] | None:
    """The first step that ends in a state that is not finite, that state's name and the index in it."""
    x, scheme = plan.x0, INTEGRATORS[plan.method]
    with torch.no_grad():
        for i, (u, z) in enumerate(zip(plan.input_rows(), plan.noise_rows(), strict=True)):
            x = step(plan.dynamics, scheme, x, u, plan.dt, z)
            for name, value in zip(plan.names, x, strict=True):
                wrong = ~value.isfinite()
                if bool(wrong.any()):
                    return i, name, tuple(wrong.nonzero()[0].tolist())
    return None


def watch_states(plan: Plan, i: int, x: Values) -> None:
    """Have the backward pass raise, naming the step, if the gradient of a state after step `i` is not finite."""
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        for name, value in zip(plan.names, x, strict=True):
            if value.requires_grad:
                value.register_hook(partial(_check_state, plan, i, name))


def watch_parameters(plan: Plan) -> None:
    """Have the backward pass raise if the gradient of a parameter is not finite, naming the parameter."""
    if torch.is_grad_enabled() and not torch.compiler.is_compiling():
        for name, value in plan.dynamics.parameters():
            if value.requires_grad:
                value.register_hook(partial(_check_parameter, name))


def _broken(gradient: Tensor | None) -> bool:
    return gradient is not None and is_nonfinite(gradient)  # None where the loss does not depend on the value


def _check_state(plan: Plan, i: int, name: str, gradient: Tensor | None) -> None:
    if _broken(gradient):
        free = ", ".join(name for name, value in plan.dynamics.parameters() if value.requires_grad) or "the start"
        cause = (
            "the loss or its own gradient is not finite"
            if i == plan.steps - 1
            else "gradients grow on their way back through chaos and long runs; shorten the run"
        )
        raise NonFiniteError(
            f"the gradient for {free} is not finite: it broke at the state {name} {_at(plan, i)}; {cause}."
        )


def _check_parameter(name: str, gradient: Tensor | None) -> None:
    if _broken(gradient):
        raise NonFiniteError(f"the gradient of the loss with respect to {name} is not finite.")
