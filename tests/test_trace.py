"""The tracer writes down what the maths does, and its reverse mode gives the derivatives of torch."""

import operator

import pytest
import torch
from conftest import MODELS, random_state

import torchmass as tm
from torchmass import exprel
from torchmass.dynamics import step
from torchmass.integrators import SCHEMES
from torchmass.kernels.step.graph import Graph
from torchmass.kernels.step.operations import OPERATIONS
from torchmass.kernels.step.step_graph import StepKind, trace_step
from torchmass.kernels.step.trace import Scalar, TraceError, backward

EXPREL = ["exprel", "exprel_slope", "inverse_exprel", "inverse_exprel_slope"]
MEANING = {  # what each instruction means, in torch
    **{name: getattr(operator, name) for name in ("add", "sub", "mul", "neg", "lt", "le", "gt", "ge", "eq", "ne")},
    **{"div": operator.truediv, "and": operator.and_, "or": operator.or_, "not": torch.logical_not},
    **{name: getattr(torch, name) for name in ("where", "clamp", "minimum", "maximum", "remainder", "atan2", "pow")},
    **{name: getattr(torch, name) for name in ("exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sigmoid")},
    **{name: getattr(torch, name) for name in ("sqrt", "rsqrt", "erf", "erfc", "abs", "sign", "floor")},
    "softplus": torch.nn.functional.softplus,
    **{name: getattr(exprel, name) for name in EXPREL},
}
UNARY = ["neg", "sqrt", "rsqrt", "exp", "expm1", "log", "log1p", "sin", "cos", "tan", "tanh", "sigmoid", "softplus"]
UNARY += ["erf", "erfc", "abs", "sign", "floor", *EXPREL]
BINARY = ["add", "sub", "mul", "div", "pow", "atan2", "remainder", "minimum", "maximum"]


def evaluate(graph, nodes, values):
    """The values of nodes, instruction by instruction."""
    known = {}
    for node in graph.needed(nodes):
        one = graph.instructions[node]
        if one.name in ("const", "input"):
            known[node] = torch.tensor(one.value) if one.name == "const" else values[one.label]
        else:
            known[node] = MEANING[one.name](*(known[arg] for arg in one.args))
    return [known[node] for node in nodes]


def derivatives(f, *values):
    """Value and gradients of f: by the tracer, and by torch."""
    graph = Graph()
    scalars = [Scalar(graph, graph.input(str(i))) for i in range(len(values))]
    out = f(*scalars)
    gradients = backward([out], [1.0], scalars)
    inputs = {str(i): value for i, value in enumerate(values)}
    traced = evaluate(graph, [out.node, *(g.node for g in gradients)], inputs)
    leaves = [value.clone().requires_grad_() for value in values]
    expected = f(*leaves)
    found = torch.autograd.grad(expected.sum(), leaves, allow_unused=True, materialize_grads=True)
    return traced, [expected.detach(), *found]


def assert_same(traced, expected):
    for a, b in zip(traced, expected, strict=True):
        torch.testing.assert_close(a.expand_as(b).to(b.dtype), b, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", UNARY)
def test_a_function_has_the_value_and_derivative_of_torch(name):
    function = torch.nn.functional.softplus if name == "softplus" else MEANING[name]
    x = torch.tensor([0.3, 0.9, 1.7, 2.6] if name in ("sqrt", "rsqrt", "log") else [-0.7, 0.3, 0.9, 1.7, 2.6])
    assert_same(*derivatives(function, x))


@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_has_the_values_and_derivatives_of_torch(name):
    a, b = torch.tensor([0.4, 1.3, 2.2, 1.5]), torch.tensor([1.1, 0.7, 2.2, -0.6])
    assert_same(*derivatives(MEANING[name], a, b))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x**2 + x**3 + x**-1 + x**-2 + x**0.5 + x**1.7 + 2.0**x + x**0 + x**1,
        lambda x: torch.where((x > 1) & ~(x >= 2), x * x, -x) + torch.where((x < 0.5) | (x == 1.5), 3.0, x),
        lambda x: torch.clamp(x, 0.5, 2.0) + torch.clamp(x, min=1.0) * torch.clamp(x, max=1.5),
        lambda x: torch.add(x, x * x, alpha=0.3) - torch.sub(1.0 - x, x, alpha=2) / (3 + x),
        lambda x: torch.square(x) + torch.reciprocal(x) + torch.ones_like(x) * x + torch.zeros_like(x) + abs(-x),
        lambda x: (x * x) * (x * x) + 0.0 * x + x * 1.0 + x / 1.0 - 0.0 + (2 * 3 - x),
        lambda x: torch.nn.functional.softplus(x, beta=2.0) + (x % 0.4),
    ],
)
def test_expressions_have_the_values_and_derivatives_of_torch(f):
    assert_same(*derivatives(f, torch.tensor([0.3, 0.5, 0.9, 1.5, 1.7, 2.6])))


