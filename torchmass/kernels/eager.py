"""The reference meaning of a run: a Python loop over `step`, differentiated by autograd."""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from torchmass.dynamics import Pasts, step
from torchmass.integrators import SCHEMES, Values
from torchmass.kernels.finite import watch_states, watched
from torchmass.kernels.plan import Outcome, Plan

Step = Callable[..., Values]


class Carried(NamedTuple):
    """What goes from step to step: the states, what couplings remember, and the latest signals of each source."""

    x: Values
    pasts: Pasts
    signals: tuple[deque[Tensor], ...]


def run(plan: Plan, advance: Step = step) -> Outcome:
    """Integrate the plan step by step."""
    if torch.compiler.is_compiling():  # torch.compile falls back to this very loop, and says so under fullgraph=True
        raise RuntimeError("a run is not unrolled into a graph (10 steps take 17-60 s to compile); compile around it.")
    if plan.gradient == "forward":
        raise ValueError("gradient='forward' is carried by the fused loop, and this run is eager; see explain().")
    stretches = plan.checkpoint != "none"
    if (stretches or plan.again) and plan.method == "exp_euler":  # torch.func's vjp refuses the hooks of a checkpoint
        raise ValueError(
            "method='exp_euler' is for the fused loop where steps are computed again on the way back, as checkpoint= "
            "and observe= of a long run do, and this run is eager; see explain()."
        )
    plan = watched(plan)
    latest = tuple(deque(rows.unbind(), maxlen=len(rows)) for rows in plan.histories)
    carried, rows = Carried(plan.x0, plan.pasts(), latest), dict[str, list[Tensor]]()
    length = plan.interval() if stretches else plan.steps
    for begin in range(0, plan.steps, length):
        stretch = partial(_stretch, plan, advance, begin, min(begin + length, plan.steps), carried)
        found = checkpoint(stretch, use_reentrant=False, preserve_rng_state=False) if stretches else stretch()
        carried, recorded = found
        for name, values in recorded.items():
            rows.setdefault(name, []).extend(values)
    histories = tuple(torch.stack(tuple(signals)) for signals in carried.signals)
    return Outcome({name: torch.stack(values) for name, values in rows.items()}, carried.x, histories)


def _stretch(
    plan: Plan, advance: Step, begin: int, end: int, carried: Carried
) -> tuple[Carried, dict[str, list[Tensor]]]:
    """The steps from `begin` to `end`: where they lead, and what the monitors see on the way."""
    scheme, rows, horizon, dynamics = SCHEMES[plan.method], plan.rows, plan.grad_horizon, plan.dynamics
    x, pasts, signals = carried.x, carried.pasts, tuple(deque(kept, kept.maxlen) for kept in carried.signals)
    recorded: dict[str, list[Tensor]] = {name: [] for name in plan.monitors}
    for i, u, z in zip(range(begin, end), plan.input_rows(begin, end), plan.noise_rows(begin, end), strict=True):
        if horizon and i and i % horizon == 0:
            x = tuple(value.detach() for value in x)
            pasts = [past and past.detach() for past in pasts]
        pasts = dynamics.remembered(pasts, x)
        for kept, source in zip(signals, dynamics.sources, strict=True):
            kept.append(dynamics.signal(source, x))
        x = advance(dynamics, scheme, x, u, plan.dt, z, pasts)
        watch_states(plan, i, x)
        if i in rows:
            for name, value in plan.record(x).items():
                recorded[name].append(value)
    return Carried(x, pasts, signals), recorded
