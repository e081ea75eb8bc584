"""Which backend runs a plan, and why."""

from typing import NamedTuple

import torch

from torchmass.kernels.cpp import build
from torchmass.kernels.fused import engine_of, kernel_of
from torchmass.kernels.kernel import KERNELS
from torchmass.kernels.plan import Plan
from torchmass.kernels.step.exchange import DENSE
from torchmass.kernels.step.trace import TraceError
from torchmass.kernels.transforms import derivatives
from torchmass.kernels.triton import modules
from torchmass.kernels.triton.tiles import is_split

WORTH_BUILDING = 200  # steps; building takes about a second
# Bytes of a matrix that no longer fits the second cache, through which the fused loop goes once for each of how many
# simulations, where torch multiplies it with all at once: 2 to 6 times as fast for 768 and 1,024 nodes, and slower for
# 512 (float32, one thread, benchmarks/recurrent.md). What eager steps keep for a gradient, some 40 numbers a state, has
# room for so many states of all steps.
LARGE, MANY, ROOM = 2**21, 8, 2**24


class Choice(NamedTuple):
    """A backend, and why it was chosen."""

    backend: str
    why: str


def choose(plan: Plan, asked: str) -> Choice:
    """The backend for the plan: what is asked for, or for "auto" the fused loop wherever it applies."""
    if asked != "auto":
        return Choice(asked, "asked for")
    if torch.compiler.is_compiling():  # one operator in the graph of torch.compile; eager steps could not be in it
        return Choice("fused", "inside torch.compile")
    reason = _against_fused(plan)
    chosen = Choice("eager", reason) if reason else Choice("fused", _how(plan))
    build.said_once(f"backend {chosen.backend!r} for {plan.method} with {', '.join(plan.names)}: {chosen.why}")
    return chosen


def _against_fused(plan: Plan) -> str | None:
    if derivatives() > 1:
        return "a derivative of a derivative is asked for, and the fused loop has first derivatives"
    try:
        engine = engine_of(plan)
        name = kernel_of(plan, engine)
    except TraceError as error:
        return str(error).rstrip(".")
    tools = build if engine == "cpp" else modules
    if missing := tools.missing():
        return f"{missing}; {tools.INSTALL} for runs that are hundreds of times faster"
    if plan.gradient == "forward" or (plan.checkpoint != "none" and plan.method == "exp_euler"):
        return None  # which only the fused loop can do
    dense = any(link.form == DENSE for link in KERNELS[name].step.links)
    if engine == "cpp" and plan.options.often and dense and _at_once(plan):
        return "a product of its large matrix with all simulations at once is faster than one after another"
    if plan.steps < WORTH_BUILDING and not plan.options.often and not KERNELS[name].is_built(plan.x0[0].dtype, engine):
        return f"a run of fewer than {WORTH_BUILDING} steps does not pay for building a kernel, and none is built yet"
    return None


def _how(plan: Plan) -> str:
    """How the fused loop goes."""
    nodes = plan.x0[0].shape[-1]
    if engine_of(plan) == "triton" and plan.dynamics.links and is_split(nodes):
        return f"generated kernels take each stage of a step, since a program of a GPU holds fewer than {nodes:,} nodes"
    return "the whole loop is one generated kernel"


def _at_once(plan: Plan) -> bool:
    """Whether there are many simulations of a network so large that a product with all of them pays."""
    x = plan.x0[0]
    nodes, simulations = x.shape[-1], x[..., 0].numel()
    has_room = not torch.is_grad_enabled() or plan.steps * x.numel() <= ROOM
    return nodes**2 * x.element_size() > LARGE and simulations >= MANY and has_room
