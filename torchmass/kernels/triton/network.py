"""Triton from the code of a step of a network: a program takes a tile of simulations, with all nodes, through time.

States stay in registers. What nodes send lies in memory, where others read it (`device_sums`); barriers of the program
lie between. All that is known `AHEAD` steps before, since its delays are longer, is summed for as many steps at once.
"""

from torchmass.kernels.step.exchange import DENSE, SPARSE, TOTAL, Arrival
from torchmass.kernels.step.step_graph import StepGraph
from torchmass.kernels.triton.network_pieces import NetworkPieces
from torchmass.kernels.triton.single import each, kept_row
from torchmass.kernels.triton.statements import Block, read, within, write

SUMS = {DENSE: "product", SPARSE: "sparse"}
BROKEN = write("broken + lane * 0", "1", "live & (total != total)")


def sources(step: StepGraph) -> list[int]:
    """The signals that delayed links read, in the order of `Call.tails`."""
    found = {source for link in step.links if link.is_delayed for source in link.source if source is not None}
    return [len(step.states) if source < 0 else source for source in sorted(found)]


def forward(p: NetworkPieces) -> str:
    """The time loop."""
    lines = [
        *start(p),
        "total = zero",
        *within("for t in range(0, steps):", [*_step(p), *record(p)]),
        *end(p),
        *p.keep_states("steps"),
        BROKEN,
    ]
    return p.function("forward", [*each("x0", p.states), *written(p)], lines)


def start(p: NetworkPieces) -> list[str]:
    """What is constant, the states in which the run starts, and the past before it."""
    late = [link for link, kind in enumerate(p.links) if kind.is_delayed]
    states = (f"x_{k} = {read(f'x0_{k} + lane')}" for k in p.states)
    return [*p.opening(), *states, *(line for link in late for line in _before(p, link))]


def written(p: NetworkPieces) -> list[str]:
    """What a run gives: rows, ends, tails, and whether any of it is not finite."""
    tails = each("tail", range(len(sources(p.code.step))))
    return [*each("out", range(len(p.states) + 1)), *each("end", p.states), *tails, "broken"]


def record(p: NetworkPieces) -> list[str]:
    """A row of what is recorded, where it is due."""
    output, code = len(p.states), p.code
    seen = Block(code, code.x | code.q, "o").compute(p.code.in_step(code.outputs)).move("h", code.outputs)
    rows = sum((kept_row(f"out_{k}", f"x_{k}") for k in p.states), kept_row(f"out_{output}", "h_0", seen.lines))
    return within("if t == due:", [*rows, "row += 1", "due += every"])


def end(p: NetworkPieces) -> list[str]:
    """The states in which the run ends."""
    return [line for k in p.states for line in (f"total += x_{k} * 0", write(f"end_{k} + lane", f"x_{k}"))]


def _before(p: NetworkPieces, link: int) -> list[str]:
    """What a link sent before the run."""
    p.ask(p.tensors, f"before_{link}")
    p.ask(p.sizes, f"before_{link}_row", f"before_{link}_simulation")
    lines = [f"from_ = before_{link} + r * before_{link}_row + simulation * before_{link}_simulation + node"]
    for c in range(p.channels(link)):
        where = p.past(link, c, f"r - reach_{link}")
        lines.append(p.keep("memory", where, read(f"from_ + {c} * nodes")))
    return within(f"for r in range(0, reach_{link}):", lines)


def _step(p: NetworkPieces) -> list[str]:
    """One step: nodes send, sums arrive, nodes move, once or at every stage."""
    lines = [*p.keep_states("t"), *tails(p), *send(p, "t"), *known_ahead(p), *p.feed("(now & 3 == 0) | (t == 0)")]
    body = Block(p.code, p.known, "v")
    for phase in range(p.last + 1):
        body.lines = []
        lines += [*arrive(p, phase), *body.compute(p.phases.forward.within(phase)).lines]
        lines += send_later(p, phase, body) if phase < p.last else []
    body.lines = []
    return [*lines, *body.move("x", p.code.after).lines]


