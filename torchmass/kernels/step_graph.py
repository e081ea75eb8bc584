"""The step of a plan as a graph: what it reads, what it computes, and its adjoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple, Self

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
    constants: tuple[str, ...]  # p_<parameter>, s_<source>, t_<source>: do not change in time
    inputs: tuple[str, ...]  # u_<input>: may change from step to step
    drives: tuple[int, ...]  # sources of the noise z_<source>
    after: tuple[Node, ...]
    outputs: tuple[Node, ...]  # of the states and parameters, wherever they are read
    titles: Mapping[str, str]  # what users call each leaf

    @property
    def leaves(self) -> tuple[str, ...]:
        """All that the step reads beside states and noise, constants first."""
        return (*self.constants, *self.inputs)

    def adjoint(self, wanted: Sequence[str]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """The gradients of the states before the step, and of the leaves wanted, given g_<state> after it."""
        return self._gradients(self.after, [f"g_{name}" for name in self.states], wanted)

    def output_adjoint(self, wanted: Sequence[str]) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """The gradients of the states, and of the leaves wanted, that a gradient h of the output gives."""
        return self._gradients(self.outputs, ["h"], wanted)

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


class StepKind(NamedTuple):
    """All that the maths of a step depends on, in plain values: never sizes, tensors, dt or seeds."""

    derivative: Any
    output: Any
    States: Any
    U: Any
    P: Any
    bounds: tuple[tuple[float, float], ...]
    drives: tuple[tuple[Any, ...], ...]  # the kind of each
    method: str

    @classmethod
    def of(cls, dynamics: Dynamics, method: str) -> Self:
        """The kind of a step of `dynamics`. Raises `TraceError` for a network."""
        if dynamics.links:
            raise TraceError("it is coupled, and coupled networks are not fused yet.")
        maths = (dynamics.derivative, dynamics.output, dynamics.States, dynamics.U, type(dynamics.p))
        bounds = tuple((bounds.low, bounds.high) for bounds in dynamics.bounds)
        return cls(*maths, bounds, tuple(drive.kind for drive in dynamics.drives), method)


@cache
def trace_step(kind: StepKind) -> StepGraph:
    """Run one step on scalars. Raises `TraceError` where the maths cannot become a kernel."""
    graph = Graph()
    scalar = partial(read, graph)
    parameters, ports = [f"p_{name}" for name in kind.P._fields], [f"u_{name}" for name in kind.U._fields]
    drives: list[Drive] = [drive(*arguments) for drive, *arguments in kind.drives]
    noise, sources = [name for drive in drives for name in drive.labels], [drive.source for drive in drives]
    dynamics = Dynamics(
        derivative=kind.derivative,
        output=kind.output,
        States=kind.States,
        U=kind.U,
        p=kind.P(*map(scalar, parameters)),
        bounds=tuple(Bounds(*limits) for limits in kind.bounds),
        drives=tuple(drive.holding(*map(scalar, drive.labels)) for drive in drives),
    )
    x, u = tuple(scalar(f"x_{name}") for name in dynamics.names), [scalar(name) for name in ports]
    z = [scalar(f"z_{source}") for source in sources]
    after: Any = step(dynamics, INTEGRATORS[kind.method], x, u, scalar("dt"), z)
    output: Any = dynamics.output(dynamics.S(*x), dynamics.p)
    constants, nodes = (*parameters, *noise), tuple(value.node for value in after)
    titles = dict(zip(constants, (name for name, _ in dynamics.parameters()), strict=True))
    titles |= {f"u_{name}": f"input {name}" for name in kind.U._fields}
    return StepGraph(graph, dynamics.names, constants, tuple(ports), tuple(sources), nodes, (output.node,), titles)
