"""Triton of the adjoint of a network: the exact derivative of its discrete steps, backwards.

The forward loop kept the states before every step and all that arrived; with these a step is a matter of each node
alone. What comes back to each arrival is written down. What a node sent has its gradient from those that it reached:
the same sums over the transposed graph, with time running backwards where there are delays.
"""

from torchmass.kernels.step.exchange import TOTAL, Arrival
from torchmass.kernels.step.step_code import StepCode
from torchmass.kernels.triton.network import SUMS, forward, sources
from torchmass.kernels.triton.network_pieces import NetworkPieces
from torchmass.kernels.triton.single import close, each, flush, given_gradient, output_back, rows_back, watched
from torchmass.kernels.triton.statements import TILE, Block, Pieces, read, within, write


def source(code: StepCode, dtype: str) -> str:
    """A module with the forward loop of a network, or with its adjoint if the code has one."""
    pieces = NetworkPieces(code, dtype)
    if not code.has_adjoint:
        return pieces.module(forward(pieces))
    return pieces.module(_adjoint(pieces), close(Pieces(code, dtype)))


def _adjoint(p: NetworkPieces) -> str:
    """The loop over time, backwards."""
    lines = [
        *opening_back(p),
        *p.states_at("steps"),
        *(line for k in p.states for line in given_gradient(f"g_{k}", f"g_end_{k}", "lane")),
        *(f"p_{k} = zero" for k in range(p.code.sums)),
        *within("if lost is not None:", ["found = (zero - 1).to(tl.int64)"]),
        *within("for back in range(0, steps):", ["t = steps - 1 - back", *_back(p)]),
        "meet()",
        *end_back(p),
        *within("if lost is not None:", [write("lost + lane", "found")]),
    ]
    return p.function("adjoint", [*given(p), *each("g_end", p.states), *each("g_x0", p.states), "lost"], lines)


def opening_back(p: NetworkPieces) -> list[str]:
    """As `p.opening`, and where what comes back is."""
    p.ask(p.tensors, "came")
    p.ask(p.sizes, "came_size")
    return [*p.opening(), "came += tile * came_size"]


def given(p: NetworkPieces) -> list[str]:
    """Gradients that are given in every step, and those that are found there."""
    tails, timed = each("g_tail", range(len(sources(p.code.step)))), each("each", range(len(p.code.timed)))
    return [*each("g_out", range(len(p.states) + 1)), *tails, "parts", *timed]


def _back(p: NetworkPieces) -> list[str]:
    """One step backwards; x_k are the states after it when it begins, and before it when it ends."""
    body, lines = Block(p.code, p.known | p.code.back, "b"), list[str]()
    for phase in range(p.last + 1):
        body.lines = []
        lines += [*body.compute(p.phases.back.within(phase)).lines, *come_back(p, phase, body), *at_once_back(p, phase)]
    return [
        *recorded_back(p),
        *read_back(p),
        *p.feed("(now & 3 == 3) | (back == 0)"),
        *lines,
        *moved_back(p, body),
        *sent_back(p),
        *within(f"if t % {TILE} == 0:", [*flush(p), *(f"p_{k} = zero" for k in range(p.code.sums))]),
    ]


def recorded_back(p: NetworkPieces) -> list[str]:
    """The gradients of what was recorded after the step, and whether those of its states are finite."""
    return [
        *within("if (t == due) & (row >= 0):", [*rows_back(p), "row -= 1", "due -= every"]),
        *within("if lost is not None:", (watched(k, len(p.states)) for k in p.states)),
    ]


def read_back(p: NetworkPieces) -> list[str]:
    """The states before step t, and what arrived in it."""
    met = (f"a_{k} = {read(f'memory + {p.met(k)} + cell')}" for k in range(len(p.arrivals)))
    return [*p.states_at("t"), *met]


def arriving_back(p: NetworkPieces, phase: int) -> list[tuple[int, Arrival]]:
    """The arrivals, with their places, to which a phase has what comes back."""
    return [(k, arrival) for k, arrival in enumerate(p.arrivals) if arrival.level == p.last - phase]


def come_back(p: NetworkPieces, phase: int, body: Block) -> list[str]:
    """Write down what comes back to the arrivals of a phase."""
    lines = ["meet()"]
    for k, _ in arriving_back(p, phase):
        lines += [f"d_{k} = {body.lanes(p.code.step_back.arrived[k])}", p.keep("came", _came(p, k), f"d_{k}")]
    return [*lines, "meet()"]


def at_once_back(p: NetworkPieces, phase: int) -> list[str]:
    """What that is to the signals of the stage for which they waited."""
    return [f"t_{p.waits[a.label]} = {_at_once(p, k, a)}" for k, a in arriving_back(p, phase) if a.label in p.waits]


