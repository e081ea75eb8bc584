"""C++ from a step graph: the struct `Step` that the time loops in `include/` run, forward and backward.

A value is computed where it changes: what is constant in time once, into `Fixed`; what moves, in every step. The
backward half of a step takes what it needs of the forward half from a tape.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property

from torchmass.kernels.graph import Graph, Node
from torchmass.kernels.operations import BOOLEAN, CHEAP, OPERATIONS
from torchmass.kernels.step_graph import StepGraph

TAPE_BYTES = 48 * 1024  # of a tile: it should stay in the nearest caches
WIDTHS = ((60, 5), (200, 2))  # cost of a step, vectors that go through time together: there are 32 registers
DEAR = 12  # what an elementary function costs, in additions


class Body:
    """The statements of one C++ function: the nodes it computes, given what it can read."""

    def __init__(self, graph: Graph, given: dict[Node, str]) -> None:
        self.graph, self.called, self.lines = graph, dict(given), list[str]()

    def compute(self, nodes: Iterable[Node]) -> "Body":
        """Write a statement for each of the nodes, in order, that is neither given nor a constant."""
        for node in nodes:
            instruction = self.graph.instructions[node]
            if instruction.name == "const":
                self.called[node] = _literal(instruction.value)
            elif node not in self.called:
                code = OPERATIONS[instruction.name].code.format(*(self.called[arg] for arg in instruction.args))
                self.called[node] = f"v{node}"
                self.lines.append(f"const {_kind(self.graph, node)} v{node} = {code};")
        return self

    def move(self, target: str, nodes: Sequence[Node]) -> "Body":
        """Write the nodes to `target[…]`; the last of them is read before the first is written."""
        self.lines += [f"const V {target}_{k} = {self.called[node]};" for k, node in enumerate(nodes)]
        self.lines += [f"{target}[{k}] = {target}_{k};" for k in range(len(nodes))]
        return self

    def add(self, target: str, nodes: Sequence[Node]) -> "Body":
        """Add each node to its place in `target[…]`."""
        zero = self.graph.constant(0.0)
        self.lines += [f"{target}[{k}] += {self.called[node]};" for k, node in enumerate(nodes) if node != zero]
        return self

    def function(self, head: str) -> str:
        """The whole function."""
        return f"    TM_INLINE void {head} {{\n" + "".join(f"        {line}\n" for line in self.lines) + "    }\n"


def _kind(graph: Graph, node: Node) -> str:
    return "M" if graph.instructions[node].name in BOOLEAN else "V"


def _literal(value: float) -> str:
    if math.isnan(value):
        return "V(tm::not_a_number<T>)"
    if math.isinf(value):
        return f"V({'' if value > 0 else '-'}tm::infinity<T>)"
    return f"V(T({value!r}))"


class StepCode:
    """The functions of `Step`, and which node each of them computes."""

    def __init__(self, step: StepGraph, wanted: Sequence[str] | None) -> None:
        step = replace(step, graph=step.graph.copy())  # what is added here must not number another's nodes
        self.step, self.graph = step, step.graph
        self.has_adjoint, self.wanted = wanted is not None, tuple(wanted or ())
        label = self.graph.input
        self.x = {label(f"x_{name}"): f"x[{k}]" for k, name in enumerate(step.states)}
        self.given = self.x | {label(name): f"u[{k}]" for k, name in enumerate(step.inputs)}
        self.given |= {label(f"z_{source}"): f"z[{k}]" for k, source in enumerate(step.drives)}
        self.back = {label(f"g_{name}"): f"g[{k}]" for k, name in enumerate(step.states)}
        none: tuple[Node, ...] = ()
        self.step_back = (none, none) if wanted is None else step.adjoint(wanted)
        self.rows_back = (none, none) if wanted is None else step.output_adjoint(wanted)
        self.moving = self.graph.depends([*self.given, *self.back, label("h")])
        self.roots = [*step.after, *step.outputs, *sum((*self.step_back, *self.rows_back), none)]
        self.held = self._held()
        self.q = {node: f"q.c{node}" for node in self.held}
        self.taped = self._taped()

    def _held(self) -> list[Node]:
        """What is constant in time and read by what moves, or is itself a result."""
        needed = self.graph.needed(self.roots)
        read = {arg for node in needed if node in self.moving for arg in self.graph.instructions[node].args}
        return [node for node in sorted(read | set(self.roots)) if node not in self.moving and not self._constant(node)]

    def _constant(self, node: Node) -> bool:
        return self.graph.instructions[node].name == "const"

    def _taped(self) -> list[Node]:
        """What the backward half reads of the forward half: the states, and what is dear or computed anyway."""
        backward = self.graph.depends(list(self.back))
        forward = set(self.graph.needed(self.step.after))
        taken: set[Node] = set()
        for node in reversed(self.graph.needed(sum(self.step_back, ()))):
            name, args = self.graph.instructions[node].name, self.graph.instructions[node].args
            if node in backward or (node in taken and node not in forward and name in CHEAP):
                taken.discard(node)
                taken.update(arg for arg in args if arg in self.moving and arg not in backward)
        return [*self.x, *sorted(taken - set(self.x))]

    @property
    def tile(self) -> int:
        """The steps of a tile: as many as keep the tape in cache, a power of two."""
        steps = TAPE_BYTES // (64 * max(1, len(self.taped)))
        return max(8, min(64, 2 ** (steps.bit_length() - 1)))

    @property
    def width(self) -> int:
        """How many vectors go through time together."""
        return next((width for most, width in WIDTHS if self.cost <= most), 1)

    @cached_property
    def cost(self) -> int:
        """What a step costs, backward included, in additions."""
        nodes = self.graph.needed([*self.step.after, *sum(self.step_back, ())])
        names = [self.graph.instructions[node].name for node in nodes if node in self.moving]
        return sum(1 if name in CHEAP or name == "input" else DEAR for name in names)

    def _moving(self, nodes: Sequence[Node]) -> list[Node]:
        return [node for node in self.graph.needed(nodes) if node in self.moving or self._constant(node)]

    def fix(self) -> str:
        """Everything that is constant in time."""
        constants = {self.graph.input(name): f"leaf[{k}]" for k, name in enumerate(self.step.constants)}
        body = Body(self.graph, constants | {self.graph.input("dt"): "dt"})
        body.compute(self.graph.needed(self.held))
        body.lines += [f"q.c{node} = {body.called[node]};" for node in self.held]
        return body.function("fix(Fixed &q, const V *leaf, V dt)")

    def forward(self) -> str:
        """One step."""
        body = Body(self.graph, self.given | self.q).compute(self._moving(self.step.after))
        return body.move("x", self.step.after).function("step(const Fixed &q, V *x, const V *u, const V *z)")

    def output(self) -> str:
        """What the outputs are in a state."""
        body = Body(self.graph, self.x | self.q).compute(self._moving(self.step.outputs))
        return body.move("h", self.step.outputs).function("output(const Fixed &q, const V *x, V *h)")

    def record(self) -> str:
        """One step that fills the tape."""
        body = Body(self.graph, self.given | self.q).compute(self._moving([*self.step.after, *self.taped]))
        for place, node in enumerate(self.taped):
            value = body.called[node]
            body.lines.append(f"tape[{place}] = {value if _kind(self.graph, node) == 'V' else _as_number(value)};")
        head = "record(const Fixed &q, V *x, const V *u, const V *z, V *tape)"
        return body.move("x", self.step.after).function(head)

    def backward(self) -> str:
        """The adjoint of a step, from its tape."""
        read = {
            node: f"tape[{place}]" if _kind(self.graph, node) == "V" else f"(tape[{place}] != V(T(0)))"
            for place, node in enumerate(self.taped)
        }
        before, found = self.step_back
        body = Body(self.graph, read | self.back | self.q).compute(self._moving_back([*before, *found], set(read)))
        return body.add("sum", found).move("g", before).function("back(const Fixed &q, const V *tape, V *g, V *sum)")

    def _moving_back(self, nodes: Sequence[Node], read: set[Node]) -> list[Node]:
        """What is left to compute where the nodes `read` are given."""
        wanted = set(nodes) - read
        for node in reversed(self.graph.needed(nodes)):
            if node in wanted and node in self.moving:
                wanted.update(arg for arg in self.graph.instructions[node].args if arg not in read)
        return sorted(node for node in wanted if node in self.moving or self._constant(node))

    def rows(self) -> str:
        """The adjoint of the output, in a state."""
        states, leaves = self.rows_back
        given = self.x | self.q | {self.graph.input("h"): "h"}
        body = Body(self.graph, given).compute(self._moving([*states, *leaves]))
        head = "output_back(const Fixed &q, const V *x, V h, V *g, V *sum)"
        return body.add("g", states).add("sum", leaves).function(head)


def _as_number(mask: str) -> str:
    return f"tm::select({mask}, V(T(1)), V(T(0)))"


# hidden: a constant of one kernel must not stand for that of another, as the loader has it for inline variables
HEAD = """#include <cstdint>
#pragma GCC visibility push(hidden)
#include "math.h"
using T = {dtype};
using V = tm::Vec<T>;
using M = tm::Mask<T>;

