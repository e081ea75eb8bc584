"""The tracer: maths written for tensors, run once on scalars that write down what is done to them."""

import traceback
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from torchmass import exprel
from torchmass.integrators import pull_back
from torchmass.kernels.step.graph import Graph, Node
from torchmass.kernels.step.operations import OPERATIONS


class TraceError(ValueError):
    """The maths does something a kernel cannot: an unknown operation, or a branch on a value."""

    def located(self) -> "TraceError":
        """The same error with the line of the model that it came from."""
        frames = [frame for frame in traceback.extract_tb(self.__traceback__) if not _is_ours(frame.filename)]
        if not frames:
            return self
        line = f" ({frames[-1].line})" if frames[-1].line else ""
        return TraceError(f"{str(self).rstrip('.')}, in {frames[-1].filename}:{frames[-1].lineno}{line}.")


def _is_ours(file: str) -> bool:
    """Whether a file is of torch, of the tracer or of what calls it, and not of a model."""
    path, kernels = Path(file), Path(__file__).parents[1]
    ours = ("dynamics", "drives", "links", "integrators", "exprel", "columns", "mixture")
    helpers = {kernels.parent / f"{name}.py" for name in ours}
    return kernels in path.parents or path in helpers or Path(torch.__file__).parent in path.parents


def _binary(name: str) -> Callable[[Any, Any], Any]:
    return lambda a, b: apply(name, a, b)


def _flipped(name: str) -> Callable[[Any, Any], Any]:
    return lambda a, b: apply(name, b, a)


def _unary(name: str) -> Callable[[Any], Any]:
    return lambda a: apply(name, a)


class Scalar:
    """A number that is not known yet; arithmetic and torch functions on it become instructions of its graph."""

    shape = torch.Size()

    def __init__(self, graph: Graph, node: Node) -> None:
        self.graph, self.node = graph, node

    def __bool__(self) -> bool:
        raise TraceError("it branches on a value: use torch.where instead of if, and, or, min or max.")

    def __float__(self) -> float:
        raise TraceError("it takes a value out of the graph: use torch functions instead of math or float().")

    def __getitem__(self, index: Any) -> Any:
        raise TraceError("it indexes a value, which in a kernel is that of one node.")

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        rule, name = RULES.get(func), getattr(func, "__name__", func)
        if rule is None:
            raise TraceError(f"it uses {name}, which kernels do not know.")
        if func is pull_back:
            return rule(*args, **(kwargs or {}))
        try:
            return rule(*args, **(kwargs or {}))
        except TypeError as error:
            raise TraceError(f"it uses {name} with arguments that kernels do not know.") from error

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        function = getattr(torch, name, None)
        if function not in RULES:
            raise TraceError(f"it uses .{name} of a tensor, which kernels do not know.")
        return lambda *args, **kwargs: type(self).__torch_function__(function, (), (self, *args), kwargs)

    __add__, __radd__ = _binary("add"), _flipped("add")
    __sub__, __rsub__ = _binary("sub"), _flipped("sub")
    __mul__, __rmul__ = _binary("mul"), _flipped("mul")
    __truediv__, __rtruediv__ = _binary("div"), _flipped("div")
    __mod__, __rmod__ = _binary("remainder"), _flipped("remainder")
    __pow__, __rpow__ = lambda a, b: _power(a, b), lambda a, b: _power(b, a)
    __lt__, __le__, __gt__, __ge__ = _binary("lt"), _binary("le"), _binary("gt"), _binary("ge")
    __eq__, __ne__, __hash__ = _binary("eq"), _binary("ne"), object.__hash__
    __and__, __or__, __invert__ = _binary("and"), _binary("or"), _unary("not")
    __neg__, __abs__ = _unary("neg"), _unary("abs")


def _lift(graph: Graph, value: Any) -> Scalar:
    if isinstance(value, Scalar):
        return value
    if isinstance(value, torch.Tensor) and value.ndim == 0 and not value.requires_grad:
        value = value.item()
    if isinstance(value, (bool, int, float)):
        return Scalar(graph, graph.constant(float(value)))
    raise TraceError(f"it combines a state, input or parameter with a {type(value).__name__}.")


