"""StepCode: which values of a step are computed once in a run, in every step, on the way back, and at the end."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

from torchmass.kernels.graph import Graph, Node
from torchmass.kernels.linear import Linear
from torchmass.kernels.operations import CHEAP, DEAR
from torchmass.kernels.step_graph import StepGraph
from torchmass.kernels.sums import Sums

TAPE_BYTES = 48 * 1024  # of a tile: it should stay in the nearest caches
WIDTHS = ((60, 5), (200, 2))  # cost of a step, vectors that go through time together: registers are few
BACK_WIDTHS = ((250, 2),)  # the same with the way back
Nodes = tuple[Node, ...]


class Back(NamedTuple):
    """Gradients of the states before a step, what the step adds to each sum, and gradients of timed inputs."""

    states: Nodes = ()
    parts: tuple[tuple[tuple[Node, int], ...], ...] = ()  # values, with 1 or −1
    timed: Nodes = ()

    @property
    def nodes(self) -> list[Node]:
        """All that is to be computed."""
        return [*self.states, *(node for part in self.parts for node, _ in part), *self.timed]


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
        ends = [*step.after, *step.outputs]
        bases = [node for node in _held(graph, ends, moving) if node in leaves]
        none: Nodes = ()
        step_back = rows_back = (none, none)
        closed = none
        if self.has_adjoint:
            sources = [*bases, *(graph.input(name) for name in self.timed)]
            traced = step.on(graph)
            step_back = traced.gradients(step.after, [f"g_{name}" for name in step.states], sources)
            rows_back = traced.gradients(step.outputs, ["h"], sources)
            given, wants = [f"total_{k}" for k in range(len(bases))], [graph.input(name) for name in self.wanted]
            closed = traced.pulled_back(bases, given, wants) if wants else none
        moving = graph.depends([graph.input(label) for label in self._moving_labels()])
        linear = Linear(graph, [*ends, *sum((*step_back, *rows_back), ()), *closed], moving)
        self.graph = linear.graph
        self.after, self.outputs, self.closed = linear(step.after), linear(step.outputs), linear(closed)
        count = len(bases)
        in_steps = Sums(linear, step_back[1][:count])
        in_rows = Sums(linear, rows_back[1][:count], first=len(in_steps.parts))
        self.step_back = Back(linear(step_back[0]), in_steps.parts, linear(step_back[1][count:]))
        self.rows_back = Back(linear(rows_back[0]), in_rows.parts)
        both = zip(in_steps.totals, in_rows.totals, strict=True)
        self.totals = tuple(self.graph.apply("add", *totals) for totals in both)  # of the gradients of the bases
        self._place()

    def _moving_labels(self) -> list[str]:
        step = self.step
        states = [f"{kind}_{name}" for kind in "xg" for name in step.states]
        return [*states, *step.inputs, *(f"z_{source}" for source in step.drives), "h"]

    def _place(self) -> None:
        """Where each value is found in the generated code."""
        step, label = self.step, self.graph.input
        self.x = {label(f"x_{name}"): f"x[{k}]" for k, name in enumerate(step.states)}
        self.given = self.x | {label(name): f"u[{k}]" for k, name in enumerate(step.inputs)}
        self.given |= {label(f"z_{source}"): f"z[{k}]" for k, source in enumerate(step.drives)}
        self.back = {label(f"g_{name}"): f"g[{k}]" for k, name in enumerate(step.states)}
        self.moving = self.graph.depends([*self.given, *self.back, label("h")])
        roots = [*self.after, *self.outputs, *self.step_back.nodes, *self.rows_back.nodes]
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
        return len(self.step_back.parts) + len(self.rows_back.parts)

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

    @property
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
