"""Sums: what a gradient adds up in every step, so that it can be made of that at the end of the run."""

from collections import defaultdict
from collections.abc import Sequence

from torchmass.kernels.step.form import positive
from torchmass.kernels.step.graph import Node
from torchmass.kernels.step.linear import Linear


class Sums:
    """The sums over time of some values, of which only the totals matter.

    A value is Σ coefficient · atom, and coefficients do not change in time: so atoms are added up, and multiplied at
    the end. Those that occur everywhere with the same coefficient, up to a sign, are added to one sum.
    """

    def __init__(self, linear: Linear, values: Sequence[Node], first: int = 0) -> None:
        graph = linear.graph
        uses: dict[Node, list[tuple[int, Node]]] = defaultdict(list)
        for k, node in enumerate(values):
            for atom, coefficient in linear.terms(node):
                uses[atom].append((k, coefficient))
        parts: dict[tuple[tuple[int, Node], ...], list[tuple[Node, int]]] = defaultdict(list)
        for atom, found in uses.items():
            sign = 1 if positive(graph, found[0][1]) == found[0][1] else -1
            how = tuple((k, c if sign > 0 else graph.apply("neg", c)) for k, c in found)
            parts[how].append((atom, sign))
        self.parts = tuple(tuple(atoms) for atoms in parts.values())  # each sum: atoms, with 1 or −1
        self.totals = [graph.constant(0.0)] * len(values)
        for place, how in enumerate(parts, first):
            for k, coefficient in how:
                term = graph.apply("mul", coefficient, graph.input(f"sum_{place}"))
                self.totals[k] = graph.apply("add", self.totals[k], term)
