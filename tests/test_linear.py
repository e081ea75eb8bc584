"""Rebuilding a step as linear combinations: the same values with fewer operations, and no digit lost in every step."""

import math

import pytest
import torch
from conftest import MODELS

import torchmass as tm
from torchmass import exprel
from torchmass.kernels.step.graph import Graph
from torchmass.kernels.step.linear import Linear
from torchmass.kernels.step.operations import OPERATIONS
from torchmass.kernels.step.step_code import StepCode
from torchmass.kernels.step.step_graph import HELD, StepKind, trace_step

PYTHON = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "neg": torch.neg, "pow": torch.pow}
PYTHON |= {"and": torch.logical_and, "or": torch.logical_or, "not": torch.logical_not}
PYTHON |= {name: getattr(exprel, name) for name in OPERATIONS if "exprel" in name}
PYTHON["sigmoid2"] = lambda n, y: torch.sigmoid(-math.log(2) * (n + y))


def evaluate(graph, nodes, values):
    """The nodes, with `values` for what is read."""
    found = {}
    for node in graph.needed(nodes):
        instruction = graph.instructions[node]
        if instruction.name == "const":
            found[node] = torch.tensor(instruction.value)
        elif instruction.name == "input":
            found[node] = values[instruction.label]
        else:
            rule = PYTHON.get(instruction.name) or getattr(torch, instruction.name)
            found[node] = rule(*(found[arg] for arg in instruction.args))
    return [found[node] for node in nodes]


def moving(graph, step):
    return graph.depends([graph.input(name) for name in (*(f"x_{name}" for name in step.states), *step.inputs)])


@pytest.mark.parametrize(
    ("cls", "method"),
    [(cls, method) for cls in MODELS for method in cls.methods if method != "midpoint"],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_the_values_are_the_same(cls, method):
    step = trace_step(StepKind.of(cls(1).dynamics(), method))
    values = {instruction.label: 0.1 + torch.rand(()) for instruction in step.graph.instructions if instruction.label}
    values["dt"] = values["dt"] / 100  # the stages stay where the equations are defined
    linear = Linear(step.graph, step.after, moving(step.graph, step))
    expected, found = evaluate(step.graph, step.after, values), evaluate(linear.graph, linear(step.after), values)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


def test_a_step_of_jansen_rit_needs_a_fifth_fewer_operations():
    dynamics = tm.JansenRitStep(1).dynamics()
    step = trace_step(StepKind.of(dynamics, "heun", (HELD,) * len(dynamics.Inputs._fields)))
    code, before = StepCode(step, None), moving(step.graph, step)
    count = lambda graph, nodes, moves: sum(
        graph.instructions[node].name != "input" for node in graph.needed(nodes) if node in moves
    )
    assert count(code.graph, code.after, code.moving) < 0.8 * count(step.graph, step.after, before)


def test_a_coefficient_is_never_added_to_one():
    """x + dt γ x keeps x apart: 1 + dt γ would round dt γ in the same way in every step."""
    graph = Graph()
    x, rate = graph.input("x_x"), graph.input("p_gamma")
    moved = graph.apply("add", x, graph.apply("mul", rate, x))
    linear = Linear(graph, [moved], graph.depends([x]))
    (new,) = linear([moved])
    assert linear.graph.instructions[new].name == "add"
    assert linear.graph.input("x_x") in linear.graph.instructions[new].args


def test_the_error_of_a_slow_decay_does_not_grow_with_the_steps():
    """In float32 a rounded 1 + dt γ would be off by 10⁻⁴ after 10,000 steps."""
    torch.set_default_dtype(torch.float32)
    gamma, steps = -1e-4, 10_000
    run = tm.Simulator(tm.LinearStep(1, gamma=gamma, init_x=1.0), dt=1.0, backend="fused").run(float(steps))
    exact = (1 + gamma + gamma**2 / 2) ** steps
    assert abs(float(run["x"][-1, 0]) / exact - 1) < 2e-5


def test_only_operations_that_the_emitter_knows_come_out():
    step = trace_step(StepKind.of(tm.JansenRitStep(1).dynamics(), "rk4"))
    code = StepCode(step, step.constants)
    assert {instruction.name for instruction in code.graph.instructions} <= set(OPERATIONS)
