"""What Triton kernels are made of: statements of a step, which lanes a program has, and what it reads at each step.

A program owns a block of lanes and a thread one of them, so that states, constants and normals stay in its registers
over all of time. A value is computed where it changes, as in C++.
"""

import math
from collections.abc import Iterable, Sequence

from torchmass.kernels.step.graph import Node
from torchmass.kernels.step.operations import BOOLEAN, OPERATIONS
from torchmass.kernels.step.step_code import StepCode

NUMBERS = (
    *("lanes", "nodes", "simulations", "steps", "first_step", "first_simulation", "every", "interval", "horizon"),
    *("kept", "row", "due", "cut", "seed"),
)  # the first row that is met, the step that ends with it, and the first that begins with a cut of the gradient
BLOCK = 128  # lanes of a program of single nodes
TILE = 16  # steps that are computed again from a kept state, and whose gradients are added up in the number type
AT = "leaf_{0} + simulation * leaf_{0}_simulation + node * leaf_{0}_node"
HEAD = '''"""Generated: the loop of {states}."""

import triton
import triton.language as tl

from torchmass.kernels.triton import device as tm

T = tl.constexpr(tl.{dtype})
TILE = tl.constexpr({tile})
BLOCK = tl.constexpr({block})
'''
OPENING = """

@triton.jit(do_not_specialize={plain}, do_not_specialize_on_alignment={pointers})
def {name}({arguments}):
    block = tl.program_id(0).to(tl.int64)
    lane = block * BLOCK + tl.arange(0, BLOCK)
    live = lane < lanes
    lane = tl.minimum(lane, lanes - 1)  # past the end the last lane again, so that no value depends on its place
    inside = lane - block * BLOCK
    simulation = lane // nodes
    node = lane % nodes
    draws = (first_simulation + simulation % simulations).to(tl.uint32)
    places = node.to(tl.uint32)
    zero = tl.full((BLOCK,), 0.0, T)
    once = (lanes * 2 & 1) + 1  # 1, as `load` needs it: even numbers end in 0
"""


class Block:
    """Some statements: the nodes that they compute, given what they can read; `prefix` and its number name a node."""

    def __init__(self, code: StepCode, given: dict[Node, str], prefix: str, number: str = "T") -> None:
        self.graph, self.moving, self.prefix, self.number = code.graph, code.moving, prefix, number
        self.lines: list[str] = []
        self.called = {node: plain(name) for node, name in given.items()}

    def compute(self, nodes: Iterable[Node]) -> "Block":
        """Write a statement for each of the nodes, in order, that is neither given nor a constant."""
        for node in nodes:
            instruction = self.graph.instructions[node]
            if instruction.name != "const" and node not in self.called:
                value = OPERATIONS[instruction.name].triton.format(*map(self.name, instruction.args))
                self.called[node] = f"{self.prefix}{node}"
                self.lines.append(f"{self.prefix}{node} = {value}")
        return self

    def move(self, target: str, nodes: Sequence[Node]) -> "Block":
        """Set `target_k` to the nodes; the last of them is read before the first is set."""
        self.lines += [f"{target}{k} = {self.lanes(node)}" for k, node in enumerate(nodes)]
        self.lines += [f"{target}_{k} = {target}{k}" for k in range(len(nodes))]
        return self

    def add(self, target: str, parts: Iterable[Sequence[tuple[Node, int]]], first: int = 0) -> "Block":
        """Add the nodes of each part, with their signs, to its `target_k`."""
        for k, part in enumerate(parts, first):
            self.lines += [f"{target}_{k} {'+' if sign > 0 else '-'}= {self.name(node)}" for node, sign in part]
        return self

    def lanes(self, node: Node) -> str:
        """A node, with a value for each lane even where it is a number."""
        return self.name(node) if node in self.moving else f"zero + {self.name(node)}"

    def name(self, node: Node) -> str:
        """What a node is called; a number has a type of its own, since Triton takes most for float32."""
        if node in self.called:
            return self.called[node]
        value = self.graph.instructions[node].value
        text = repr(value) if math.isfinite(value) else f'float("{value}")'
        return f"tl.full((), {text}, {self.number})"


def plain(name: str) -> str:
    """The name of a variable for that of a place in C++: x_0 for x[0]."""
    return name.replace("[", "_").replace("]", "").replace(".", "_")


def read(place: str) -> str:
    """What lies at a place in memory."""
    return f"tm.load({place}, once)"


def write(place: str, value: str, live: str = "live") -> str:
    """Write a value there."""
    return f"tm.store({place}, {value}, {live}, once)"


