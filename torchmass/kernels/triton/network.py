"""Triton from the code of a step of a network: a program takes a tile of simulations, with all nodes, through time.

States stay in registers. What nodes send lies in memory, where others read it (`device_sums`); barriers of the program
lie between. All that is known `AHEAD` steps before, since its delays are longer, is summed for as many steps at once.
"""

from collections.abc import Iterable, Sequence

from torchmass.kernels.step.exchange import DENSE, SPARSE, TOTAL, Arrival
from torchmass.kernels.step.phases import NetworkPhases
from torchmass.kernels.step.step_code import StepCode
from torchmass.kernels.step.step_graph import StepGraph
from torchmass.kernels.triton.connections import DELAYED, named
from torchmass.kernels.triton.single import each, kept_row
from torchmass.kernels.triton.statements import NUMBERS, Block, Pieces, read, within, write

SUMS = {DENSE: "product", SPARSE: "sparse"}
TABLES = {DENSE: ("weights",), SPARSE: ("other", "weights")}
SUMMING = (
    "from torchmass.kernels.triton.device_sums import altogether, late, late_back, meet, product, sparse, within\n"
)
OPENING = """

@triton.jit(do_not_specialize={plain}, do_not_specialize_on_alignment={pointers})
def {name}({arguments}):
    tile = tl.program_id(0).to(tl.int64)
    memory += tile * size
    nodes = nodes.to(tl.int32)
    node = tl.arange(0, NODES)[:, None]
    place = tl.arange(0, LANES)[None, :]
    exists = node < nodes
    count = lanes // nodes
    live = exists & (tile * LANES + place < count)
    node = tl.minimum(node, nodes - 1)
    simulation = tl.minimum(tile * LANES + place, count - 1)
    lane = simulation * nodes + node
    cell = node * LANES + place
    block, inside = lane // BLOCK, lane % BLOCK
    row_size = nodes * LANES  # small numbers have 32 bits, which take half the registers
    here = (node, place, simulation, nodes, count)
    zero = tl.full((NODES, LANES), 0.0, T)
    once = (lanes * 2 & 1) + 1  # 1, as `load` needs it: even numbers end in 0
    draws = (first_simulation + simulation % simulations).to(tl.uint32) + zero.to(tl.uint32)
    places = node.to(tl.uint32) + zero.to(tl.uint32)
"""


def sources(step: StepGraph) -> list[int]:
    """The signals that delayed links read, in the order of `Call.tails`."""
    found = {source for link in step.links if link.is_delayed for source in link.source if source is not None}
    return [len(step.states) if source < 0 else source for source in sorted(found)]


