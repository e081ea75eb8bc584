"""The step of a plan as a graph: what it reads, what it computes, and its adjoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Self

from torchmass.bounds import Bounds
from torchmass.dynamics import Drive, Dynamics, step
from torchmass.integrators import INTEGRATORS
from torchmass.kernels.graph import Graph, Node
from torchmass.kernels.trace import Scalar, TraceError, backward, read


@dataclass(frozen=True, eq=False)
class StepGraph:
    """One step on scalars: states and leaves (parameters, noise strengths, inputs) to the next states."""

    graph: Graph
    states: tuple[str, ...]
    leaves: tuple[str, ...]  # p_<parameter>, s_<source>, u_<input>
    drives: tuple[int, ...]  # sources of the noise z_<source>
    after: tuple[Node, ...]
    output: Node  # of the states and parameters, wherever they are read

    def adjoint(self, wanted: Sequence[str]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """The gradients of the states before the step, and of the leaves wanted, given g_<state> after it."""
        return self._gradients(self.after, [f"g_{name}" for name in self.states], wanted)

    def output_adjoint(self, wanted: Sequence[str]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """The gradients of the states, and of the leaves wanted, that a gradient h of the output gives."""
        return self._gradients([self.output], ["h"], wanted)

    def _gradients(
        self, outputs: Sequence[Node], given: Sequence[str], wanted: Sequence[str]
    ) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        scalar = partial(read, self.graph)
        sources = [scalar(label) for label in (*(f"x_{name}" for name in self.states), *wanted)]
        gradients = backward(
            [Scalar(self.graph, node) for node in outputs], [scalar(label) for label in given], sources
        )
        nodes = tuple(gradient.node for gradient in gradients)
        return nodes[: len(self.states)], nodes[len(self.states) :]


@dataclass(frozen=True)
class StepKind:
    """All that the maths of a step depends on: never sizes, values, dt or seeds."""

    derivative: Any
    output: Any
    S: Any
    U: Any
    P: Any
    bounds: tuple[Bounds, ...]
    drives: tuple[int, ...]
    method: str

    @classmethod
    def of(cls, dynamics: Dynamics, method: str) -> Self:
        """The kind of a step of `dynamics`. Raises `TraceError` for a network."""
        if dynamics.links:
            raise TraceError("it is coupled, and coupled networks are not fused yet.")
        drives = tuple(drive.source for drive in dynamics.drives)
        maths = (dynamics.derivative, dynamics.output, dynamics.S, dynamics.U, type(dynamics.p))
        return cls(*maths, dynamics.bounds, drives, method)


@cache
def trace_step(kind: StepKind) -> StepGraph:
    """Run one step on scalars. Raises `TraceError` where the maths cannot become a kernel."""
    graph = Graph()
    scalar = partial(read, graph)
    states, parameters = kind.S._fields, [f"p_{name}" for name in kind.P._fields]
    strengths, ports = [f"s_{source}" for source in kind.drives], [f"u_{name}" for name in kind.U._fields]
    dynamics = Dynamics(
        derivative=kind.derivative,
        output=kind.output,
        S=kind.S,
        U=kind.U,
        p=kind.P(*map(scalar, parameters)),
        bounds=kind.bounds,
        drives=tuple(Drive(source, scalar(name)) for source, name in zip(kind.drives, strengths, strict=True)),
    )
    x, u = tuple(scalar(f"x_{name}") for name in states), [scalar(name) for name in ports]
    z = [scalar(f"z_{source}") for source in kind.drives]
    after: Any = step(dynamics, INTEGRATORS[kind.method], x, u, scalar("dt"), z)
    output: Any = dynamics.output(kind.S(*x), dynamics.p)
    leaves = (*parameters, *strengths, *ports)
    return StepGraph(graph, states, leaves, kind.drives, tuple(value.node for value in after), output.node)
