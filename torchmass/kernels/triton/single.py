"""Triton from the code of a step: one kernel with the time loop inside, forward or backward.

On the way back there is no tape as in C++, since memory is farther than arithmetic: a segment runs forward once more
from its kept state, writing down its states, and then backward, where each step is computed again from its state.
"""

from collections.abc import Iterable, Sequence

from torchmass.kernels.step.step_code import StepCode
from torchmass.kernels.triton.statements import Block, Pieces, read, within, write

EARLY, LATE = "(now & 3 == 0) | (t == begin)", "(now & 3 == 3) | (t == end - 1)"  # the first met of four steps


def source(code: StepCode, dtype: str) -> str:
    """A module with the forward loop, or with the adjoint if the code has one."""
    pieces = Pieces(code, dtype)
    return pieces.module(*((_adjoint(pieces), close(pieces)) if code.has_adjoint else (_forward(pieces),)))


def _forward(p: Pieces) -> str:
    """The time loop."""
    output = len(p.states)
    seen = Block(p.code, p.code.x | p.code.q, "o").compute(p.code.in_step(p.code.outputs)).move("h", p.code.outputs)
    rows = sum((kept_row(f"out_{k}", f"x_{k}") for k in p.states), kept_row(f"out_{output}", "h_0", seen.lines))
    segment = [
        "begin = place * interval",
        "end = tl.minimum(begin + interval, steps)",
        *within("if path is not None:", p.store("path", "kept", "place")),
        *_steps(p, within("if t == due:", [*rows, "row += 1", "due += every"])),
    ]
    lines = [
        *p.opening(),
        *(f"x_{k} = {read(f'x0_{k} + lane')}" for k in p.states),
        "total = zero",
        *within("for place in range(0, kept):", segment),
        *(line for k in p.states for line in (f"total += x_{k} * 0", write(f"end_{k} + lane", f"x_{k}"))),
        write("broken + lane * 0", "1", "live & (total != total)"),
    ]
    arguments = [*each("x0", p.states), *each("out", range(output + 1)), *each("end", p.states), "broken", "path"]
    return p.function("forward", arguments, lines)


def _adjoint(p: Pieces) -> str:
    """The exact derivative of the discrete steps, backwards."""
    segment = [
        "place = kept - 1 - back",
        "begin = place * interval",
        "end = tl.minimum(begin + interval, steps)",
        *p.load("path", "kept", "place"),
        *_steps(p, (), p.store("scratch", "interval", "t - begin")),
        *within("for tile in range(0, (end - begin + TILE - 1) // TILE):", _tile(p)),
    ]
    lines = [
        *p.opening(),
        *(line for k in p.states for line in given_gradient(f"g_{k}", f"g_end_{k}", "lane")),
        *within("if lost is not None:", ["found = (zero - 1).to(tl.int64)"]),
        *within("for back in range(0, kept):", segment),
        *(write(f"g_x0_{k} + lane", f"g_{k}") for k in p.states),
        *within("if lost is not None:", [write("lost + lane", "found")]),
    ]
    given = [*each("g_out", range(len(p.states) + 1)), *each("g_end", p.states), *each("g_x0", p.states)]
    timed = each("each", range(len(p.code.timed)))
    return p.function("adjoint", ["path", "scratch", *given, "parts", *timed, "lost"], lines)


def _tile(p: Pieces) -> list[str]:
    """Some steps backwards: few enough for sums in the number type; those in double are in memory."""
    return [
        "last = end - tile * TILE",
        *(f"p_{k} = zero" for k in range(p.code.sums)),
        *within("for i in range(0, tl.minimum(last - begin, TILE)):", _back(p)),
        *flush(p),
    ]


