"""What a run will be computed with, how large that is and what memory it takes; printed by `Simulator.explain`."""

from dataclasses import dataclass, replace
from math import prod

import torch

from torchmass.kernels.call import shared, threads
from torchmass.kernels.choice import choose
from torchmass.kernels.coupled import path_size
from torchmass.kernels.fused import call_of, engine_of, kernel_of, leaves_of
from torchmass.kernels.kernel import KERNELS
from torchmass.kernels.plan import Plan
from torchmass.kernels.triton.launches import launches
from torchmass.kernels.triton.tiles import Tiles
from torchmass.stretches import length_of

KERNELLED = ("fused", "triton")
OPERATIONS_OF_A_SECOND = 300  # that Triton compiles on one core, after its first two


@dataclass(frozen=True)
class Fused:
    """The kernel of a run: operations of one step in each direction, and whether its library exists already."""

    operations: int
    gradient_operations: int  # 0 without a gradient
    interval: int  # steps between two states that are kept for the gradient
    path: int  # bytes of these states
    threads: int
    built: bool
    launches: int  # more than one where a program of a GPU does not hold all nodes of a network
    seconds: int  # that building takes, about

    def __str__(self) -> str:
        about = "a second" if self.seconds == 1 else f"{self.seconds} seconds"
        lines = [
            f"a step is {self.operations} operations, {'built' if self.built else f'not built yet (about {about})'}"
        ]
        if self.gradient_operations:
            kept = "every step" if self.interval == 1 else f"a state every {self.interval} steps"
            lines.append(f"with its gradient {self.gradient_operations}, for which {kept} is kept")
        if self.launches > 1:
            lines.append(f"a program holds some of the nodes, and they meet between {self.launches:,} launches")
        return "\n".join([*lines, f"{self.threads} thread{'s' if self.threads > 1 else ''}"])


@dataclass(frozen=True)
class Explanation:
    """The backend of a run and why; prints as a few lines."""

    backend: str
    why: str
    method: str
    steps: int
    rows: int  # bytes of what is recorded
    fused: Fused | None

    def __str__(self) -> str:
        head = f"{self.backend}: {self.why}\n{self.steps:,} steps of {self.method}"
        memory = [f"{_bytes(self.rows)} recorded"]
        if self.fused and self.fused.path:
            memory.append(f"{_bytes(self.fused.path)} kept for the gradient")
        kernel = f"\n{self.fused}" if self.fused else ""
        return f"{head}{kernel}\nmemory: {', '.join(memory)}"

    __repr__ = __str__  # so that a notebook shows the lines


def explain(plan: Plan, asked: str) -> Explanation:
    """What `backend=asked` comes to for this plan. Raises `TraceError` for a fused run that cannot be."""
    backend, why = choose(plan, asked)
    like = plan.x0[0]
    fused = _fused(plan, "triton" if backend == "triton" else engine_of(plan)) if backend in KERNELLED else None
    with torch.no_grad():
        row = sum(value.numel() for value in plan.record(plan.x0).values())
    return Explanation(backend, why, plan.method, plan.steps, len(plan.rows) * row * like.element_size(), fused)


def _fused(plan: Plan, engine: str) -> Fused:
    length = length_of(plan)
    stretched = length < plan.steps  # a network keeps all steps of one stretch, and computes the others again
    if stretched:
        plan = replace(plan, steps=length, transient=min(plan.transient, length - 1), checkpoint="none")
    name = kernel_of(plan, engine)
    leaves = leaves_of(plan, name)
    kernel, call, like = KERNELS[name], call_of(plan, name, leaves, engine), plan.x0[0]
    forward, reverse = kernel.code(None).operations, call.adjoint and plan.gradient == "reverse"
    wanted = call.wanted if reverse else None
    backward = kernel.code(wanted).operations if reverse else 0
    crew = shared(call, kernel, leaves, wanted) if engine == "cpp" else None
    is_early = crew is not None and crew.is_early
    kept = path_size(call, kernel.step, is_early) if kernel.step.links else call.path_size(len(plan.x0))
    path = kept * like.element_size() if reverse else 0
    interval = length if stretched else 1 if kernel.step.links else call.interval
    many = threads(call, kernel, wanted, crew) if crew else prod(call.shape)
    at_once = crew or not kernel.step.links
    count = 1 if at_once else len(list(launches(Tiles(call, kernel, like.element_size()), leaves, back=False)))
    seconds = 1 if crew else 2 + (forward + backward) // OPERATIONS_OF_A_SECOND
    return Fused(forward, backward, interval, path, many, kernel.is_built(like.dtype, engine), count, seconds)


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"
