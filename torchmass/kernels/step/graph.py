"""Graph: a flat list of scalar operations, with constants folded and common subexpressions merged."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from torchmass.kernels.step.operations import OPERATIONS

Node = int  # the place of an operation in the list


@dataclass(frozen=True)
class Instruction:
    """One operation: its name and what it takes; a `const` holds its value, an `input` its label."""

    name: str
    args: tuple[Node, ...] = ()
    value: float = math.nan
    label: str = ""


@dataclass
class Graph:
    """Operations in an order in which each takes only earlier ones."""

    instructions: list[Instruction] = field(default_factory=list)
    _known: dict[tuple[object, ...], Node] = field(default_factory=dict)

    def copy(self) -> "Graph":
        """The same list, to which more can be added than to this one."""
        return Graph(list(self.instructions), dict(self._known))

    def constant(self, value: float) -> Node:
        """A number."""
        key = ("const", value, math.copysign(1.0, value))  # 0 and −0 differ
        return self._once(key, Instruction("const", value=float(value)))

    def input(self, label: str) -> Node:
        """A value that the kernel reads, by name."""
        return self._once(("input", label), Instruction("input", label=label))

    def apply(self, name: str, *args: Node) -> Node:
        """An operation on earlier nodes; a constant or an earlier node where it is one already."""
        values = [self.instructions[arg].value for arg in args if self.instructions[arg].name == "const"]
        operation = OPERATIONS[name]
        if name == "where" and self.instructions[args[0]].name == "const":
            return args[1] if self.instructions[args[0]].value else args[2]
        if name == "where" and args[1] == args[2]:
            return args[1]
        if len(values) == len(args) and operation.fold is not None:
            return self.constant(float(operation.fold(*values)))
        same = self._identity(name, args)
        return self._once((name, *args), Instruction(name, args)) if same is None else same

    def _identity(self, name: str, args: Sequence[Node]) -> Node | None:
        """The node that x·1, x/1, x+0 or x−0 is; x·0 is left alone: it may hide a NaN."""
        if name not in ("mul", "div", "add", "sub"):
            return None
        neutral = 1.0 if name in ("mul", "div") else 0.0
        if self.instructions[args[1]].value == neutral:
            return args[0]
        if name in ("mul", "add") and self.instructions[args[0]].value == neutral:
            return args[1]
        return None

    def _once(self, key: tuple[object, ...], instruction: Instruction) -> Node:
        if key not in self._known:
            self._known[key] = len(self.instructions)
            self.instructions.append(instruction)
        return self._known[key]

    def needed(self, outputs: Sequence[Node]) -> list[Node]:
        """The nodes that the outputs depend on, in order."""
        wanted = set(outputs)
        for node in range(len(self.instructions) - 1, -1, -1):
            if node in wanted:
                wanted.update(self.instructions[node].args)
        return sorted(wanted)

    def depends(self, sources: Sequence[Node], except_by: Collection[Node] = ()) -> set[Node]:
        """The nodes that depend on any of the sources, these included, by another way than through `except_by`."""
        reached = set(sources)
        for node, instruction in enumerate(self.instructions):
            if reached.intersection(instruction.args) and node not in except_by:
                reached.add(node)
        return reached
