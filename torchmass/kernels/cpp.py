"""C++ from a step graph: a kernel that holds the whole time loop, and one that holds its adjoint.

Lanes are all nodes of all simulations, in blocks of a few vectors. A block runs through all of time before the next
begins, so that its states stay in registers or the nearest cache. A block at the end repeats the last lane, so that
every loop is over whole vectors and no value depends on its place.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

from torchmass.kernels.graph import Graph, Node
from torchmass.kernels.operations import BOOLEAN, OPERATIONS
from torchmass.kernels.step_graph import StepGraph

HEAD = """#include <cstdint>
#include "math.h"
#include "philox.h"
using T = {dtype};
constexpr int L = {lanes};
struct Run {{
    int64_t lanes, padded, nodes, steps, first_step, first_simulation, transient, every;
    uint64_t seed;
    double dt;
}};
static inline int64_t row_of(const Run& r, int64_t t) {{
    return t < r.transient || (t - r.transient) % r.every ? -1 : (t - r.transient) / r.every;
}}
"""


def statements(graph: Graph, outputs: Sequence[Node], names: Mapping[str, str]) -> tuple[list[str], dict[Node, str]]:
    """C++ statements that compute the outputs, and how each node is called."""
    lines, called = [], {}
    for node in graph.needed(outputs):
        instruction = graph.instructions[node]
        if instruction.name == "const":
            called[node] = _literal(instruction.value)
        elif instruction.name == "input":
            called[node] = names[instruction.label]
        else:
            code = OPERATIONS[instruction.name].code.format(*(called[arg] for arg in instruction.args))
            called[node] = f"v{node}"
            lines.append(f"const {'bool' if instruction.name in BOOLEAN else 'T'} v{node} = {code};")
    return lines, called


def _literal(value: float) -> str:
    if math.isnan(value):
        return "tm::not_a_number<T>"
    if math.isinf(value):
        return "tm::infinity<T>" if value > 0 else "-tm::infinity<T>"
    return f"T({value!r})"


def _lines(lines: Iterable[str], depth: int) -> str:
    return "\n".join("    " * depth + line for line in lines)


def _each(template: str, names: Sequence[str], depth: int) -> str:
    """The template for every name, with its place k."""
    return _lines((template.format(k=k, name=name) for k, name in enumerate(names)), depth)


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
    return names | {f"g_{name}": f"g_{name}[l]" for name in step.states} | {"dt": "dt"}


NORMALS = """
static inline void normals(T z[4][L], const uint32_t* node, const uint32_t* simulation, int64_t block, uint32_t source,
                           uint64_t seed) {
    #pragma omp simd
    for (int l = 0; l < L; ++l)
        tm::normals4(z[0][l], z[1][l], z[2][l], z[3][l], node[l], simulation[l], uint32_t(block), source,
                     uint32_t(seed), uint32_t(seed >> 32));
}
"""


def forward_source(step: StepGraph) -> str:
    """The function `forward`: states from x0 through all steps; rows recorded, the end, and the path if asked for."""
    computed, called = statements(step.graph, step.after, _names(step))
    states, count = step.states, len(step.states)
    return f"""
