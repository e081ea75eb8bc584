"""A run in one call of a generated kernel, with the exact discrete adjoint as its gradient."""

from collections.abc import Sequence
from inspect import ismethod

import torch
from torch import Tensor, nn

from torchmass.integrators import Values
from torchmass.kernels.autograd import FusedRun
from torchmass.kernels.call import Call
from torchmass.kernels.draws import distinct
from torchmass.kernels.forward_gradient import forward_gradient
from torchmass.kernels.kernel import DTYPES, KERNELS, kernel_name, tile
from torchmass.kernels.linked import fans, kind_of, link_leaves, refuse_network, soon
from torchmass.kernels.operator import forward
from torchmass.kernels.plan import Monitor, Outcome, OutputMonitor, Plan, StateMonitor
from torchmass.kernels.step.step_graph import ABSENT, HELD, TIMED, StepKind
from torchmass.kernels.step.trace import TraceError
from torchmass.kernels.transforms import is_transformed, needs_gradient
from torchmass.kernels.triton import modules
from torchmass.links import OUTPUT
from torchmass.undefined import known_false

ENGINES = {"cpu": "cpp", "cuda": "triton"}  # what kernels are written in, by the device that they run on


def run(plan: Plan) -> Outcome:
    """Integrate the plan in one kernel. Raises `TraceError` where the model or the run cannot be fused."""
    return _run(plan, engine_of(plan))


def run_triton(plan: Plan) -> Outcome:
    """The same in Triton; on the CPU in its interpreter, for tests. Raises `ValueError` where there is none."""
    if plan.x0[0].device.type == "cpu" and modules.missing() is None and not modules.interprets():
        raise ValueError(f"backend='triton' is for GPUs, and the model is on the CPU: {modules.INTERPRET}")
    return _run(plan, "triton")


def _run(plan: Plan, engine: str) -> Outcome:
    try:
        kernel = kernel_of(plan, engine)
    except TraceError as error:
        raise TraceError(f"the model cannot be fused: {error} Use backend='eager'.") from error
    leaves = leaves_of(plan, kernel)
    call = call_of(plan, kernel, leaves, engine)
    if call.adjoint and plan.gradient == "forward":
        found = forward_gradient(call, plan.x0, leaves)
    else:
        found = _execute(call, plan.x0, leaves)
    series, rest = dict(zip(call.kept, found, strict=False)), found[len(call.kept) :]
    ends, tails = rest[: len(plan.x0)], rest[len(plan.x0) : -2]
    seen = {name: _seen(plan, monitor, series) for name, monitor in plan.monitors.items()}
    own = all(isinstance(monitor, (StateMonitor, OutputMonitor)) for monitor in plan.monitors.values())
    histories = _histories(plan, tails)
    return Outcome(seen, tuple(ends), histories, finite=own and known_false(found[-2]))


def _execute(call: Call, starts: Values, leaves: Values) -> Sequence[Tensor]:
    """What the kernel returns, with a gradient and a tangent where one may be asked for."""
    if not torch.compiler.is_compiling() and (call.adjoint or is_transformed()):
        return FusedRun.apply(call, len(starts), *starts, *leaves)
    return forward(call, starts, leaves)


def engine_of(plan: Plan) -> str:
    """What the kernel of the plan is written in."""
    return ENGINES.get(plan.x0[0].device.type, "none")


def kernel_of(plan: Plan, engine: str) -> str:
    """The name of the kernel that runs the plan. Raises `TraceError` where there is none."""
    like = plan.x0[0]
    if engine == "none" or like.dtype not in DTYPES:
        raise TraceError(f"it is {like.dtype} on {like.device}; kernels are for float32 and float64 on CPUs and GPUs.")
    for maths in (plan.dynamics.derivative, plan.dynamics.update):
        if ismethod(maths) and isinstance(maths.__self__, nn.Module):
            raise TraceError(f"its {maths.__name__} is a method, and what it reads of its module is not in the kernel.")
    driven = tuple(ABSENT if u is None else HELD if u.shape[0] == 1 else TIMED for u in plan.inputs)
    if plan.dynamics.links:
        refuse_network(plan)
    links = [kind_of(link, plan.dt, plan.method) for link in plan.dynamics.links]
    return kernel_name(*StepKind.of(plan.dynamics, plan.method, driven, links))


def leaves_of(plan: Plan, kernel: str) -> tuple[Tensor, ...]:
    """All that a step reads beside states and noise: what is constant in time, the inputs that are not, the links'."""
    given = [u for u in plan.inputs if u is not None]
    held = [u[0] for u in given if u.shape[0] == 1]
    timed = [u for u in given if u.shape[0] > 1]
    own, pairs = link_leaves(plan, KERNELS[kernel].step) if plan.dynamics.links else ((), ())
    return (*plan.dynamics.p, *plan.dynamics.noise_leaves, *own, *held, *timed, *pairs)


def call_of(plan: Plan, kernel: str, leaves: tuple[Tensor, ...], engine: str) -> Call:
    """The plan in numbers."""
    adjoint = torch.is_grad_enabled() and any(map(needs_gradient, (*plan.x0, *leaves)))
    wanted = tuple(i for i, leaf in enumerate(leaves) if needs_gradient(leaf)) if adjoint else ()
    seed, shape = plan.seed or 0, tuple(plan.x0[0].shape)
    return Call(
        kernel=kernel,
        shape=shape,
        dt=plan.dt,
        steps=plan.steps,
        first_step=plan.first_step,
        first_simulation=plan.first_simulation,
        simulations=distinct(shape[:-1], plan.options.candidates),
        transient=plan.transient,
        every=plan.every,
        seed=seed - 2**64 if seed >= 2**63 else seed,
        interval=plan.interval(tile(kernel, wanted, engine)) if adjoint else plan.steps,
        horizon=plan.grad_horizon,
        kept=_kept(plan),
        wanted=wanted,
        adjoint=adjoint,
        reach=tuple(link.reach(plan.dt) for link in plan.dynamics.links),
        soon=soon(plan, KERNELS[kernel].step, leaves) if engine == "cpp" else (),
        fans=fans(plan.dynamics.links, KERNELS[kernel].step) if engine == "triton" else (),
        tails=tuple(number for source, rows in _tails(plan) for number in (source, rows)),
        engine=engine,
    )


def _tails(plan: Plan) -> list[tuple[int, int]]:
    """The signals of which a later run needs the past, by place, and how many of their last rows this run has."""
    sources = zip(plan.dynamics.sources, plan.histories, strict=True)
    return [(len(plan.names) if k == OUTPUT else k, min(len(past), plan.steps)) for k, past in sources]


def _histories(plan: Plan, tails: Sequence[Tensor]) -> Values:
    """The past of each source when the run has ended."""
    return tuple(_followed(past, tail) for past, tail in zip(plan.histories, tails, strict=True))


def _followed(past: Tensor, tail: Tensor) -> Tensor:
    """As many rows as the past has, of which the last are those of the tail."""
    rows = tail.size(0)  # its length would not be a symbol
    return tail if rows == past.size(0) else torch.cat((past[rows:], tail))


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
        rows = series[plan.names.index(monitor.name)]
        return plan.columns[monitor.name].own(rows) if monitor.name in plan.columns else rows
    states = [series[k] for k in range(len(plan.names))]
    see = lambda *row: plan.seen(monitor, plan.snapshot(row))
    try:
        return torch.vmap(see)(*states)  # all rows at once: 10,000 rows one by one take 0.1 s
    except (RuntimeError, ValueError):  # it looks at values, draws numbers or returns what is no tensor
        return torch.stack([see(*row) for row in zip(*states, strict=True)])