def send(p: NetworkPieces, t: str) -> list[str]:
    """What is sent as step `t` begins."""
    code = p.code
    sends = Block(code, code.x | code.q, "e").compute(code.in_step(code.sends))
    lines = [*sends.lines, "meet()"]
    for k, (link, *_) in enumerate(code.step.sends):
        lines.append(f"e_{k} = {sends.lanes(code.sends[k])}")
        if p.is_split or p.links[link].form != TOTAL:
            lines.append(p.keep("memory", p.past(link, k - p.first(link), t), f"e_{k}"))
    return [*lines, "meet()"]


def tails(p: NetworkPieces) -> list[str]:
    """The last signals of this run, of which a next one needs the past."""
    lines = []
    for k, source in enumerate(sources(p.code.step)):
        p.ask(p.sizes, f"tail_{k}_rows")
        shown = Block(p.code, p.code.x | p.code.q, "w").compute(p.code.in_step(p.code.outputs))
        is_output = source == len(p.states)
        value = shown.lanes(p.code.outputs[0]) if is_output else f"x_{source}"
        store = write(f"tail_{k} + (t - steps + tail_{k}_rows) * lanes + lane", value)
        lines += within(f"if t >= steps - tail_{k}_rows:", [*(shown.lines if is_output else []), store])
    return lines


def known_ahead(p: NetworkPieces) -> list[str]:
    """Sums over what is long past, of as many steps."""
    lines = []
    for k, arrival in enumerate(p.arrivals):
        if p.links[arrival.link].is_delayed:
            table = p.table(arrival, "_far")
            sums = f"late(memory, {_rows(p, arrival)}, {table}, AHEAD, WHOLE)"
            lines.append(p.keep_ahead("memory", "ahead", k, sums))
    return within("if t % AHEAD == 0:", [*lines, "meet()"]) if lines else []


def _rows(p: NetworkPieces, arrival: Arrival) -> str:
    """Where a delayed link's rows begin, how far apart they are, which is now, and how they are counted."""
    link = arrival.link
    p.past(link, 0)
    apart = f"{p.channels(link)} * row_size"
    return f"(past_{link} + {p.place(arrival)} * row_size, {apart}, t + reach_{link}, ring_{link})"


def arrive(p: NetworkPieces, phase: int) -> list[str]:
    """The sums of a phase."""
    lines = []
    for k, arrival in enumerate(p.arrivals):
        if arrival.level == phase:
            lines += [f"a_{k} = {_sum(p, k, arrival)}", *p.keeping([p.keep("memory", p.met(k), f"a_{k}")])]
    return lines


def _sum(p: NetworkPieces, k: int, arrival: Arrival) -> str:
    form, wait = p.links[arrival.link].form, p.waits.get(arrival.label)
    if form == TOTAL and not p.is_split:
        return f"altogether({f'e_{p.sent[arrival.link, arrival.channel]}' if wait is None else f's_{wait}'}, exists)"
    where = p.past(arrival.link, p.place(arrival)) if wait is None else p.later(wait)
    if form == TOTAL:
        return f"everywhere(memory, {where}, here)"
    if form in SUMS:
        return f"{SUMS[form]}(memory, {where}, {p.table(arrival, '')})"
    terms = [read(f"memory + {p.ahead('ahead', k)} + cell")]
    terms.append(f"tl.sum(late(memory, {_rows(p, arrival)}, {p.table(arrival, '')}, 1, WHOLE), 0)")
    terms += [] if wait is None else [f"within(memory, {where}, {p.table(arrival, '')})"]
    return " + ".join(terms)


def send_later(p: NetworkPieces, phase: int, body: Block) -> list[str]:
    """What is sent within the step."""
    lines = []
    for k, (node, arrival) in enumerate(zip(p.code.later, p.phases.waiting, strict=True)):
        if arrival.level - 1 == phase:
            lines += [f"s_{k} = {body.lanes(node)}", p.keep("memory", p.later(k), f"s_{k}")]
    return ["meet()", *lines, "meet()"]
