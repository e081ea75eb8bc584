"""Triton of a network with more nodes than a program holds: launches, between which all programs have met.

A program has a block of the nodes of a tile of simulations. A launch takes it to where it next reads what others sent:
through one stage of a step, or through as many steps as the shortest delay allows. States, and what has arrived, wait
in memory for the next launch, which computes the rest again.
"""

from torchmass.kernels.step.step_code import StepCode
from torchmass.kernels.triton.network import (
    BROKEN,
    arrive,
    end,
    known_ahead,
    record,
    send,
    send_later,
    start,
    tails,
    written,
)
from torchmass.kernels.triton.network_pieces import NetworkPieces
from torchmass.kernels.triton.single import each
from torchmass.kernels.triton.statements import Block, read, within


def forward(code: StepCode, dtype: str) -> list[str]:
    """What begins a run, and the stages of a step."""
    pieces = lambda: NetworkPieces(code, dtype, is_split=True)
    return [_start(pieces()), *(_stage(pieces(), stage) for stage in range(pieces().last + 1))]


def _start(p: NetworkPieces) -> str:
    """What is sent before the run, and as it begins."""
    return p.function("start", each("x0", p.states), [*start(p), *p.keep_states("0"), *send(p, "0")])


def _stage(p: NetworkPieces, stage: int) -> str:
    """A stage of the steps of a launch; the last moves the states, and sends what the next step begins with."""
    p.ask(p.sizes, "begin", "end")
    met = (f"a_{k} = {read(f'memory + {p.met(k)} + cell')}" for k, a in enumerate(p.arrivals) if a.level < stage)
    step = [
        *(known_ahead(p) if stage == 0 else ()),
        *p.feed("(now & 3 == 0) | (t == begin)"),
        *met,
        *arrive(p, stage),
        *(_move(p) if stage == p.last else _send_later(p, stage)),
    ]
    steps = [*p.opening(), "total = zero", *p.states_at("begin"), *within("for t in range(begin, end):", step)]
    ends = [*within("if end == steps:", end(p)), BROKEN]
    return p.function(f"stage_{stage}", written(p), [*steps, *(ends if stage == p.last else ())])


def _send_later(p: NetworkPieces, stage: int) -> list[str]:
    """What the next stage waits for."""
    later = zip(p.code.later, p.phases.waiting, strict=True)
    body = Block(p.code, p.known, "v")
    body.compute(p.code.in_step([node for node, arrival in later if arrival.level - 1 == stage]))
    return [*body.lines, *send_later(p, stage, body)]


def _move(p: NetworkPieces) -> list[str]:
    """The states after the step."""
    return [*tails(p), *p.step(), *p.keep_states("t + 1"), *send(p, "t + 1"), *record(p)]