extern "C" void forward(const Run& r, const T* const* leaf, const int64_t* stride, const T* const* x0, T* const* out,
                        T* const* end, T* path) {{
    const T dt = T(r.dt);
    for (int64_t b = 0; b < r.lanes; b += L) {{
        const int live = r.lanes - b < L ? int(r.lanes - b) : L;
        T {", ".join(f"x_{name}[L]" for name in states)};
{_lines(_prologue(step), 2)}
        for (int l = 0; l < L; ++l) {{
            const int64_t lane = b + l < r.lanes ? b + l : r.lanes - 1;
{_each("x_{name}[l] = x0[{k}][lane];", states, 3)}
        }}
        for (int64_t t = 0; t < r.steps; ++t) {{
            if (path) for (int l = 0; l < L; ++l) {{
                T* const here = path + t * {count} * r.padded + b + l;
{_each("here[{k} * r.padded] = x_{name}[l];", states, 4)}
            }}
{_lines(_per_step(step), 3)}
            #pragma omp simd
            for (int l = 0; l < L; ++l) {{
{_lines(computed, 4)}
{_lines((f"x_{name}[l] = {called[node]};" for name, node in zip(states, step.after, strict=True)), 4)}
            }}
            const int64_t row = row_of(r, t);
            if (row >= 0) {{
                const int64_t here = row * r.lanes + b;
{_each("if (out[{k}]) for (int l = 0; l < live; ++l) out[{k}][here + l] = x_{name}[l];", states, 4)}
            }}
        }}
        for (int l = 0; l < live; ++l) {{
{_each("end[{k}][b + l] = x_{name}[l];", states, 3)}
        }}
    }}
}}
"""


EACH_STEP = "if (each[{k}]) for (int l = 0; l < live; ++l) each[{k}][here + l] = sum_{name}[l], sum_{name}[l] = 0;"


def adjoint_source(step: StepGraph, wanted: Sequence[str]) -> str:
    """The function `adjoint`: from gradients of the rows and the end back to those of x0 and the leaves wanted.

    Gradients of leaves are summed over time per lane, in double; those of inputs that change in time are per step.
    """
    before, leaves = step.adjoint(wanted)
    computed, called = statements(step.graph, (*before, *leaves), _names(step))
    states, count = step.states, len(step.states)
    return f"""
extern "C" void adjoint(const Run& r, const T* const* leaf, const int64_t* stride, const T* path, const T* const* g_out,
                        const T* const* g_end, T* const* g_x0, double* const* sums, T* const* each) {{
    const T dt = T(r.dt);
    for (int64_t b = 0; b < r.lanes; b += L) {{
        const int live = r.lanes - b < L ? int(r.lanes - b) : L;
        T {", ".join(f"x_{name}[L], g_{name}[L] = {{}}" for name in states)};
{_each("double sum_{name}[L] = {{}};", wanted, 2)}
{_lines(_prologue(step), 2)}
        for (int l = 0; l < live; ++l) {{
{_each("if (g_end[{k}]) g_{name}[l] = g_end[{k}][b + l];", states, 3)}
        }}
        for (int64_t t = r.steps - 1; t >= 0; --t) {{
            const int64_t row = row_of(r, t);
            if (row >= 0) {{
                const int64_t here = row * r.lanes + b;
{_each("if (g_out[{k}]) for (int l = 0; l < live; ++l) g_{name}[l] += g_out[{k}][here + l];", states, 4)}
            }}
            for (int l = 0; l < L; ++l) {{
                const T* const here = path + t * {count} * r.padded + b + l;
{_each("x_{name}[l] = here[{k} * r.padded];", states, 4)}
            }}
{_lines(_per_step(step), 3)}
            #pragma omp simd
            for (int l = 0; l < L; ++l) {{
{_lines(computed, 4)}
{_lines((f"sum_{n}[l] += double({called[node]});" for n, node in zip(wanted, leaves, strict=True)), 4)}
{_lines((f"g_{name}[l] = {called[node]};" for name, node in zip(states, before, strict=True)), 4)}
            }}
            const int64_t here = t * r.lanes + b;
{_each(EACH_STEP, wanted, 3)}
        }}
        for (int l = 0; l < live; ++l) {{
{_each("g_x0[{k}][b + l] = g_{name}[l];", states, 3)}
{_each("if (!each[{k}]) sums[{k}][b + l] = sum_{name}[l];", wanted, 3)}
        }}
    }}
}}
"""


def source(step: StepGraph, dtype: str, lanes: int, wanted: Sequence[str] | None) -> str:
    """The whole translation unit; with the adjoint for the leaves wanted, unless that is None."""
    parts = [HEAD.format(dtype=dtype, lanes=lanes), NORMALS if step.drives else "", forward_source(step)]
    return "".join([*parts, "" if wanted is None else adjoint_source(step, wanted)])
