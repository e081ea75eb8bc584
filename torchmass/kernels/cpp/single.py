"""C++ from the code of a step: the struct `Step` that the time loops in `include/` run, forward and backward.

A value is computed where it changes: what is constant in time once, into `Fixed`; what moves, in every step. The
backward half of a step takes what it needs of the forward half from a tape.
"""

import math
from collections.abc import Iterable, Sequence

from torchmass.kernels.step.graph import Graph, Node
from torchmass.kernels.step.operations import BOOLEAN, OPERATIONS
from torchmass.kernels.step.step_code import StepCode


class Body:
    """The statements of one C++ function: the nodes it computes, given what it can read."""

    def __init__(self, graph: Graph, given: dict[Node, str], number: str = "V") -> None:
        self.graph, self.called, self.lines, self.number = graph, dict(given), list[str](), number
        self.sums: dict[Node, list[str]] = {}

    def adding(self, target: str, parts: Iterable[Sequence[tuple[Node, int]]], first: int = 0) -> "Body":
        """Have each node, with its sign, added to the place in `target[…]` of its part, as soon as it is computed."""
        for k, part in enumerate(parts, first):
            for node, sign in part:
                if node != self.graph.constant(0.0):
                    self.sums.setdefault(node, []).append(f"{target}[{k}] {'+' if sign > 0 else '-'}=")
        return self

    def compute(self, nodes: Iterable[Node]) -> "Body":
        """Write a statement for each of the nodes, in order, that is neither given nor a constant."""
        for node in nodes:
            instruction = self.graph.instructions[node]
            if instruction.name == "const":
                self.called[node] = self._literal(instruction.value)
            elif node not in self.called:
                code = OPERATIONS[instruction.name].code.format(*(self.called[arg] for arg in instruction.args))
                self.called[node] = f"v{node}"
                self.lines.append(f"const auto v{node} = {code};")
            self.lines += [f"{added} {self.called[node]};" for added in self.sums.get(node, ())]
        return self

    def move(self, target: str, nodes: Sequence[Node]) -> "Body":
        """Write the nodes to `target[…]`; the last of them is read before the first is written."""
        self.lines += [f"const V {target}_{k} = {self.called[node]};" for k, node in enumerate(nodes)]
        self.lines += [f"{target}[{k}] = {target}_{k};" for k in range(len(nodes))]
        return self

    def _literal(self, value: float) -> str:
        plain = "T" if self.number == "V" else self.number
        if math.isnan(value):
            return f"{self.number}(tm::not_a_number<{plain}>)"
        if math.isinf(value):
            return f"{self.number}({'' if value > 0 else '-'}tm::infinity<{plain}>)"
        return f"{self.number}({plain}({value!r}))"

    def function(self, head: str) -> str:
        """The whole function."""
        return f"    TM_INLINE void {head} {{\n" + "".join(f"        {line}\n" for line in self.lines) + "    }\n"


