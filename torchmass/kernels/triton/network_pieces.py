"""The parts of Triton kernels of a network: where a program is, and where it finds rows and tables in memory."""

from collections.abc import Iterable, Sequence

from torchmass.kernels.step.exchange import DENSE, SPARSE, Arrival
from torchmass.kernels.step.phases import NetworkPhases
from torchmass.kernels.step.step_code import StepCode
from torchmass.kernels.triton.connections import DELAYED, named
from torchmass.kernels.triton.statements import NUMBERS, Pieces, read, within, write

TABLES = {DENSE: ("weights",), SPARSE: ("other", "weights")}
SUMMING = (
    "from torchmass.kernels.triton.device_sums import "
    "altogether, everywhere, late, late_back, meet, product, sparse, within\n"
)
OPENING = """

@triton.jit(do_not_specialize={plain}, do_not_specialize_on_alignment={pointers})
def {name}({arguments}):
    tile = tl.program_id(0).to(tl.int64)
    memory += tile * size
    nodes = nodes.to({integer})
    node = tl.program_id(1) * NODES + tl.arange(0, NODES)[:, None]
    place = tl.arange(0, LANES)[None, :]
    exists = node < nodes
    count = lanes // nodes
    live = exists & (tile * LANES + place < count)
    node = tl.minimum(node, nodes - 1)
    simulation = tl.minimum(tile * LANES + place, count - 1)
    lane = simulation * nodes + node
    cell = node * LANES + place
    block, inside = lane // BLOCK, lane % BLOCK
    row_size = nodes * LANES
    once = (lanes * 2 & 1) + 1  # 1, as `load` needs it: even numbers end in 0
    here = (node, place, simulation, nodes, count, once)
    zero = tl.full((NODES, LANES), 0.0, T)
    draws = (first_simulation + simulation % simulations).to(tl.uint32) + zero.to(tl.uint32)
    places = node.to(tl.uint32) + zero.to(tl.uint32)
"""


class NetworkPieces(Pieces):
    """The parts of kernels of a network, and what they ask for: tensors, numbers, numbers in memory and in the code.

    Where a network `is_split`, a program has a block of its nodes, and what others need of it is in memory.
    """

    def __init__(self, code: StepCode, dtype: str, *, is_split: bool = False) -> None:
        super().__init__(code, dtype)
        self.is_split = is_split
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
        integer = "tl.int64" if self.is_split else "tl.int32"  # which takes half the registers
        head = OPENING.format(name=name, plain=plain, pointers=pointers, arguments=", ".join(given), integer=integer)
        counts = "".join(f"    {one}_near, {one}_all = tl.load({one}), tl.load({one} + 1)\n" for one in self.counts)
        return head + counts + body

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
        return f"met + ((t if WHOLE else 0) * {len(self.arrivals)} + {k}) * row_size"

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
        return f"states + (({t} if WHOLE else 0) * {len(self.states)} + {k}) * row_size"

    def keep_states(self, t: str) -> list[str]:
        """Keep the states before step `t`."""
        return self.keeping([self.keep("memory", self.state(t, k), f"x_{k}") for k in self.states])

    def keeping(self, lines: list[str]) -> list[str]:
        """What is kept for the adjoint, and for the next launch where there are several."""
        return lines if self.is_split else within("if WHOLE:", lines)

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
