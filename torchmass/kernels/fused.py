"""A run in one call of a generated kernel, with the exact discrete adjoint as its gradient."""

import torch
from torch import Tensor

from torchmass.integrators import Values
from torchmass.kernels.autograd import LANES, Call, FusedRun
from torchmass.kernels.finite import watch_parameters
from torchmass.kernels.plan import Monitor, OutputMonitor, Plan, Snapshot, StateMonitor
from torchmass.kernels.step_graph import StepKind, trace_step
from torchmass.kernels.trace import TraceError


def run(plan: Plan) -> tuple[dict[str, Tensor], Values]:
    """As `eager.run`, in one kernel. Raises `TraceError` where the model or the run cannot be fused."""
    try:
        _refuse_elsewhere(plan.x0[0])
        step = trace_step(StepKind.of(plan.dynamics, plan.method))
    except TraceError as error:
        raise TraceError(f"the model cannot be fused: {error} Use backend='eager'.") from error
    kept = _kept(plan)
    watch_parameters(plan)
    leaves = (*plan.dynamics.p, *(drive.sigma for drive in plan.dynamics.drives), *plan.inputs)
    wanted = None
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*plan.x0, *leaves)):
        wanted = tuple(i for i, leaf in enumerate(leaves) if leaf.requires_grad)
    found = FusedRun.apply(Call(plan, step, kept, wanted), *plan.x0, *leaves)
    series = dict(zip(kept, found, strict=False))
    ends = tuple(found[len(kept) : len(kept) + len(plan.names)])
    return {name: _seen(plan, monitor, series) for name, monitor in plan.monitors.items()}, ends


def _refuse_elsewhere(like: Tensor) -> None:
    if torch.compiler.is_compiling():
        raise RuntimeError("a fused run is one call of a kernel; torch.compile goes around it.")
    if like.device.type != "cpu" or like.dtype not in LANES:
        raise TraceError(f"it is {like.dtype} on {like.device}; kernels are for float32 and float64 on the CPU so far.")


def _kept(plan: Plan) -> tuple[int, ...]:
    """What the kernel must record; all states where a monitor is a function of the user's."""
    places, count = {name: k for k, name in enumerate(plan.names)}, len(plan.names)
    kept: set[int] = set()
    for monitor in plan.monitors.values():
        if isinstance(monitor, StateMonitor):
            kept.add(places[monitor.name])
        else:
            kept |= {count} if isinstance(monitor, OutputMonitor) else set(range(count))
    return tuple(sorted(kept))


def _seen(plan: Plan, monitor: Monitor, series: dict[int, Tensor]) -> Tensor:
    """The series of one monitor."""
    if isinstance(monitor, OutputMonitor):
        return series[len(plan.names)]
    if isinstance(monitor, StateMonitor):
        return series[plan.names.index(monitor.name)]
    states = [series[k] for k in range(len(plan.names))]
    rows = (Snapshot(zip(plan.names, row, strict=True)) for row in zip(*states, strict=True))
    return torch.stack([plan.seen(monitor, row) for row in rows])