class Functions:
    """The functions of `Step`."""

    def __init__(self, code: StepCode) -> None:
        self.code, self.graph, self.held = code, code.graph, code.given | code.q
        constants = {self.graph.input(name): f"leaf[{k}]" for k, name in enumerate(code.step.constants)}
        self.leaves = constants | {self.graph.input("dt"): "dt"}

    def fix(self) -> str:
        """Everything that is constant in time, in double, so that it is rounded once."""
        body = Body(self.graph, self.leaves, "double").compute(self.graph.needed(self.code.held))
        body.lines += [f"held[{k}] = {body.called[node]};" for k, node in enumerate(self.code.held)]
        return body.function("fix(const double *leaf, double dt, double *held)")

    def forward(self) -> str:
        """One step."""
        body = Body(self.graph, self.held).compute(self.code.in_step(self.code.after))
        return body.move("x", self.code.after).function("step(const Fixed &q, V *x, const V *u, const V *z)")

    def output(self) -> str:
        """What the outputs are in a state."""
        body = Body(self.graph, self.code.x | self.code.q).compute(self.code.in_step(self.code.outputs))
        return body.move("h", self.code.outputs).function("output(const Fixed &q, const V *x, V *h)")

    def record(self) -> str:
        """One step that fills the tape."""
        code = self.code
        body = Body(self.graph, self.held).compute(code.in_step([*code.after, *code.taped]))
        for place, node in enumerate(code.taped):
            value = body.called[node]
            body.lines.append(f"tape[{place}] = {as_number(value) if is_mask(self.graph, node) else value};")
        return body.move("x", code.after).function("record(const Fixed &q, V *x, const V *u, const V *z, V *tape)")

    def backward(self) -> str:
        """The adjoint of a step, from its tape."""
        code = self.code
        read = {
            node: f"(tape[{place}] != V(T(0)))" if is_mask(self.graph, node) else f"tape[{place}]"
            for place, node in enumerate(code.taped)
        }
        nodes, back = code.in_back(code.step_back.nodes, set(read)), code.step_back
        body = Body(self.graph, read | code.back | code.q).adding("sum", back.parts)
        body.adding("sum", ([(node, 1)] for node in back.timed), code.sums).compute(nodes)
        return body.move("g", back.states).function("back(const Fixed &q, const V *tape, V *g, V *sum)")

    def rows(self) -> str:
        """The adjoint of the output, in a state."""
        code = self.code
        given = code.x | code.q | {self.graph.input("h"): "h"}
        body = Body(self.graph, given).adding("g", ([(node, 1)] for node in code.rows_back.states))
        body.adding("sum", code.rows_back.parts, len(code.step_back.parts))
        body.compute(code.in_step(code.rows_back.nodes))
        return body.function("output_back(const Fixed &q, const V *x, V h, V *g, V *sum)")

    def close(self) -> str:
        """The gradients of the leaves from the sums, in double."""
        code, graph = self.code, self.graph
        given = {graph.input(f"sum_{k}"): f"sum[{k}]" for k in range(code.sums)}
        body = Body(graph, self.leaves | given, "double").compute(graph.needed(code.totals))
        body.called |= {graph.input(f"total_{k}"): body.called[node] for k, node in enumerate(code.totals)}
        body.compute(graph.needed(code.closed))
        body.lines += [f"found[{k}] = {body.called[node]};" for k, node in enumerate(code.closed)]
        return body.function("close(const double *leaf, double dt, const double *sum, double *found)")


def is_mask(graph: Graph, node: Node) -> bool:
    return graph.instructions[node].name in BOOLEAN


def as_number(mask: str) -> str:
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
    static constexpr int outputs = {outputs}, width = {width}, tape = {tape}, tile = {tile};
    static constexpr int sums = {sums}, timed = {timed}, wanted = {wanted}, held = {held};
    static constexpr uint32_t sources[] = {{{sources}}};
    struct Fixed {{
{fixed}
        void load(const T (*held)[V::lanes]) {{
{load}        }}
    }};
"""


def head_of(code: StepCode, dtype: str) -> str:
    """All of a translation unit that comes before the functions of a step."""
    step, masks = code.step, {node: is_mask(code.graph, node) for node in code.held}
    return HEAD.format(
        dtype=dtype,
        states=len(step.states),
        leaves=len(step.leaves),
        inputs=len(step.inputs),
        drives=len(step.drives),
        outputs=len(step.outputs),
        width=code.width,
        sums=code.sums,
        timed=len(code.timed),
        wanted=len(code.wanted),
        tape=len(code.taped),
        tile=code.tile,
        sources=", ".join(f"{stream}u" for stream in step.drives) or "0u",
        held=len(code.held),
        fixed="".join(f"        {'M' if masks[node] else 'V'} c{node};\n" for node in code.held),
        load="".join(
            f"            c{node} = V::load(held[{k}]){' != V(T(0))' if masks[node] else ''};\n"
            for k, node in enumerate(code.held)
        ),
    )


def source(code: StepCode, dtype: str) -> str:
    """The whole translation unit: the forward loop, or the adjoint if the code has one."""
    head, functions = head_of(code, dtype), Functions(code)
    forward = [functions.fix(), functions.forward(), functions.output()]
    if not code.has_adjoint:
        return head + "\n".join(forward) + '};\n#include "forward.h"\n'
    adjoint = [functions.record(), functions.backward(), functions.rows(), functions.close()]
    return head + "\n".join([*forward, *adjoint]) + '};\n#include "adjoint.h"\n'
