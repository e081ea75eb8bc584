"""C++ from a step graph: a kernel that holds the whole time loop, and one that holds its adjoint.

Lanes are all nodes of all simulations, in blocks of a few vectors. A block runs through all of time before the next
begins, so that its states stay in registers or the nearest cache. A block at the end repeats the last lane, so that
every loop is over whole vectors and no value depends on its place.
"""

import math
from collections.abc import Sequence

from torchmass.kernels.graph import Node
from torchmass.kernels.loops import ADJOINT, FORWARD, HEAD, NORMALS
from torchmass.kernels.operations import BOOLEAN, OPERATIONS
from torchmass.kernels.step_graph import StepGraph


class Block:
    """The C++ of a list of nodes for one lane l; what does not change in time is computed once, into arrays."""

    def __init__(self, step: StepGraph, outputs: Sequence[Node], hoist: bool = True) -> None:
        graph = step.graph
        labels = [f"{kind}_{name}" for kind in "xg" for name in step.states] + [f"z_{source}" for source in step.drives]
        labels += ["h", *(name for name in step.leaves if name.startswith("u_"))]
        moving = graph.depends([graph.input(label) for label in labels])
        names, self.called = _names(step), {}
        self.once: list[str] = []  # statements before the time loop
        self.arrays: list[str] = []
        self.lines: list[str] = []  # statements within it
        for node in graph.needed(outputs):
            instruction = graph.instructions[node]
            if instruction.name == "const":
                self.called[node] = _literal(instruction.value)
            elif instruction.name == "input":
                self.called[node] = names[instruction.label]
            else:
                code = OPERATIONS[instruction.name].code.format(*(self.called[arg] for arg in instruction.args))
                self._write(node, code, instruction.name in BOOLEAN, node in moving or not hoist)

    def _write(self, node: Node, code: str, boolean: bool, moving: bool) -> None:
        kind = "bool" if boolean else "T"
        if moving:
            self.called[node] = f"v{node}"
            self.lines.append(f"const {kind} v{node} = {code};")
        else:
            self.called[node] = f"c{node}[l]"
            self.arrays.append(f"{kind} c{node}[L];")
            self.once.append(f"c{node}[l] = {code};")

    def before_time(self) -> list[str]:
        """The declaration and the computation of what does not change in time."""
        head = [*self.arrays, "#pragma omp simd", "for (int l = 0; l < L; ++l) {"]
        return [*head, *("    " + line for line in self.once), "}"] if self.once else []


def _literal(value: float) -> str:
    if math.isnan(value):
        return "tm::not_a_number<T>"
    if math.isinf(value):
        return "tm::infinity<T>" if value > 0 else "-tm::infinity<T>"
    return f"T({value!r})"


def _prologue(step: StepGraph) -> list[str]:
    """Per block: which node and simulation each place is, and the leaves at their first step."""
    leaves, count = step.leaves, len(step.leaves)
    return [
        "uint32_t node[L], simulation[L];",
        f"int64_t at[{count}][L];",
        f"T {', '.join(f'{name}[L]' for name in leaves)};",
        "for (int l = 0; l < L; ++l) {",
        "    const int64_t lane = b + l < r.lanes ? b + l : r.lanes - 1;",
        "    node[l] = lane % r.nodes, simulation[l] = r.first_simulation + lane / r.nodes;",
        f"    for (int k = 0; k < {count}; ++k)",
        "        at[k][l] = lane / r.nodes * stride[3 * k + 1] + lane % r.nodes * stride[3 * k + 2];",
        *(f"    {name}[l] = leaf[{k}][at[{k}][l]];" for k, name in enumerate(leaves)),
        "}",
        *(f"T z_{source}[4][L]; int64_t block_{source} = -1;" for source in step.drives),
    ]


def _per_step(step: StepGraph) -> list[str]:
    """Per step: the inputs that change in time, and the noise, drawn four steps at once."""
    lines = [
        f"if (stride[{3 * k}]) for (int l = 0; l < L; ++l) {name}[l] = leaf[{k}][t * stride[{3 * k}] + at[{k}][l]];"
        for k, name in enumerate(step.leaves)
        if name.startswith("u_")
    ]
    if step.drives:
        lines.append("const int64_t now = r.first_step + t;")
    for source in step.drives:
        lines += [
            f"if (block_{source} != (now >> 2)) {{",
            f"    block_{source} = now >> 2;",
            f"    normals(z_{source}, node, simulation, block_{source}, {source}u, r.seed);",
            "}",
        ]
    return lines


def _names(step: StepGraph) -> dict[str, str]:
    """What the kernels call the inputs of the graph."""
    names = {f"x_{name}": f"x_{name}[l]" for name in step.states} | {name: f"{name}[l]" for name in step.leaves}
    names |= {f"z_{source}": f"z_{source}[now & 3][l]" for source in step.drives}
    return names | {f"g_{name}": f"g_{name}[l]" for name in step.states} | {"dt": "dt", "h": "h[l]"}