def moved_back(p: NetworkPieces, body: Block) -> list[str]:
    """The gradients of the states before the step, as far as the step itself has them, and of what it read."""
    code, body.lines = p.code, []
    timed = zip(code.timed, code.step_back.timed, strict=True)
    body.lines += [write(f"each_{k} + t * lanes + lane", body.lanes(node)) for k, (_, node) in enumerate(timed)]
    return body.add("p", code.step_back.parts).move("g", code.step_back.states).lines


def end_back(p: NetworkPieces) -> list[str]:
    """The gradients of what was before the run, and of its start."""
    late = [link for link, kind in enumerate(p.links) if kind.is_delayed]
    starts = (write(f"g_x0_{k} + lane", f"g_{k}") for k in p.states)
    return [*(line for link in late for line in _before(p, link)), *starts]


def _came(p: NetworkPieces, k: int) -> str:
    """Where what came back to an arrival in step t begins."""
    return f"(t * {len(p.arrivals)} + {k}) * row_size"


def _at_once(p: NetworkPieces, k: int, arrival: Arrival) -> str:
    """What comes back to what was sent in the step, or stage, in which it arrived."""
    form = p.links[arrival.link].form
    if form == TOTAL:
        return f"everywhere(came, {_came(p, k)}, here)" if p.is_split else f"altogether(d_{k}, exists)"
    return f"{SUMS.get(form, 'within')}(came, {_came(p, k)}, {p.table(arrival, '_back')})"


def _late(p: NetworkPieces, k: int, now: str, far: str, steps: str) -> str:
    """What comes back to what was sent in some steps."""
    rows = f"({k} * row_size, {len(p.arrivals)} * row_size, {now}, horizon)"
    return f"late_back(came, {rows}, {p.table(p.arrivals[k], '_back' + far)}, {steps})"


def sent_back(p: NetworkPieces) -> list[str]:
    """The adjoint of what is sent as step t begins, after which gradients may be cut."""
    code, lines = p.code, _known_ahead(p)
    for f, (link, channel, _) in enumerate(code.step.sends):
        terms = ["zero"]
        for k, arrival in enumerate(p.arrivals):
            if (arrival.link, arrival.channel) != (link, channel):
                continue
            if p.links[link].is_delayed:
                terms.append(f"tl.sum({_late(p, k, 't', '', '1')}, 0)")
                terms.append(read(f"came + {p.ahead('ahead_back', k)} + cell"))
            elif arrival.level == 0:
                terms.append(_at_once(p, k, arrival))
        lines.append(f"f_{f} = {' + '.join(terms)}")
    back, first = code.sends_back, len(code.step_back.parts) + len(code.rows_back.parts)
    body = Block(code, code.x | code.q | code.sent_back, "e").compute(code.in_step(back.nodes))
    body.add("g", ([(node, 1)] for node in back.states)).add("p", back.parts, first)
    cut = within("if (t % horizon == 0) & (t > 0):", (f"g_{k} = zero" for k in p.states))
    return [*lines, *body.lines, *_tails(p), *cut]


def _known_ahead(p: NetworkPieces) -> list[str]:
    """What comes back after long delays, to what was sent in as many steps."""
    late = [k for k, arrival in enumerate(p.arrivals) if p.links[arrival.link].is_delayed]
    lines = [p.keep_ahead("came", "ahead_back", k, _late(p, k, "t - t % AHEAD", "_far", "AHEAD")) for k in late]
    return within("if (t % AHEAD == AHEAD - 1) | (t == steps - 1):", [*lines, "meet()"]) if lines else []


def _tails(p: NetworkPieces) -> list[str]:
    """Gradients of the last signals of the run."""
    lines = []
    for k, place in enumerate(sources(p.code.step)):
        p.ask(p.sizes, f"tail_{k}_rows")
        value = read(f"g_tail_{k} + (t - steps + tail_{k}_rows) * lanes + lane")
        of = output_back(p, value, "w") if place == len(p.states) else [f"g_{place} += {value}"]
        lines += within(f"if g_tail_{k} is not None:", within(f"if t >= steps - tail_{k}_rows:", of))
    return lines


def _before(p: NetworkPieces, link: int) -> list[str]:
    """The gradient of what was sent before the run, of some rows at once."""
    p.ask(p.tensors, f"g_before_{link}")
    p.ask(p.sizes, f"reach_{link}")
    lines, channels = ["r = first + tl.arange(0, AHEAD)[:, None, None]"], p.channels(link)
    for c in range(channels):
        mine = [k for k, arrival in enumerate(p.arrivals) if arrival.link == link and p.place(arrival) == c]
        terms = [_late(p, k, f"first - reach_{link}", far, "AHEAD") for k in mine for far in ("", "_far")]
        where = f"g_before_{link} + ((r * count + simulation[None]) * {channels} + {c}) * nodes + node[None]"
        lines.append(write(where, " + ".join(terms), f"live[None] & (r < reach_{link})"))
    loop = within(f"for first in range(0, reach_{link}, AHEAD):", lines)
    return within(f"if g_before_{link} is not None:", loop)