def _back(p: Pieces) -> list[str]:
    """One step backwards; x_k are the states after it when it begins, and before it when it ends."""
    code = p.code
    body = Block(code, p.known | code.back, "b").compute(code.in_step(code.step_back.nodes))
    body.add("p", code.step_back.parts)
    for k, node in enumerate(code.step_back.timed):
        body.lines.append(write(f"each_{k} + t * lanes + lane", body.lanes(node)))
    return [
        "t = last - 1 - i",
        *within("if (t == due) & (row >= 0):", [*rows_back(p), "row -= 1", "due -= every"]),
        *within("if lost is not None:", (watched(k, len(p.states)) for k in p.states)),
        *p.load("scratch", "interval", "t - begin"),
        *p.feed(LATE),
        *body.move("g", code.step_back.states).lines,
        *within("if (t == cut) & (t > 0):", [*(f"g_{k} = zero" for k in p.states), "cut -= horizon"]),
    ]


def rows_back(p: Pieces) -> list[str]:
    """Adds the gradients of a recorded row, where the states are x_k."""
    output = f"g_out_{len(p.states)}"
    states = (
        within(f"if g_out_{k} is not None:", [f"g_{k} += {read(f'g_out_{k} + row * lanes + lane')}"]) for k in p.states
    )
    seen = output_back(p, read(f"{output} + row * lanes + lane"), "r")
    return sum(states, within(f"if {output} is not None:", seen))


def output_back(p: Pieces, value: str, prefix: str) -> list[str]:
    """Adds what the states x_k have to do with this gradient of their output."""
    code = p.code
    body = Block(code, code.x | code.q | {p.graph.input("h"): f"{prefix}h"}, prefix)
    body.compute(code.in_step(code.rows_back.nodes)).add("g", ([(node, 1)] for node in code.rows_back.states))
    return [f"{prefix}h = {value}", *body.add("p", code.rows_back.parts, len(code.step_back.parts)).lines]


def flush(p: Pieces) -> list[str]:
    """What a tile has added up goes on in double."""
    places = [p.part(k) for k in range(p.code.sums)]
    return [write(place, f"{read(place)} + p_{k}") for k, place in enumerate(places)]


def close(p: Pieces) -> str:
    """The gradients of the leaves from the sums, in double; apart, since the loop has no room for the leaves."""
    code, graph = p.code, p.graph
    given = {graph.input(f"sum_{k}"): f"s_{k}" for k in range(code.sums)}
    found = [f"s_{k} = {read(p.part(k))}" for k in range(code.sums)]
    body = Block(code, p.exact | given, "c", "tl.float64").compute(graph.needed(code.totals))
    body.called |= {graph.input(f"total_{k}"): body.name(node) for k, node in enumerate(code.totals)}
    body.compute(graph.needed(code.closed))
    for k, node in enumerate(code.closed):
        body.lines.append(write(f"sums + {k} * lanes + lane", f"zero + {body.name(node)}"))
    return p.function("close", ["parts", "sums"], [*p.read(), *found, *body.lines])


def _steps(p: Pieces, after: Sequence[str], before: Sequence[str] = ()) -> list[str]:
    """The steps of a segment, forward."""
    return within("for t in range(begin, end):", [*before, *p.feed(EARLY), *p.step(), *after])


def kept_row(to: str, value: str, before: Sequence[str] = ()) -> list[str]:
    """A row of what is recorded; 0 is added to `total`, or NaN if it is not finite."""
    store = write(f"{to} + row * lanes + lane", value)
    return within(f"if {to} is not None:", [*before, store, f"total += {value} * 0"])


def given_gradient(name: str, source: str, place: str) -> list[str]:
    """A gradient that is 0 where none is given."""
    return [f"{name} = zero", *within(f"if {source} is not None:", [f"{name} += {read(f'{source} + {place}')}"])]


def watched(state: int, states: int) -> str:
    """Notes after which step the gradient of a state is not finite: the last in time, and of its states the first."""
    broken = f"(found < 0) & (g_{state} - g_{state} != 0)"
    return f"found = tl.where({broken}, (t + 1) * {states} - 1 - {state}, found)"


def each(name: str, places: Iterable[int]) -> list[str]:
    """Names with numbers."""
    return [f"{name}_{k}" for k in places]