def _fill(template: str, **parts: list[str] | int) -> str:
    """The template with every part in its place, a line each, at the depth of the place."""
    for name, lines in parts.items():
        if isinstance(lines, list):
            mark = "{" + name + "}"
            indent = template[: template.index(mark)].rpartition("\n")[2]
            template = template.replace(mark, ("\n" + indent).join(lines).replace("{", "{{").replace("}", "}}"))
    return template.format(**{name: value for name, value in parts.items() if isinstance(value, int)})


def _each(template: str, names: Sequence[str]) -> list[str]:
    """The template for every name, with its place k."""
    return [template.format(k=k, name=name) for k, name in enumerate(names)]


def forward_source(step: StepGraph) -> str:
    """The function `forward`: states from x0 through all steps; rows recorded, the end, and the path if asked for.

    `out` has a place for each state and one for the model's output; what is null is not kept.
    """
    block, seen, states = Block(step, step.after), Block(step, [step.output], hoist=False), step.states
    moved = [f"x_{name}[l] = {block.called[node]};" for name, node in zip(states, step.after, strict=True)]
    return _fill(
        FORWARD,
        states=len(states),
        declare_states=_each("T x_{name}[L];", states),
        prologue=_prologue(step),
        once=block.before_time(),
        load_start=_each("x_{name}[l] = x0[{k}][lane];", states),
        store_path=_each("here[{k} * r.padded] = x_{name}[l];", states),
        each_step=_per_step(step),
        step=[*block.lines, *moved],
        store_states=_each("if (out[{k}]) put(out[{k}] + here, x_{name}, live);", states),
        output=[*seen.lines, f"h[l] = {seen.called[step.output]};"],
        store_end=_each("end[{k}][b + l] = x_{name}[l];", states),
    )


EACH_STEP = "if (each[{k}]) for (int l = 0; l < live; ++l) each[{k}][here + l] = sum_{name}[l], sum_{name}[l] = 0;"


def _output_adjoint(step: StepGraph, wanted: Sequence[str]) -> list[str]:
    """What the gradient of a recorded output adds to those of the states and leaves."""
    states, leaves = step.output_adjoint(wanted)
    block = Block(step, (*states, *leaves), hoist=False)
    added = [f"g_{name}[l] += {block.called[node]};" for name, node in zip(step.states, states, strict=True)]
    added += [f"sum_{name}[l] += double({block.called[node]});" for name, node in zip(wanted, leaves, strict=True)]
    return [*block.lines, *added]


def adjoint_source(step: StepGraph, wanted: Sequence[str]) -> str:
    """The function `adjoint`: from gradients of the rows and the end back to those of x0 and the leaves wanted.

    Gradients of leaves are summed over time per lane, in double; those of inputs that change in time are per step.
    """
    before, leaves = step.adjoint(wanted)
    block, states = Block(step, (*before, *leaves)), step.states
    found = [f"sum_{n}[l] += double({block.called[node]});" for n, node in zip(wanted, leaves, strict=True)]
    found += [f"g_{name}[l] = {block.called[node]};" for name, node in zip(states, before, strict=True)]
    return _fill(
        ADJOINT,
        states=len(states),
        declare_states=_each("T x_{name}[L] = {{}}, g_{name}[L] = {{}};", states),
        declare_sums=_each("double sum_{name}[L] = {{}};", wanted),
        prologue=_prologue(step),
        once=block.before_time(),
        load_end=_each("x_{name}[l] = end[{k}][b + l];\nif (g_end[{k}]) g_{name}[l] = g_end[{k}][b + l];", states),
        add_rows=_each("if (g_out[{k}]) add(g_{name}, g_out[{k}] + here, live);", states),
        output=_output_adjoint(step, wanted),
        load_path=_each("x_{name}[l] = here[{k} * r.padded];", states),
        each_step=_per_step(step),
        step=[*block.lines, *found],
        store_each=_each(EACH_STEP, wanted),
        store_gradients=_each("g_x0[{k}][b + l] = g_{name}[l];", states)
        + _each("if (!each[{k}]) sums[{k}][b + l] = sum_{name}[l];", wanted),
    )


def source(step: StepGraph, dtype: str, lanes: int, wanted: Sequence[str] | None) -> str:
    """The whole translation unit; with the adjoint for the leaves wanted, unless that is None."""
    parts = [HEAD.format(dtype=dtype, lanes=lanes), NORMALS if step.drives else "", forward_source(step)]
    return "".join([*parts, "" if wanted is None else adjoint_source(step, wanted)])
