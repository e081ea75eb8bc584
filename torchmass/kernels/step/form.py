"""Form: a value as a linear combination of others, and the operations that add it up."""

from collections import defaultdict
from dataclasses import dataclass, field

from torchmass.kernels.step.graph import Graph, Node
from torchmass.kernels.step.operations import CHEAP, DEAR


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


class Forms:
    """Arithmetic of forms, in a graph that their coefficients and values are written to."""

    def __init__(self) -> None:
        self.graph = Graph()
        self._depth: dict[Node, int] = {}  # of what moves: how long it takes from the start of a step, in additions

    def plus(self, a: Form, b: Form, sign: int) -> Form:
        """a + b, or a − b."""
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

    def times(self, form: Form, factor: Node) -> Form:
        """form · factor, which is constant in time."""
        graph, total = self.graph, Form()
        for atom, coefficient in form.scaled.items():
            self._add(total, atom, graph.apply("mul", coefficient, factor))
        for atom, plain in form.plain.items():
            self._add(total, atom, factor if plain > 0 else graph.apply("neg", factor))
        if form.offset is not None:
            total.offset = graph.apply("mul", form.offset, factor)
        return total

    def _add(self, total: Form, atom: Node, coefficient: Node) -> None:
        held = total.scaled.get(atom)
        total.scaled[atom] = coefficient if held is None else self.graph.apply("add", held, coefficient)

    def factored(self, form: Form) -> Form:
        """The same value as one multiple, where all of it has the same coefficient."""
        groups = self._by_coefficient(form)
        if len(groups) != 1 or form.plain or form.offset is not None:
            return form
        ((coefficient, atoms),) = groups
        return Form(scaled={self._sum(atoms): coefficient})

    def moving(self, name: str, *args: Node) -> Node:
        """An operation on what changes in time."""
        node = self.graph.apply(name, *args)
        after = max(self._depth.get(arg, 0) for arg in args)
        self._depth.setdefault(node, after + (1 if name in CHEAP else DEAR))
        return node

    def value(self, form: Form) -> Node:
        """The value: what is known first is added first, and what is largest, and comes with no coefficient, last."""
        total = form.offset
        products = [(self._sum(atoms), coefficient) for coefficient, atoms in self._by_coefficient(form)]
        for atom, coefficient in sorted(products, key=lambda product: self._depth.get(product[0], 0)):
            term = self.moving("mul", atom, coefficient)
            total = term if total is None else self.moving("add", total, term)
        if total is None and not form.plain:
            return self.graph.constant(0.0)
        return self._sum(list(form.plain.items()), total)

    def _by_coefficient(self, form: Form) -> list[tuple[Node, list[tuple[Node, int]]]]:
        """Atoms, with a sign, by what they are all multiplied by: c a − c b is c (a − b)."""
        groups: dict[Node, list[tuple[Node, int]]] = defaultdict(list)
        for atom, coefficient in sorted(form.scaled.items()):
            base = positive(self.graph, coefficient)
            groups[base].append((atom, 1 if base == coefficient else -1))
        flipped = {base: all(sign < 0 for _, sign in atoms) for base, atoms in groups.items()}
        return [
            (self.graph.apply("neg", base), [(atom, 1) for atom, _ in atoms]) if flipped[base] else (base, atoms)
            for base, atoms in groups.items()
        ]

    def _sum(self, atoms: list[tuple[Node, int]], total: Node | None = None) -> Node:
        for atom, sign in sorted(atoms, key=lambda item: (total is None and item[1] < 0, self._depth.get(item[0], 0))):
            if total is None:
                total = atom if sign > 0 else self.moving("neg", atom)
            else:
                total = self.moving("add" if sign > 0 else "sub", total, atom)
        assert total is not None
        return total


def positive(graph: Graph, coefficient: Node) -> Node:
    """What the coefficient is the negative of, or itself."""
    instruction = graph.instructions[coefficient]
    if instruction.name == "const" and instruction.value < 0:
        return graph.constant(-instruction.value)
    return instruction.args[0] if instruction.name == "neg" else coefficient
