"""StepCode: which values of a step are computed once in a run, in every step, on the way back, and at the end."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from torchmass.kernels.step.graph import Graph, Node
from torchmass.kernels.step.linear import Linear
from torchmass.kernels.step.operations import CHEAP, DEAR
from torchmass.kernels.step.step_graph import StepGraph
from torchmass.kernels.step.sums import Sums

TAPE_BYTES = 48 * 1024  # of a tile: it should stay in the nearest caches
WIDTHS = ((60, 5), (200, 2))  # cost of a step, vectors that go through time together: registers are few
BACK_WIDTHS = ((250, 2),)  # the same with the way back
Nodes = tuple[Node, ...]


class Back(NamedTuple):
    """Gradients of the states before a step, what the step adds to each sum, and gradients of what it reads."""

    states: Nodes = ()
    parts: tuple[tuple[tuple[Node, int], ...], ...] = ()  # values, with 1 or −1
    timed: Nodes = ()  # inputs that change in time
    arrived: Nodes = ()  # what couplings deliver

    @property
    def nodes(self) -> list[Node]:
        """All that is to be computed."""
        return [*self.states, *(node for part in self.parts for node, _ in part), *self.timed, *self.arrived]


class Gradients(NamedTuple):
    """Gradients of the states, and of what else they depend on, from those of a step, its outputs and its signals."""

    step: tuple[Nodes, Nodes] = ((), ())
    rows: tuple[Nodes, Nodes] = ((), ())
    sends: tuple[Nodes, Nodes] = ((), ())
    closed: Nodes = ()  # of the leaves, from those of all that is constant in time


class StepCode:
    """A step, and its adjoint for the leaves wanted, as nodes of one graph with as few operations as it can do with.

    What is constant in time and read by what moves is held. The adjoint collects what the gradients of what is held
    (`bases`) are made of, and makes those of the leaves once, at the end of the run (`totals`, `closed`).
    """

    def __init__(self, step: StepGraph, wanted: Sequence[str] | None) -> None:
        self.step, self.has_adjoint = step, wanted is not None
        self.wanted = tuple(name for name in wanted or () if name in step.constants)
        self.timed = tuple(name for name in wanted or () if name in step.inputs)
        graph = step.graph.copy()  # what is added here must not number another's nodes
        moving = graph.depends([graph.input(label) for label in self._moving_labels()])
        leaves = graph.depends([graph.input(name) for name in self.wanted])
        sends = [node for *_, node in step.sends]
        later = [arrival.sent for arrival in step.arrivals if arrival.sent is not None]
        ends = [*step.after, *step.outputs, *sends, *later]
        bases = [node for node in _held(graph, ends, moving) if node in leaves]
        back = self._gradients(graph, bases, sends, later) if self.has_adjoint else Gradients()
        moving = graph.depends([graph.input(label) for label in self._moving_labels()])
        linear = Linear(graph, [*ends, *sum((*back.step, *back.rows, *back.sends), ()), *back.closed], moving)
        self.graph = linear.graph
        self.after, self.outputs, self.closed = linear(step.after), linear(step.outputs), linear(back.closed)
        self.sends, self.later = linear(sends), linear(later)
        self._add_up(linear, back, len(bases))
        self._place()

    def _gradients(self, graph: Graph, bases: list[Node], sends: list[Node], later: list[Node]) -> "Gradients":
        """All that is to be computed on the way back, in a graph that has the step."""
        step = self.step.on(graph)
        read = [*self.timed, *(arrival.label for arrival in step.arrivals)]
        sources = [*bases, *(graph.input(name) for name in read)]
        given = [*(f"g_{name}" for name in step.states), *(f"t_{k}" for k in range(len(later)))]
        totals, wants = [f"total_{k}" for k in range(len(bases))], [graph.input(name) for name in self.wanted]
        return Gradients(
            step.gradients([*step.after, *later], given, sources),
            step.gradients(step.outputs, ["h"], bases),
            step.gradients(sends, [f"f_{k}" for k in range(len(sends))], bases),
            step.pulled_back(bases, totals, wants) if wants else (),
        )

    def _add_up(self, linear: Linear, back: "Gradients", count: int) -> None:
        """What the way back writes, and adds to the gradients of `count` bases."""
        in_steps = Sums(linear, back.step[1][:count])
        in_rows = Sums(linear, back.rows[1], first=len(in_steps.parts))
        in_sends = Sums(linear, back.sends[1], first=len(in_steps.parts) + len(in_rows.parts))
        timed = count + len(self.timed)
        read = linear(back.step[1][count:timed]), linear(back.step[1][timed:])
        self.step_back = Back(linear(back.step[0]), in_steps.parts, *read)
        self.rows_back = Back(linear(back.rows[0]), in_rows.parts)
        self.sends_back = Back(linear(back.sends[0]), in_sends.parts)
        self.totals = in_steps.totals  # of the gradients of the bases
        for others in (in_rows.totals, in_sends.totals):
            both = zip(self.totals, others, strict=True)
            self.totals = [self.graph.apply("add", *totals) for totals in both]

    def _moving_labels(self) -> list[str]:
        step = self.step
        states = [f"{kind}_{name}" for kind in "xg" for name in step.states]
        sent = [*(f"t_{k}" for k in range(len(step.arrivals))), *(f"f_{k}" for k in range(len(step.sends)))]
        arriving = [arrival.label for arrival in step.arrivals]
        return [*states, *step.inputs, *(f"z_{stream}" for stream in step.drives), "h", *arriving, *sent]

    def _place(self) -> None:
        """Where each value is found in the generated code."""
        step, label = self.step, self.graph.input
        self.x = {label(f"x_{name}"): f"x[{k}]" for k, name in enumerate(step.states)}
        self.given = self.x | {label(name): f"u[{k}]" for k, name in enumerate(step.inputs)}
        self.given |= {label(f"z_{stream}"): f"z[{k}]" for k, stream in enumerate(step.drives)}
        self.arriving = {label(arrival.label): f"a[{k}]" for k, arrival in enumerate(step.arrivals)}
        self.given |= self.arriving
        self.back = {label(f"g_{name}"): f"g[{k}]" for k, name in enumerate(step.states)}
        self.back |= {label(f"t_{k}"): f"t[{k}]" for k in range(len(self.later))}
        self.sent_back = {label(f"f_{k}"): f"f[{k}]" for k in range(len(self.sends))}
        self.moving = self.graph.depends([*self.given, *self.back, label("h"), *self.sent_back])
        roots = [*self.after, *self.outputs, *self.sends, *self.later, *self.step_back.nodes, *self.rows_back.nodes]
        roots += self.sends_back.nodes
        self.held = _held(self.graph, roots, self.moving)
        self.q = {node: f"q.c{node}" for node in self.held}
        self.taped = self._taped()

    def _taped(self) -> list[Node]:
        """What the backward half reads of the forward half: the states, and what is dear or computed anyway."""
        backward = self.graph.depends(list(self.back))
        forward = set(self.graph.needed(self.after))
        taken: set[Node] = set()
        for node in reversed(self.graph.needed(self.step_back.nodes)):
            name, args = self.graph.instructions[node].name, self.graph.instructions[node].args
            if node in backward or (node in taken and node not in forward and name in CHEAP):
                taken.discard(node)
                taken.update(arg for arg in args if arg in self.moving and arg not in backward)
        return [*self.x, *sorted(taken - set(self.x))]

    @property
    def sums(self) -> int:
        """How many sums the adjoint keeps."""
        return len(self.step_back.parts) + len(self.rows_back.parts) + len(self.sends_back.parts)

    @property
    def tile(self) -> int:
        """The steps of a tile: as many as keep the tape in cache, a power of two."""
        steps = TAPE_BYTES // (64 * max(1, len(self.taped)))
        return max(8, min(64, 2 ** (steps.bit_length() - 1)))

    @property
    def width(self) -> int:
        """How many vectors go through time together."""
        widths = BACK_WIDTHS if self.has_adjoint else WIDTHS
        return next((width for most, width in widths if self.cost <= most), 1)

    @cached_property
    def cost(self) -> int:
        """What a step costs, backward included, in additions."""
        nodes = self.graph.needed([*self.after, *self.step_back.nodes])
        names = [self.graph.instructions[node].name for node in nodes if node in self.moving]
        return sum(1 if name in CHEAP or name == "input" else DEAR for name in names)

    @property
    def is_dear(self) -> bool:
        """Whether elementary functions take most of the time, so that their instructions should be spread out.

        On the way back they do not: its sums and its tape take more memory operations than a step has arithmetic.
        """
        return self.cost > WIDTHS[0][0] and not self.has_adjoint

    @cached_property
    def operations(self) -> int:
        """How many operations a step is, with its gradient if it has one."""
        nodes = self.graph.needed([*self.after, *self.step_back.nodes])
        return sum(self.graph.instructions[node].name != "input" for node in nodes if node in self.moving)

    def in_step(self, nodes: Sequence[Node]) -> list[Node]:
        """What must be computed in a step for these: what moves, and numbers."""
        return [node for node in self.graph.needed(nodes) if node in self.moving or self._constant(node)]

    def in_back(self, nodes: Sequence[Node], read: set[Node]) -> list[Node]:
        """What is left to compute where the nodes `read` are given."""
        wanted = set(nodes) - read
        for node in reversed(self.graph.needed(nodes)):
            if node in wanted and node in self.moving:
                wanted.update(arg for arg in self.graph.instructions[node].args if arg not in read)
        return sorted(node for node in wanted if node in self.moving or self._constant(node))

    def _constant(self, node: Node) -> bool:
        return self.graph.instructions[node].name == "const"


def _held(graph: Graph, roots: Sequence[Node], moving: set[Node]) -> list[Node]:
    """What is constant in time and read by what moves, or is itself a result."""
    read = {arg for node in graph.needed(roots) if node in moving for arg in graph.instructions[node].args}
    held = sorted((read | set(roots)) - moving)
    return [node for node in held if graph.instructions[node].name != "const"]