struct Step {{
    static constexpr int states = {states}, leaves = {leaves}, inputs = {inputs}, drives = {drives};
    static constexpr int outputs = {outputs}, width = {width}, wanted = {wanted}, tape = {tape}, tile = {tile};
    static constexpr uint32_t sources[] = {{{sources}}};
    struct Fixed {{
{fixed}    }};
"""


def source(code: StepCode, dtype: str) -> str:
    """The whole translation unit: the forward loop, or the adjoint if the code has one."""
    step = code.step
    head = HEAD.format(
        dtype=dtype,
        states=len(step.states),
        leaves=len(step.leaves),
        inputs=len(step.inputs),
        drives=len(step.drives),
        outputs=len(step.outputs),
        width=code.width,
        wanted=len(code.wanted),
        tape=len(code.taped),
        tile=code.tile,
        sources=", ".join(f"{source}u" for source in step.drives) or "0u",
        fixed="".join(f"        {_kind(step.graph, node)} c{node};\n" for node in code.held),
    )
    forward = [code.fix(), code.forward(), code.output()]
    if not code.has_adjoint:
        return head + "\n".join(forward) + '};\n#include "forward.h"\n'
    return head + "\n".join([*forward, code.record(), code.backward(), code.rows()]) + '};\n#include "adjoint.h"\n'