def within(head: str, lines: Iterable[str]) -> list[str]:
    """A compound statement."""
    return [head, *(f"    {line}" for line in lines or ("pass",))]


class Pieces:
    """The parts of kernels of a step, each some lines."""

    def __init__(self, code: StepCode, dtype: str) -> None:
        self.code, self.graph, self.dtype = code, code.graph, dtype
        constants, leaves = code.step.constants, code.step.leaves
        self.states, self.constants = range(len(code.step.states)), range(len(constants))
        self.inputs = range(len(constants), len(leaves))
        self.known = code.given | code.q
        self.exact = {code.graph.input(name): f"leaf{k}" for k, name in enumerate(constants)}
        self.exact |= {code.graph.input("dt"): "step"}

    def module(self, *functions: str) -> str:
        """A module of some kernels."""
        return HEAD.format(states=", ".join(self.code.step.states), dtype=self.dtype, tile=TILE, block=BLOCK) + "".join(
            functions
        )

    def function(self, name: str, arguments: Sequence[str], lines: Iterable[str]) -> str:
        """A kernel that has these arguments beside numbers and leaves."""
        leaves = [f"leaf_{k}" for k in (*self.constants, *self.inputs)]
        strides = [f"{leaf}_{axis}" for leaf in leaves for axis in ("step", "simulation", "node")]
        numbers, pointers = [*NUMBERS, *strides], [*leaves, *arguments]
        given = [*(f'{number}: "i64"' for number in numbers), 'dt: "fp64"', *pointers]
        head = OPENING.format(
            name=name,
            plain=[*numbers, "dt"],
            pointers=pointers,
            arguments=", ".join(given),
        )
        return head + "".join(f"    {line}\n" for line in lines)

    def opening(self) -> list[str]:
        """All that is constant in time, in double, so that it is rounded once; and where the rest is read."""
        code, lines = self.code, [*self.read(), *(f"input_{k} = {AT.format(k)}" for k in self.inputs)]
        body = Block(self.code, self.exact, "f", "tl.float64").compute(self.graph.needed(code.held))
        for node in code.held:
            rounded = "" if self.graph.instructions[node].name in BOOLEAN else ".to(T)"
            body.lines.append(f"{plain(code.q[node])} = {body.name(node)}{rounded}")
        drawn = [f"z_{d}_{word} = zero" for d in range(len(code.step.drives)) for word in range(4)]
        return [*lines, *body.lines, *drawn]

    def read(self) -> list[str]:
        """The leaves that are constant in time, and dt, in double."""
        leaves = [f"leaf{k} = {read(AT.format(k))}.to(tl.float64)" for k in self.constants]
        return [*leaves, "step = tl.full((), dt, tl.float64)"]

    def feed(self, fresh: str) -> list[str]:
        """Inputs and normals of step t; normals are drawn four steps at once, or when they are needed and `fresh`."""
        lines = [f"u_{j} = {read(f'input_{k} + t * leaf_{k}_step')}" for j, k in enumerate(self.inputs)]
        lines += ["now = first_step + t"] if self.code.step.drives else []
        for d, stream in enumerate(self.code.step.drives):
            words = ", ".join(f"z_{d}_{word}" for word in range(4))
            draw = f"{words} = tm.normals(seed, places, draws, (now >> 2).to(tl.uint32), {stream}, T)"
            lines += [*within(f"if {fresh}:", [draw]), f"z_{d} = tm.fourth(now & 3, {words})"]
        return lines

    def step(self) -> list[str]:
        """One step."""
        after = self.code.after
        return Block(self.code, self.known, "v").compute(self.code.in_step(after)).move("x", after).lines

    def store(self, to: str, rows: str, row: str) -> list[str]:
        """Keep all states in a row of this many."""
        return [write(self.kept(to, rows, row, k), f"x_{k}") for k in self.states]

    def load(self, source: str, rows: str, row: str) -> list[str]:
        """Take them from there."""
        return [f"x_{k} = {read(self.kept(source, rows, row, k))}" for k in self.states]

    def kept(self, of: str, rows: str, row: str, k: int) -> str:
        """Where a state is kept: lanes by blocks, so that places differ by numbers that are known to the compiler.

        Those of all states, or of all sums, then take the registers of one.
        """
        return f"{of} + (block * {rows} + {row}) * {len(self.states)} * BLOCK + inside + {k} * BLOCK"

    def part(self, k: int) -> str:
        """Where a sum is."""
        return f"parts + block * {self.code.sums} * BLOCK + inside + {k} * BLOCK"
