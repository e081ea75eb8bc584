"""Fewer operations for the same maths: sums of multiples of a few values, with what is constant in time taken together.

In a step nearly everything but the nonlinear functions is a linear combination whose coefficients do not change: slopes
times dt, weights of stages, gains. Here every value that moves is written as Σ coefficient · atom + offset, where an
atom is something nonlinear, something read or something that is used more than once, and a coefficient is computed once
in a run. Values then differ from eager's by rounding alone. One thing is never done: a coefficient is not added to 1,
where it would lose digits in every step in the same way.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from torchmass.kernels.step.form import Form, Forms
from torchmass.kernels.step.graph import Graph, Node

LINEAR = {"add", "sub", "neg", "mul", "div"}
LOG2_E = 1.4426950408889634
MOST = 1e5  # as far from 0 as a whole part goes: a float can still be added to it within its low digits


class Linear:
    """A graph rebuilt for some roots, where `moving` are the nodes that change in time."""

    def __init__(self, old: Graph, roots: Sequence[Node], moving: set[Node]) -> None:
        self.old, self.moving, self.new = old, moving, Forms()
        self.graph = self.new.graph
        needed = old.needed(roots)
        uses = Counter(roots)
        for node in needed:
            uses.update(set(old.instructions[node].args))
        self.shared = {node for node, count in uses.items() if count > 1}
        self.forms: dict[Node, Form] = {}
        self.nodes: dict[Node, Node] = {}  # old to new, of what has been computed
        for node in needed:
            self._rebuild(node)

    def __call__(self, nodes: Iterable[Node]) -> tuple[Node, ...]:
        """The new nodes of some old ones, which are needed for the roots."""
        return tuple(self._value(node) for node in nodes)

    def terms(self, node: Node) -> list[tuple[Node, Node]]:
        """The atoms of an old node that moves, each with its coefficient; of one that is always 0, none."""
        if node not in self.moving:
            return []
        form = self.forms[node]
        return [*form.scaled.items(), *((atom, self.graph.constant(float(sign))) for atom, sign in form.plain.items())]

    def _rebuild(self, node: Node) -> None:
        instruction, graph = self.old.instructions[node], self.graph
        name, args = instruction.name, instruction.args
        if name in ("const", "input"):
            new = graph.constant(instruction.value) if name == "const" else graph.input(instruction.label)
        elif node not in self.moving:
            new = graph.apply(name, *(self._value(arg) for arg in args))
        elif self._is_linear(name, args):
            form = self._combined(name, args)
            self.forms[node] = self.new.factored(form) if node in self.shared else form
            return
        elif name == "mul":
            self.forms[node] = self._product(*args)
            return
        else:
            new = self._sigmoid2(args[0]) if name == "sigmoid" else None
            new = self.new.moving(name, *(self._value(arg) for arg in args)) if new is None else new
        self.nodes[node] = new
        if node in self.moving:
            self.forms[node] = Form(plain={new: 1})

    def _is_linear(self, name: str, args: Sequence[Node]) -> bool:
        static = [arg not in self.moving for arg in args]
        return name in LINEAR and (name in ("add", "sub", "neg") or (any(static) if name == "mul" else static[1]))

    def _combined(self, name: str, args: Sequence[Node]) -> Form:
        """The form of a linear operation."""
        if name in ("add", "sub"):
            return self.new.plus(self._form(args[0]), self._form(args[1]), 1 if name == "add" else -1)
        if name == "neg":
            return self.new.plus(Form(), self._form(args[0]), -1)
        first, second = args if args[1] not in self.moving else args[::-1]
        factor = self._value(second)
        if name == "div":
            factor = self.graph.apply("div", self.graph.constant(1.0), factor)
        return self.new.times(self._form(first), factor)

    def _form(self, node: Node) -> Form:
        """The form of an argument: its value alone where that is used more than once, and has to be added up."""
        if node not in self.moving:
            return Form(offset=self._value(node))
        form = self.forms[node]
        return Form(plain={self._value(node): 1}) if node in self.shared and form.size > 1 else form

    def _sigmoid2(self, node: Node) -> Node | None:
        """The sigmoid of a sum of multiples: the coefficients take the log₂e by which it begins.

        The whole part of the offset stays apart, so that it costs no digits of what moves.
        """
        form, constant = self.forms[node], self.graph.constant
        if node in self.nodes or form.plain or not form.scaled:
            return None
        form, whole = self.new.times(form, constant(-LOG2_E)), constant(0.0)
        if form.offset is not None:
            nearest = self.graph.apply("floor", self.graph.apply("add", form.offset, constant(0.5)))
            whole = self.graph.apply("clamp", nearest, constant(-MOST), constant(MOST))
            form.offset = self.graph.apply("sub", form.offset, whole)
        return self.new.moving("sigmoid2", whole, self.new.value(form))

    def _product(self, a: Node, b: Node) -> Form:
        """Of two values that move: coefficients come out of it."""
        (left, factor), (right, other) = self._single(a), self._single(b)
        form = Form(plain={self.new.moving("mul", left, right): 1})
        for coefficient in (factor, other):
            form = form if coefficient is None else self.new.times(form, coefficient)
        return form

    def _single(self, node: Node) -> tuple[Node, Node | None]:
        """An atom and its coefficient, if that is all there is; else the value."""
        form = self.new.factored(self.forms[node])
        if form.size == 1 and form.scaled and node not in self.nodes:
            return next(iter(form.scaled.items()))
        return self._value(node), None

    def _value(self, node: Node) -> Node:
        if node not in self.nodes:
            self.nodes[node] = self.new.value(self.forms[node])
        return self.nodes[node]
