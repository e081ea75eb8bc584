"""The tangent of a step: forward mode over its graph, as one more step with more states and more to read.

Each direction adds a state for the tangent of every state, and an output for the tangent of every output, so that the
loop that runs a step runs its tangent as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from torchmass.kernels.step.graph import Node
from torchmass.kernels.step.operations import OPERATIONS
from torchmass.kernels.step.step_graph import StepGraph
from torchmass.kernels.step.trace import Scalar, read


def tangent(step: StepGraph, directions: Sequence[str | None]) -> StepGraph:
    """The step with its tangent in each direction, where the leaf of that name moves by 1 and all others stand still.

    The direction "" moves no leaf (only the start may move); with None, every leaf has a tangent, which is read.
    """
    step = replace(step, graph=step.graph.copy())
    states, after, outputs = list(step.states), list(step.after), list(step.outputs)
    constants, inputs = list(step.constants), list(step.inputs)
    for d, moved in enumerate(directions):
        known: dict[Node, Any] = {}
        for name in step.states:
            known[step.graph.input(f"x_{name}")] = read(step.graph, f"x_d{d}_{name}")
        for name in step.leaves:
            known[step.graph.input(name)] = read(step.graph, f"d{d}_{name}") if moved is None else float(name == moved)
        found = push_forward(step, known)
        states += [f"d{d}_{name}" for name in step.states]
        after += found[: len(step.after)]
        outputs += found[len(step.after) :]
        if moved is None:
            constants += [f"d{d}_{name}" for name in step.constants]
            inputs += [f"d{d}_{name}" for name in step.inputs]
    return replace(
        step,
        states=tuple(states),
        constants=tuple(constants),
        inputs=tuple(inputs),
        after=tuple(after),
        outputs=tuple(outputs),
    )


def push_forward(step: StepGraph, known: Mapping[Node, Any]) -> list[Node]:
    """The tangents of the states after the step and of the outputs, where those of what it reads are known."""
    graph, tangents = step.graph, dict(known)
    results = [*step.after, *step.outputs]
    for node in graph.needed(results):
        instruction = graph.instructions[node]
        derivative = OPERATIONS[instruction.name].derivative
        if node in tangents or derivative is None:
            continue
        args, y, total = [Scalar(graph, arg) for arg in instruction.args], Scalar(graph, node), 0.0
        for place, arg in enumerate(instruction.args):
            moving = tangents.get(arg, 0.0)
            share = None if _is_zero(moving) else derivative(_scalar(step, moving), y, *args)[place]
            if share is not None:
                total = share if _is_zero(total) else total + share
        tangents[node] = total
    return [_scalar(step, tangents.get(node, 0.0)).node for node in results]


def _is_zero(value: Any) -> bool:
    return isinstance(value, float) and value == 0.0


def _scalar(step: StepGraph, value: Any) -> Scalar:
    return value if isinstance(value, Scalar) else Scalar(step.graph, step.graph.constant(value))
