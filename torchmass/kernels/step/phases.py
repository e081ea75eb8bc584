"""Phases: a step cut where it waits for what other nodes send, and its adjoint cut at the same places."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from torchmass.kernels.step.exchange import Arrival
from torchmass.kernels.step.graph import Graph, Node
from torchmass.kernels.step.step_code import StepCode


class Phases:
    """Nodes of a graph by the first phase in which they can be computed, and those that later phases read again.

    `waits` says from which phase on a node is given that is not known from the start; each of `results` is written in
    its phase, which may be later than the one in which it is computed.
    """

    def __init__(
        self,
        graph: Graph,
        moving: set[Node],
        waits: Mapping[Node, int],
        results: Sequence[tuple[Node, int]],
        sums: Iterable[Node] = (),
    ) -> None:
        self.graph = graph
        needed = graph.needed([*(node for node, _ in results), *sums])
        self.nodes = [node for node in needed if node in moving]
        self.constants = [node for node in needed if graph.instructions[node].name == "const"]
        self.phase: dict[Node, int] = {}
        for node in needed:
            args = graph.instructions[node].args
            self.phase[node] = max([waits.get(node, 0), *(self.phase[arg] for arg in args if arg in moving)])
        later = {node: phase for node, phase in results if phase > self.phase[node]}
        for node in self.nodes:
            for arg in graph.instructions[node].args:
                if arg in moving and self.phase[arg] < self.phase[node]:
                    later[arg] = max(later.get(arg, 0), self.phase[node])
        given = {node for node in later if graph.instructions[node].name == "input"}  # is read again where it came from
        self.crossing = sorted(later.keys() - given, key=lambda node: (self.phase[node], node))

    def within(self, phase: int) -> list[Node]:
        """What is computed in a phase, in order."""
        return sorted([*self.constants, *(node for node in self.nodes if self.phase[node] == phase)])

    def kept(self, phase: int) -> list[tuple[int, Node]]:
        """The places and nodes that a phase keeps for later ones."""
        return [(k, node) for k, node in enumerate(self.crossing) if self.phase[node] == phase]

    def read(self, phase: int) -> dict[Node, str]:
        """What a phase finds kept by those before."""
        return {node: f"c[{k}]" for k, node in enumerate(self.crossing) if self.phase[node] < phase}


class NetworkPhases:
    """The phases of a step of a network, forward and back: one more than the stages that wait for others."""

    def __init__(self, code: StepCode) -> None:
        self.code, self.arrivals = code, code.step.arrivals
        self.count = 1 + max((arrival.level for arrival in self.arrivals), default=0)

    @cached_property
    def forward(self) -> Phases:
        """Arrivals of a level are there from the phase of that number on."""
        code, label = self.code, self.code.graph.input
        waits = {label(arrival.label): arrival.level for arrival in self.arrivals}
        results = [(node, self.count - 1) for node in code.after]
        results += [(node, arrival.level - 1) for node, arrival in zip(code.later, self.waiting, strict=True)]
        return Phases(code.graph, code.moving, waits, results)

    @property
    def waiting(self) -> list[Arrival]:
        """The arrivals for which a phase waits."""
        return [arrival for arrival in self.arrivals if arrival.level]

    @cached_property
    def back(self) -> Phases:
        """On the way back all that arrives is known; what waits are the gradients of what was sent for it."""
        code, label, back = self.code, self.code.graph.input, self.code.step_back
        waits = {label(f"t_{k}"): self.count - arrival.level for k, arrival in enumerate(self.waiting)}
        results = [(node, self.count - 1) for node in (*back.states, *back.timed)]
        arrived = zip(back.arrived, self.arrivals, strict=True) if back.arrived else ()
        results += [(node, self.count - 1 - arrival.level) for node, arrival in arrived]
        results += [(node, 0) for node in code.later]
        return Phases(code.graph, code.moving, waits, results, [node for part in back.parts for node, _ in part])
