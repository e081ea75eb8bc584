"""Runs with torchdiffeq's solvers, for models without noise (Chen 2018, github.com/rtqichen/torchdiffeq)."""

from typing import Any

import torch
from torch import Tensor

from torchmass.kernels.finite import watched
from torchmass.kernels.plan import Outcome, Plan
from torchmass.packages import require

ADAPTIVE = ("dopri5", "dopri8", "bosh3", "fehlberg2", "adaptive_heun")
FIXED = ("heun3", "explicit_adams", "implicit_adams")  # torchdiffeq's own fixed-step schemes, at steps of dt
ORDERS = {"explicit_adams": {"max_order": 4}}  # its default of 12 diverges on a Hopf node at dt = 0.1 ms
METHODS = (*ADAPTIVE, *FIXED)
TOLERANCES = {torch.float32: (1e-5, 1e-6), torch.float64: (1e-8, 1e-10)}  # relative, absolute


def run(plan: Plan, adjoint: bool, rtol: float | None, atol: float | None) -> Outcome:
    """The recorded rows of every monitor and the final state, at the accuracy asked for rather than at a step."""
    if plan.dynamics.drives:
        raise ValueError(
            f"method {plan.method!r} is for models without noise; use 'heun' or 'euler', or drop the noise."
        )
    if plan.dynamics.sources:
        raise ValueError(f"method {plan.method!r} is for couplings without delays; use 'heun' or 'rk4'.")
    plan = watched(plan)
    start = torch.stack(plan.x0)  # (S, *b, N)
    relative, absolute = TOLERANCES[start.dtype]
    field = _Field(plan)
    times = [0.0, *((i + 1) * plan.dt for i in plan.rows)]
    if plan.rows[-1] != plan.steps - 1:
        times.append(plan.steps * plan.dt)
    arguments: dict[str, Any] = {"rtol": rtol or relative, "atol": atol or absolute, "method": plan.method}
    if plan.method in FIXED:
        arguments["options"] = {"step_size": plan.dt} | ORDERS.get(plan.method, {})
    t = torch.tensor(times, dtype=torch.float64, device=start.device).to(start.dtype)
    path = _solver(adjoint)(field, start, t, **arguments, **field.adjoint_arguments(adjoint))  # (T, S, *b, N)
    kept = path[1 : 1 + len(plan.rows)]
    recorded = [plan.record(tuple(row)) for row in kept]
    return Outcome({name: torch.stack([row[name] for row in recorded]) for name in plan.monitors}, tuple(path[-1]))


def _solver(adjoint: bool) -> Any:
    torchdiffeq = require("torchdiffeq", "an adaptive method", "adaptive")
    return torchdiffeq.odeint_adjoint if adjoint else torchdiffeq.odeint


class _Field(torch.nn.Module):
    """The vector field on stacked states, with inputs held over each step as in every other method."""

    def __init__(self, plan: Plan) -> None:
        super().__init__()
        self.plan, self.constant = plan, plan.is_steady

    def forward(self, t: Tensor, stacked: Tensor) -> Tensor:
        plan, x = self.plan, tuple(stacked)
        i = 0 if self.constant else min(max(int(float(t) / plan.dt), 0), plan.steps - 1)
        slopes = plan.dynamics.local(x, plan.dynamics.inputs(x, plan.inputs_at(i)))
        return torch.stack(torch.broadcast_tensors(*slopes))

    def adjoint_arguments(self, adjoint: bool) -> dict[str, Any]:
        """The tensors whose gradient the continuous adjoint must carry."""
        links = [tensor for link in self.plan.dynamics.links for tensor in link.leaves]
        tensors = (*self.plan.dynamics.p, *links, *(u for u in self.plan.inputs if u is not None))
        return {"adjoint_params": tuple(t for t in tensors if t.requires_grad)} if adjoint else {}
