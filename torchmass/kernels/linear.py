"""Fewer operations for the same maths: sums of multiples of a few values, with what is constant in time taken together.

In a step nearly everything but the nonlinear functions is a linear combination whose coefficients do not change: slopes
times dt, weights of stages, gains. Here every value that moves is written as Σ coefficient · atom + offset, where an
atom is something nonlinear, something read or something that is used more than once, and a coefficient is computed once
in a run. Values then differ from eager's by rounding alone. One thing is never done: a coefficient is not added to 1,
where it would lose digits in every step in the same way.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from torchmass.kernels.graph import Graph, Node

LINEAR = {"add", "sub", "neg", "mul", "div"}


@dataclass
class Form:
    """Σ coefficient · atom + Σ ± atom + offset, in nodes; coefficients and offset are constant in time."""

    scaled: dict[Node, Node] = field(default_factory=dict)
    plain: dict[Node, int] = field(default_factory=dict)  # 1 or −1
    offset: Node | None = None

    @property
    def size(self) -> int:
        """How many things are added."""
        return len(self.scaled) + len(self.plain) + (self.offset is not None)


class Linear:
    """A graph rebuilt for some roots, where `moving` are the nodes that change in time."""

    def __init__(self, old: Graph, roots: Sequence[Node], moving: set[Node]) -> None:
        self.old, self.moving, self.graph = old, moving, Graph()
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

    def _rebuild(self, node: Node) -> None:
        instruction, graph = self.old.instructions[node], self.graph
        name, args = instruction.name, instruction.args
        if name in ("const", "input"):
            new = graph.constant(instruction.value) if name == "const" else graph.input(instruction.label)
        elif node not in self.moving or not self._is_linear(name, args):
            if node in self.moving and name == "mul":
                self.forms[node] = self._product(*args)
                return
            new = graph.apply(name, *(self._value(arg) for arg in args))
        else:
            self.forms[node] = self._combined(name, args)
            return
        self.nodes[node] = new
        if node in self.moving:
            self.forms[node] = Form(plain={new: 1})

    def _is_linear(self, name: str, args: Sequence[Node]) -> bool:
        static = [arg not in self.moving for arg in args]
        return name in LINEAR and (name in ("add", "sub", "neg") or (any(static) if name == "mul" else static[1]))

    def _combined(self, name: str, args: Sequence[Node]) -> Form:
        """The form of a linear operation."""
        if name in ("add", "sub"):
            return self._sum(self._form(args[0]), self._form(args[1]), 1 if name == "add" else -1)
        if name == "neg":
            return self._sum(Form(), self._form(args[0]), -1)
        first, second = args if args[1] not in self.moving else args[::-1]
        factor = self._value(second)
        if name == "div":
            factor = self.graph.apply("div", self.graph.constant(1.0), factor)
        return self._times(self._form(first), factor)

    def _form(self, node: Node) -> Form:
        """The form of an argument: its value alone where that is used more than once, and has to be added up."""
        if node not in self.moving:
            return Form(offset=self._value(node))
        form = self.forms[node]
        return Form(plain={self._value(node): 1}) if node in self.shared and form.size > 1 else form

    def _sum(self, a: Form, b: Form, sign: int) -> Form:
        graph, total = self.graph, Form(dict(a.scaled), dict(a.plain), a.offset)
        for atom, coefficient in b.scaled.items():
            self._add(total, atom, coefficient if sign > 0 else graph.apply("neg", coefficient))
        for atom, plain in b.plain.items():
            if atom in total.plain:  # x + x, and x − x, which may hide a NaN
                self._add(total, atom, graph.constant(float(sign * plain)))
            else:
                total.plain[atom] = sign * plain
        if b.offset is not None and total.offset is not None:
            total.offset = graph.apply("add" if sign > 0 else "sub", total.offset, b.offset)
        elif b.offset is not None:
            total.offset = b.offset if sign > 0 else graph.apply("neg", b.offset)
        return total

    def _add(self, total: Form, atom: Node, coefficient: Node) -> None:
        held = total.scaled.get(atom)
        total.scaled[atom] = coefficient if held is None else self.graph.apply("add", held, coefficient)

    def _times(self, form: Form, factor: Node) -> Form:
        graph, total = self.graph, Form()
        for atom, coefficient in form.scaled.items():
            self._add(total, atom, graph.apply("mul", coefficient, factor))
        for atom, plain in form.plain.items():
            self._add(total, atom, factor if plain > 0 else graph.apply("neg", factor))
        if form.offset is not None:
            total.offset = graph.apply("mul", form.offset, factor)
        return total

    def _product(self, a: Node, b: Node) -> Form:
        """Of two values that move: coefficients come out of it."""
        (left, factor), (right, other) = self._single(a), self._single(b)
        atom = self.graph.apply("mul", left, right)
        factors = [coefficient for coefficient in (factor, other) if coefficient is not None]
        form = Form(plain={atom: 1})
        for coefficient in factors:
            form = self._times(form, coefficient)
        return form

    def _single(self, node: Node) -> tuple[Node, Node | None]:
        """An atom and its coefficient, if that is all there is; else the value."""
        form = self.forms[node]
        if form.size == 1 and form.scaled and node not in self.nodes:
            return next(iter(form.scaled.items()))
        return self._value(node), None

    def _value(self, node: Node) -> Node:
        """The value itself, added up: what is largest, and comes with no coefficient, last."""
        if node in self.nodes:
            return self.nodes[node]
        graph, form = self.graph, self.forms[node]
        total = form.offset
        for atom, coefficient in sorted(form.scaled.items()):
            term = graph.apply("mul", atom, coefficient)
            total = term if total is None else graph.apply("add", total, term)
        for atom, sign in form.plain.items():
            if total is None:
                total = atom if sign > 0 else graph.apply("neg", atom)
            else:
                total = graph.apply("add" if sign > 0 else "sub", total, atom)
        self.nodes[node] = graph.constant(0.0) if total is None else total
        return self.nodes[node]
