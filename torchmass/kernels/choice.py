"""Which backend runs a plan, and why."""

from typing import NamedTuple

import torch

from torchmass.kernels import build, modules
from torchmass.kernels.fused import engine_of, kernel_of
from torchmass.kernels.kernel import KERNELS
from torchmass.kernels.plan import Plan
from torchmass.kernels.trace import TraceError
from torchmass.kernels.transforms import derivatives

WORTH_BUILDING = 200  # steps; building takes about a second


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
    chosen = Choice("eager", reason) if reason else Choice("fused", "the whole loop is one generated kernel")
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
    if plan.steps < WORTH_BUILDING and not plan.often and not KERNELS[name].is_built(plan.x0[0].dtype, engine):
        return f"a run of fewer than {WORTH_BUILDING} steps does not pay for building a kernel, and none is built yet"
    return None
