"""The reference meaning of a run: a Python loop over `step`, differentiated by autograd."""

from collections.abc import Callable

import torch
from torch import Tensor

from torchmass.dynamics import step
from torchmass.integrators import INTEGRATORS, Values
from torchmass.kernels.finite import watch_parameters, watch_states
from torchmass.kernels.plan import Plan


def run(plan: Plan, advance: Callable[..., Values] = step) -> tuple[dict[str, Tensor], Values]:
    """The recorded rows of every monitor, (T, *b, …), and the state in which the run ends."""
    if torch.compiler.is_compiling():  # torch.compile falls back to this very loop, and says so under fullgraph=True
        raise RuntimeError("a run is not unrolled into a graph (10 steps take 17-60 s to compile); compile around it.")
    x, scheme, rows = plan.x0, INTEGRATORS[plan.method], plan.rows
    recorded: dict[str, list[Tensor]] = {name: [] for name in plan.monitors}
    watch_parameters(plan)
    for i, (u, z) in enumerate(zip(plan.input_rows(), plan.noise_rows(), strict=True)):
        x = advance(plan.dynamics, scheme, x, u, plan.dt, z)
        watch_states(plan, i, x)
        if i in rows:
            for name, value in plan.record(x).items():
                recorded[name].append(value)
    return {name: torch.stack(values) for name, values in recorded.items()}, x
