"""What nodes exchange in one step, as a kernel sees it: what each sends, and the sums that arrive at each stage."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torchmass.kernels.step.graph import Graph, Node
from torchmass.kernels.step.trace import Scalar, read
from torchmass.links import Link

# all alike; at once, all pairs or those that are connected; after delays, some of which are shorter than dt
TOTAL, DENSE, SPARSE, LATE, MIXED = "total", "dense", "sparse", "late", "mixed"


class LinkKind(NamedTuple):
    """All that the maths of a link depends on, in plain values."""

    send: Any
    receive: Any
    Params: Any
    source: tuple[int | None, ...]
    target: tuple[int, ...]
    form: str
    hold: bool
    is_sparse: bool  # whether it has weights and delays of the pairs that are connected alone

    @property
    def has_weights(self) -> bool:
        """Whether each pair of nodes has a weight of its own."""
        return self.form != TOTAL

    @property
    def is_delayed(self) -> bool:
        """Whether it reads the past."""
        return self.form in (LATE, MIXED)

    @classmethod
    def of(cls, link: Link, form: str, is_sparse: bool) -> "LinkKind":
        """The kind of a link whose delays make it one of this form."""
        return cls(link.send, link.receive, type(link.p), link.source, link.target, form, link.hold, is_sparse)


@dataclass(frozen=True)
class Arrival:
    """A weighted sum that the step reads: of which link and channel, and when.

    `level` is 0 where it is known before the step, else the stage whose signals are summed, `sent` in each node.
    `c` is the fraction of the step at which it is read.
    """

    label: str
    link: int
    channel: int
    level: int
    c: float
    sent: Node | None = None


@dataclass
class Exchange:
    """All that the links of a step send and receive, found by tracing them."""

    graph: Graph
    states: Sequence[str]
    arrivals: dict[str, Arrival] = field(default_factory=dict)
    sends: list[tuple[int, int, Node]] = field(default_factory=list)  # link, channel, what is sent as the step begins
    steady: list[tuple[int, int]] = field(default_factory=list)  # links and channels that do not change in time

    def moves(self, node: Node) -> bool:
        """Whether a value depends on the states."""
        return node in self.graph.depends([self.graph.input(f"x_{name}") for name in self.states])


@dataclass
class TracedLink:
    """A link in a trace: called at each stage, as `Link` is."""

    kind: LinkKind
    place: int
    exchange: Exchange
    stages: int = 0

    @property
    def source(self) -> tuple[int | None, ...]:
        """What it reads, of each group of nodes."""
        return self.kind.source

    @property
    def target(self) -> tuple[int, ...]:
        """The inputs it enters."""
        return self.kind.target

    @property
    def hold(self) -> bool:
        """Whether it is evaluated only as a step begins."""
        return self.kind.hold

    @property
    def labels(self) -> tuple[str, ...]:
        """Its parameters, as kernels name them."""
        return tuple(f"l{self.place}_{name}" for name in self.kind.Params._fields)

    def __call__(self, signal: Any, past: Any, c: float) -> Any:
        """What arrives at a fraction `c` of the step."""
        graph, stage = self.exchange.graph, 0 if self.hold else self.stages
        self.stages += 1
        p = self.kind.Params(*(read(graph, label) for label in self.labels))
        sent = [
            value if isinstance(value, Scalar) else Scalar(graph, graph.constant(float(value)))
            for value in self.kind.send(signal, p)
        ]
        sums = [self._sum(channel, one, stage, c) for channel, one in enumerate(sent)]
        return self.kind.receive(signal, tuple(sums), p)

    def _sum(self, channel: int, sent: Scalar, stage: int, c: float) -> Any:
        graph, found, link = self.exchange.graph, self.exchange, self.place
        if not found.moves(sent.node):
            if (link, channel) not in found.steady:
                found.steady.append((link, channel))
            return read(graph, f"b{link}_{channel}")
        if stage == 0 and (link, channel, sent.node) not in found.sends:
            found.sends.append((link, channel, sent.node))
        level = 0 if self.kind.form == LATE else stage
        label = f"a{link}_{channel}_{level}_{c:g}"
        found.arrivals.setdefault(label, Arrival(label, link, channel, level, c, sent.node if level else None))
        arriving = read(graph, label)
        return read(graph, f"w{link}") * (arriving - sent) if self.kind.form == TOTAL else arriving