@pytest.mark.parametrize("name", EXPREL)
def test_relative_exponentials_have_their_derivatives_across_zero(name):
    assert_same(*derivatives(MEANING[name], torch.tensor([-20.0, -2.0, -0.5, -1e-5, 0.0, 1e-3, 0.5, 3.0, 20.0])))


def test_every_operation_is_tested():
    tested = {
        *UNARY,
        *BINARY,
        "const",
        "input",
        "where",
        "clamp",
        "lt",
        "le",
        "gt",
        "ge",
        "eq",
        "ne",
        "and",
        "or",
        "not",
        "sigmoid2",  # in test_kernel_math and test_linear: no model asks for it
    }
    assert tested == set(OPERATIONS)


def test_common_subexpressions_are_merged_and_constants_folded():
    graph = Graph()
    x = Scalar(graph, graph.input("x"))
    out = torch.exp(x * 2) + torch.exp(x * (1 + 1)) * 1.0 + 0.0
    names = [graph.instructions[node].name for node in graph.needed([out.node])]
    assert sorted(names) == ["add", "const", "exp", "input", "mul"]


@pytest.mark.parametrize(
    ("cls", "method"),
    [(cls, method) for cls in MODELS for method in cls.methods],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_traced_step_and_its_adjoint_equal_torch(cls, method):
    first, port = next(iter(cls.state_declarations)), next(iter(cls.input_declarations))
    node = cls(1, **{f"noise_{first}": tm.WhiteNoise(0.1), f"noise_{port}": tm.WhiteNoise(0.2)})
    dynamics, dt = node.dynamics(), 0.05
    traced = trace_step(StepKind.of(dynamics, method))
    x, z = (
        tuple(
            random_state(
                cls,
            ).values()
        ),
        torch.randn(2),
    )
    u = [torch.randn(()) for _ in node.inputs]
    g = torch.randn(len(x))
    leaves = [value.clone().requires_grad_() for value in (*x, *dynamics.p, *u)]

    def whole(*values):
        s, p, v = values[: len(x)], values[len(x) : -len(u)], values[-len(u) :]
        return step(tm.dynamics.replace(dynamics, p=cls.Params(*p)), SCHEMES[method], s, v, dt, tuple(z))

    after = whole(*leaves)
    expected = torch.autograd.grad(after, leaves, tuple(g), materialize_grads=True)
    wanted = [label for label in traced.leaves if not label.startswith("sigma_")]
    before, others = traced.adjoint(wanted)
    values = {f"x_{name}": value for name, value in zip(node.states, x, strict=True)} | {"dt": torch.tensor(dt)}
    values |= dict(zip([f"p_{n}" for n in cls.Params._fields], dynamics.p, strict=True))
    values |= dict(zip([f"u_{n}" for n in cls.Inputs._fields], u, strict=True))
    values |= {f"g_{name}": value for name, value in zip(node.states, g, strict=True)}
    for source, drive, normal in zip(traced.drives, dynamics.drives, z, strict=True):
        values |= {f"sigma_{source}": drive.sigma, f"z_{source}": normal}
    found = evaluate(traced.graph, [*traced.after, *before, *others], values)
    assert_same(found, [value.detach() for value in (*after, *expected)])


REFUSED = {
    "a branch on a value": (lambda x: x if x > 0 else -x, "branches on a value"),
    "Python's min": (lambda x: min(x, 1.0), "branches on a value"),
    "a function of math": (lambda x: __import__("math").sin(x), "takes a value out of the graph"),
    "an unknown function": (lambda x: torch.digamma(x), "uses digamma, which kernels do not know"),
    "a whole tensor": (lambda x: x * torch.ones(3), "with a Tensor"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_kernel_cannot_do_is_refused_by_name(case):
    f, message = REFUSED[case]
    graph = Graph()
    with pytest.raises(TraceError, match=message):
        f(Scalar(graph, graph.input("x")))


def test_a_model_may_have_the_letters_of_papers():
    """P, S and U are usual names of parameters, states and inputs."""

    class Lettered(tm.NeuralMass):
        P = tm.Param(1.0, "", "A parameter.")
        S = tm.State(0.5, "", "A state.")
        U = tm.Input("", "An input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return (p.P * s.S + u.U,)

    node = Lettered(P=3.0, init_S=2.0)
    assert float(node.rhs(node.initial_state(), U=4.0)["S"]) == 10
    runs = [tm.Simulator(node, 0.1, backend=backend).run(1.0, inputs=4.0)["S"] for backend in ("fused", "eager")]
    torch.testing.assert_close(*runs, rtol=1e-12, atol=0)