class NetworkPieces(Pieces):
    """The parts of kernels of a network, and what they ask for: tensors, numbers, numbers in memory and in the code."""

    def __init__(self, code: StepCode, dtype: str) -> None:
        super().__init__(code, dtype)
        self.phases = NetworkPhases(code)
        self.arrivals, self.links = code.step.arrivals, code.step.links
        self.last = self.phases.count - 1
        self.waits = {arrival.label: k for k, arrival in enumerate(self.phases.waiting)}
        self.sent = {(link, channel): k for k, (link, channel, _) in enumerate(code.step.sends)}
        self.tensors, self.sizes, self.counts = ["memory"], ["size"], list[str]()
        self.fixed = ["NODES", "LANES", "AHEAD", "FEW", "FEW_FAR", "WHOLE"]

    def ask(self, names: list[str], *wanted: str) -> None:
        """Have these among the arguments."""
        names += [name for name in wanted if name not in names]

    def module(self, *functions: str) -> str:
        """A module of some kernels."""
        return super().module(SUMMING, *functions)

    def function(self, name: str, arguments: Sequence[str], lines: Iterable[str]) -> str:
        """A kernel that has these arguments beside all that was asked for."""
        body = "".join(f"    {line}\n" for line in lines)  # which asks
        leaves = [f"leaf_{k}" for k in (*self.constants, *self.inputs)]
        strides = [f"{leaf}_{axis}" for leaf in leaves for axis in ("step", "simulation", "node")]
        numbers, pointers = [*NUMBERS, *strides, *self.sizes], [*leaves, *arguments, *self.tensors, *self.counts]
        given = [*(f'{number}: "i64"' for number in numbers), 'dt: "fp64"', *pointers]
        given += [f"{name}: tl.constexpr" for name in self.fixed]
        plain = [*numbers, "dt"]
        counts = "".join(f"    {one}_near, {one}_all = tl.load({one}), tl.load({one} + 1)\n" for one in self.counts)
        return OPENING.format(name=name, plain=plain, pointers=pointers, arguments=", ".join(given)) + counts + body

    def place(self, arrival: Arrival) -> int:
        """Where a link's channel is among those that it sends."""
        return self.sent[arrival.link, arrival.channel] - self.first(arrival.link)

    def first(self, link: int) -> int:
        """Where the channels of a link begin among all that is sent."""
        return min(k for (of, _), k in self.sent.items() if of == link)

    def channels(self, link: int) -> int:
        """How many channels of a link change in time."""
        return sum(of == link for of, _ in self.sent)

    # -------------------------------------------------------------------------------------------------- places of rows
    def past(self, link: int, channel: int, t: str = "t") -> str:
        """Where what a link sends in step `t` begins."""
        self.ask(self.sizes, f"past_{link}", f"reach_{link}", f"ring_{link}")
        now = f"(({t} + reach_{link}) & ring_{link})"
        return f"past_{link} + ({now} * {self.channels(link)} + {channel}) * row_size"

    def later(self, k: int) -> str:
        """Where what is sent within step t begins."""
        self.ask(self.sizes, "later")
        return f"later + ((t if WHOLE else 0) * {len(self.waits)} + {k}) * row_size"

    def met(self, k: int) -> str:
        """Where what arrived in step t is kept."""
        self.ask(self.sizes, "met")
        return f"met + (t * {len(self.arrivals)} + {k}) * row_size"

    def ahead(self, base: str, k: int, t: str = "t % AHEAD") -> str:
        """Where sums that are known ahead begin, of one of the steps that are known."""
        self.ask(self.sizes, base)
        return f"{base} + ({t} * {len(self.arrivals)} + {k}) * row_size"

    def keep_ahead(self, of: str, base: str, k: int, values: str) -> str:
        """Write such sums, of all those steps."""
        where = self.ahead(base, k, "tl.arange(0, AHEAD)[:, None, None]")
        return write(f"{of} + {where} + cell[None]", values, "exists[None]")

    def keep(self, of: str, where: str, value: str) -> str:
        """Write a row."""
        return write(f"{of} + {where} + cell", value, "exists")

    def state(self, t: str, k: int) -> str:
        """Where a state before step `t` is kept."""
        self.ask(self.sizes, "states")
        return f"states + ({t} * {len(self.states)} + {k}) * row_size"

    def keep_states(self, t: str) -> list[str]:
        """Keep the states before step `t` for the adjoint."""
        return within("if WHOLE:", (self.keep("memory", self.state(t, k), f"x_{k}") for k in self.states))

    def states_at(self, t: str) -> list[str]:
        """Take them from there."""
        return [f"x_{k} = {read(f'memory + {self.state(t, k)} + cell')}" for k in self.states]

    # ------------------------------------------------------------------------------------------------------------ sums
    def table(self, arrival: Arrival, kind: str) -> str:
        """The last arguments of a sum: of which connections, and how it is taken."""
        link, form, far = arrival.link, self.links[arrival.link].form, kind.endswith("_far")
        name = named(link, None if form in TABLES else arrival.c, kind.removesuffix("_far"))
        parts, terms = [f"{name}_{part}" for part in TABLES.get(form, DELAYED[:-1])], f"{name}_terms"
        self.ask(self.tensors, *parts)
        self.ask(self.sizes if form in TABLES else self.counts, terms)
        self.ask(self.fixed, f"l{link}_EACH")
        between = f"({terms}_near, {terms}_all)" if far else f"(0, {terms}{'' if form in TABLES else '_near'})"
        return f"({', '.join(parts)},), {between}, here, {'FEW_FAR' if far else 'FEW'}, l{link}_EACH"