def read(graph: Graph, label: str) -> Any:
    """The value that a kernel reads under this name."""
    return Scalar(graph, graph.input(label))


def apply(name: str, *args: Any) -> Any:
    """The instruction `name` on scalars and numbers."""
    graph = next(arg.graph for arg in args if isinstance(arg, Scalar))
    return Scalar(graph, graph.apply(name, *(_lift(graph, arg).node for arg in args)))


def _power(a: Any, b: Any) -> Any:
    """Small whole powers are products, as torch computes them."""
    exponent = b.graph.instructions[b.node].value if isinstance(b, Scalar) else float(b)
    if exponent in (0.0, 1.0, 2.0, 3.0) and isinstance(a, Scalar):
        return {0: lambda: _lift(a.graph, 1.0), 1: lambda: a, 2: lambda: a * a, 3: lambda: a * a * a}[int(exponent)]()
    if exponent == 0.5:
        return apply("sqrt", a)
    return 1 / (a * a) if exponent == -2.0 else 1 / a if exponent == -1.0 else apply("pow", a, b)


def _add(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    return apply("add", a, b * alpha)


def _sub(a: Any, b: Any, *, alpha: Any = 1) -> Any:
    return apply("sub", a, b * alpha)


def _clamp(x: Any, min: Any = None, max: Any = None) -> Scalar:  # torch's own names
    low, high = float("-inf") if min is None else min, float("inf") if max is None else max
    return apply("clamp", x, low, high)


def _softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    return apply("softplus", x * beta) / beta


def _vjp(
    field: Callable[..., Sequence[Any]], *x: Any, held: Sequence[Any]
) -> tuple[tuple[Any, ...], Callable[..., tuple[Any, ...]]]:
    slope = tuple(field(*x))
    constant = {value.node for value in held if isinstance(value, Scalar)} - {value.node for value in x}
    return slope, lambda cotangents: backward(slope, cotangents, x, constant)


RULES: dict[Any, Callable[..., Any]] = {
    torch.add: _add,
    torch.sub: _sub,
    torch.pow: _power,
    torch.square: lambda x: x * x,
    torch.reciprocal: lambda x: 1 / x,
    torch.clamp: _clamp,
    torch.nn.functional.softplus: _softplus,
    torch.ones_like: lambda x: _lift(x.graph, 1.0),
    torch.zeros_like: lambda x: _lift(x.graph, 0.0),
    pull_back: _vjp,
}
NAMED_OTHERWISE = {"and": "logical_and", "or": "logical_or", "not": "logical_not"}
for _name in OPERATIONS:
    for _module in (torch, torch.special, exprel):
        _function = getattr(_module, NAMED_OTHERWISE.get(_name, _name), None)
        if _function is not None:
            RULES.setdefault(_function, partial(apply, _name))


def backward(
    outputs: Sequence[Scalar], cotangents: Sequence[Any], sources: Sequence[Scalar], constant: Collection[Node] = ()
) -> tuple[Scalar, ...]:
    """The gradient of Σ cotangent · output with respect to each source, by reverse mode over the list.

    What goes through `constant` does not count.
    """
    graph = sources[0].graph
    reached = graph.depends([source.node for source in sources], constant)
    gradients: dict[Node, Any] = {}
    for output, cotangent in zip(outputs, cotangents, strict=True):
        held = gradients.get(output.node)
        gradients[output.node] = cotangent if held is None else held + cotangent
    stop = {source.node for source in sources}
    for node in sorted(graph.needed([output.node for output in outputs]), reverse=True):
        if node in gradients and node in reached and node not in stop:
            _spread(graph, node, gradients, reached)
    return tuple(_lift(graph, gradients.get(source.node, 0.0)) for source in sources)


def _spread(graph: Graph, node: Node, gradients: dict[Node, Any], reached: set[Node]) -> None:
    instruction = graph.instructions[node]
    derivative = OPERATIONS[instruction.name].derivative
    if derivative is None:
        return
    args = [Scalar(graph, arg) for arg in instruction.args]
    for arg, gradient in zip(args, derivative(gradients[node], Scalar(graph, node), *args), strict=True):
        if gradient is not None and arg.node in reached:
            held = gradients.get(arg.node)
            gradients[arg.node] = gradient if held is None else held + gradient
