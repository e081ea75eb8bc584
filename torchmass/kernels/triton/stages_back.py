"""Triton of the adjoint of such a network: the stages of its steps backwards.

What comes back to a stage is read where the stage before it begins, and what comes back to what was sent as a step
began, where the step before it begins: by then all programs have met. So gradients of states wait in memory, and what
came back within the step.
"""

from torchmass.kernels.step.step_code import StepCode
from torchmass.kernels.triton import stages
from torchmass.kernels.triton.network_back import (
    arriving_back,
    at_once_back,
    come_back,
    end_back,
    given,
    moved_back,
    opening_back,
    read_back,
    recorded_back,
    sent_back,
)
from torchmass.kernels.triton.network_pieces import NetworkPieces
from torchmass.kernels.triton.single import close, each, flush, given_gradient
from torchmass.kernels.triton.statements import Block, Pieces, read, within, write


def source(code: StepCode, dtype: str) -> str:
    """A module with the launches of a run, or with those of its adjoint if the code has one."""
    pieces = lambda: NetworkPieces(code, dtype, is_split=True)
    if not code.has_adjoint:
        return pieces().module(*stages.forward(code, dtype))
    steps = (_stage(pieces(), stage) for stage in range(pieces().last + 1))
    return pieces().module(_start(pieces()), *steps, _finish(pieces()), close(Pieces(code, dtype)))


def _start(p: NetworkPieces) -> str:
    """The gradients of the states in which the run ends."""
    lines = [*opening_back(p), *(line for k in p.states for line in given_gradient(f"g_{k}", f"g_end_{k}", "lane"))]
    lines += [*_keep(p), *within("if lost is not None:", [write("lost + lane", "(zero - 1).to(tl.int64)")])]
    return p.function("start_back", [*each("g_end", p.states), "lost"], lines)


def _stage(p: NetworkPieces, stage: int) -> str:
    """What comes back to a stage of the steps of a launch; the last moves gradients to the states before the step."""
    p.ask(p.sizes, "begin", "end")
    body, back = Block(p.code, p.known | p.code.back, "b"), p.code.step_back
    nodes = [back.arrived[k] for k, _ in arriving_back(p, stage)]
    step = [
        "t = end - 1 - back",
        *(_step_after(p) if stage == 0 else ()),
        *read_back(p),
        *p.feed("(now & 3 == 3) | (back == 0)"),
        *_came_before(p, stage),
        *body.compute(p.code.in_step([*nodes, *(back.nodes if stage == p.last else ())])).lines,
        *come_back(p, stage, body),
        *(moved_back(p, body) if stage == p.last else ()),
    ]
    lines = [
        *_load(p),
        *within("if lost is not None:", [f"found = {read('lost + lane')}"]),
        *within("for back in range(0, end - begin):", step),
        *_keep(p),
        *flush(p),
        *within("if lost is not None:", [write("lost + lane", "found")]),
    ]
    return p.function(f"stage_{stage}_back", [*given(p), "lost"], lines)


def _step_after(p: NetworkPieces) -> list[str]:
    """The gradients of the states after step t: what comes back to what they send then, and what is recorded."""
    return ["t += 1", *p.states_at("t"), *within("if t < steps:", sent_back(p)), "t -= 1", *recorded_back(p)]


def _came_before(p: NetworkPieces, stage: int) -> list[str]:
    """What came back to what was sent within the step: to the stage after this one, and, from memory, to later ones."""
    lines = at_once_back(p, stage - 1)
    for k, arrival in enumerate(p.phases.waiting):
        if arrival.level == p.last - stage + 1:
            lines.append(p.keep("came", _within(p, k), f"t_{k}"))
        elif arrival.level > p.last - stage + 1:
            lines.append(f"t_{k} = {read(f'came + {_within(p, k)} + cell')}")
    return lines


def _finish(p: NetworkPieces) -> str:
    """The gradients of the states in which the run starts, and of what was sent before it."""
    p.ask(p.sizes, "begin")
    lines = [*_load(p), "t = begin", *p.states_at("t"), *sent_back(p), *flush(p), *end_back(p)]
    return p.function("finish_back", [*given(p), *each("g_x0", p.states)], lines)


def _load(p: NetworkPieces) -> list[str]:
    """The gradients of the states, as the last launch left them."""
    gradients = (f"g_{k} = {read(f'came + {_gradient(p, k)} + cell')}" for k in p.states)
    return [*opening_back(p), *gradients, *(f"p_{k} = zero" for k in range(p.code.sums))]


def _keep(p: NetworkPieces) -> list[str]:
    """Leave them to the next."""
    return [p.keep("came", _gradient(p, k), f"g_{k}") for k in p.states]


def _gradient(p: NetworkPieces, k: int) -> str:
    """Where the gradient of a state waits."""
    p.ask(p.sizes, "gradients")
    return f"gradients + {k} * row_size"


def _within(p: NetworkPieces, k: int) -> str:
    """Where that of a signal sent within the step does."""
    p.ask(p.sizes, "later_back")
    return f"later_back + {k} * row_size"