def forward(p: NetworkPieces) -> str:
    """The time loop."""
    output, code = len(p.states), p.code
    seen = Block(code, code.x | code.q, "o").compute(p.code.in_step(code.outputs)).move("h", code.outputs)
    rows = sum((kept_row(f"out_{k}", f"x_{k}") for k in p.states), kept_row(f"out_{output}", "h_0", seen.lines))
    lines = [
        *p.opening(),
        *(f"x_{k} = {read(f'x0_{k} + lane')}" for k in p.states),
        *(line for link, kind in enumerate(p.links) if kind.is_delayed for line in _before(p, link)),
        "total = zero",
        *within("for t in range(0, steps):", [*_step(p), *within("if t == due:", [*rows, "row += 1", "due += every"])]),
        *(line for k in p.states for line in (f"total += x_{k} * 0", write(f"end_{k} + lane", f"x_{k}"))),
        *p.keep_states("steps"),
        write("broken + lane * 0", "1", "live & (total != total)"),
    ]
    tails = [f"tail_{k}" for k in range(len(sources(p.code.step)))]
    arguments = [*each("x0", p.states), *each("out", range(output + 1)), *each("end", p.states), *tails, "broken"]
    return p.function("forward", arguments, lines)


def _before(p: NetworkPieces, link: int) -> list[str]:
    """The past before the run."""
    p.ask(p.tensors, f"before_{link}")
    p.ask(p.sizes, f"before_{link}_row", f"before_{link}_simulation")
    lines = [f"from_ = before_{link} + r * before_{link}_row + simulation * before_{link}_simulation + node"]
    for c in range(p.channels(link)):
        where = p.past(link, c, f"r - reach_{link}")
        lines.append(p.keep("memory", where, read(f"from_ + {c} * nodes")))
    return within(f"for r in range(0, reach_{link}):", lines)


def _step(p: NetworkPieces) -> list[str]:
    """One step: nodes send, sums arrive, nodes move, once or at every stage."""
    code = p.code
    sends = Block(code, code.x | code.q, "e").compute(code.in_step(code.sends))
    lines = [*p.keep_states("t"), *_tails(p), *sends.lines, "meet()"]
    for k, (link, *_) in enumerate(code.step.sends):
        lines.append(f"e_{k} = {sends.lanes(code.sends[k])}")
        if p.links[link].form != TOTAL:
            lines.append(p.keep("memory", p.past(link, k - p.first(link)), f"e_{k}"))
    lines += ["meet()", *_known_ahead(p), *p.feed("(now & 3 == 0) | (t == 0)")]
    body = Block(code, p.known, "v")
    for phase in range(p.last + 1):
        body.lines = []
        lines += [*_arrive(p, phase), *body.compute(p.phases.forward.within(phase)).lines, *_send_later(p, phase, body)]
    body.lines = []
    return [*lines, *body.move("x", code.after).lines]


def _tails(p: NetworkPieces) -> list[str]:
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


def _known_ahead(p: NetworkPieces) -> list[str]:
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


def _arrive(p: NetworkPieces, phase: int) -> list[str]:
    """The sums of a phase."""
    lines = []
    for k, arrival in enumerate(p.arrivals):
        if arrival.level == phase:
            lines += [f"a_{k} = {_sum(p, k, arrival)}", *within("if WHOLE:", [p.keep("memory", p.met(k), f"a_{k}")])]
    return lines


def _sum(p: NetworkPieces, k: int, arrival: Arrival) -> str:
    form, wait = p.links[arrival.link].form, p.waits.get(arrival.label)
    if form == TOTAL:
        return f"altogether({f'e_{p.sent[arrival.link, arrival.channel]}' if wait is None else f's_{wait}'}, exists)"
    where = p.past(arrival.link, p.place(arrival)) if wait is None else p.later(wait)
    if form in SUMS:
        return f"{SUMS[form]}(memory, {where}, {p.table(arrival, '')})"
    terms = [read(f"memory + {p.ahead('ahead', k)} + cell")]
    terms.append(f"tl.sum(late(memory, {_rows(p, arrival)}, {p.table(arrival, '')}, 1, WHOLE), 0)")
    terms += [] if wait is None else [f"within(memory, {where}, {p.table(arrival, '')})"]
    return " + ".join(terms)


def _send_later(p: NetworkPieces, phase: int, body: Block) -> list[str]:
    """What is sent within the step."""
    if phase == p.last:
        return []
    lines = []
    for k, (node, arrival) in enumerate(zip(p.code.later, p.phases.waiting, strict=True)):
        if arrival.level - 1 == phase:
            lines += [f"s_{k} = {body.lanes(node)}", p.keep("memory", p.later(k), f"s_{k}")]
    return ["meet()", *lines, "meet()"]
