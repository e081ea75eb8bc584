"""The step of a plan as a graph: what it reads, what it computes, and its adjoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, NamedTuple, Self

from torchmass.bounds import Bounds
from torchmass.drives import Drive
from torchmass.dynamics import Dynamics, step
from torchmass.integrators import INTEGRATORS
from torchmass.kernels.graph import Graph, Node
from torchmass.kernels.trace import Scalar, TraceError, backward, read

ABSENT, HELD, TIMED = "absent", "held", "timed"  # an input is 0, the same in every step, or not


@dataclass(frozen=True, eq=False)
class StepGraph:
    """One step on scalars: states and leaves (parameters, noise strengths, inputs) to the next states."""

    graph: Graph
    states: tuple[str, ...]
    constants: tuple[str, ...]  # p_<parameter>, s_<source>, t_<source>, u_<input>: do not change in time
    inputs: tuple[str, ...]  # u_<input> that change from step to step
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
        return self.gradients(self.after, [f"g_{name}" for name in self.states], [*map(self.graph.input, wanted)])

    def gradients(
        self, outputs: Sequence[Node], given: Sequence[str], sources: Sequence[Node]
    ) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """The gradients of the states, and of the sources, from those of the outputs, which have the names given."""
        states = [self.graph.input(f"x_{name}") for name in self.states]
        found = self.pulled_back(outputs, given, [*states, *sources])
        return found[: len(states)], found[len(states) :]

    def pulled_back(self, outputs: Sequence[Node], given: Sequence[str], sources: Sequence[Node]) -> tuple[Node, ...]:
        """The gradients of the sources from those of the outputs."""
        ends, starts = ([Scalar(self.graph, node) for node in nodes] for nodes in (outputs, sources))
        return tuple(gradient.node for gradient in backward(ends, [read(self.graph, name) for name in given], starts))

    def on(self, graph: Graph) -> "StepGraph":
        """The same step on a copy of its graph."""
        return replace(self, graph=graph)


class StepKind(NamedTuple):
    """All that the maths of a step depends on, in plain values: never sizes, tensors, dt or seeds."""

    derivative: Any
    output: Any
    States: Any
    Inputs: Any
    Params: Any
    bounds: tuple[tuple[float, float], ...]
    drives: tuple[tuple[Any, ...], ...]  # the kind of each
    method: str
    driven: tuple[str, ...]  # how each input is driven: ABSENT, HELD or TIMED

    @classmethod
    def of(cls, dynamics: Dynamics, method: str, driven: tuple[str, ...] | None = None) -> Self:
        """The kind of a step of `dynamics`, by default with inputs that change in time. Raises `TraceError`."""
        if dynamics.links:
            raise TraceError("it is coupled, and coupled networks are not fused yet.")
        maths = (dynamics.derivative, dynamics.output, dynamics.States, dynamics.Inputs, type(dynamics.p))
        bounds = tuple((bounds.low, bounds.high) for bounds in dynamics.bounds)
        return cls(
            *maths,
            bounds,
            tuple(drive.kind for drive in dynamics.drives),
            method,
            driven or (TIMED,) * len(dynamics.Inputs._fields),
        )


@cache
def trace_step(kind: StepKind) -> StepGraph:
    """Run one step on scalars. Raises `TraceError` where the maths cannot become a kernel."""
    graph = Graph()
    scalar = partial(read, graph)
    parameters = [f"p_{name}" for name in kind.Params._fields]
    ports = {f"u_{name}": how for name, how in zip(kind.Inputs._fields, kind.driven, strict=True)}
    drives: list[Drive] = [drive(*arguments) for drive, *arguments in kind.drives]
    noise, sources = [name for drive in drives for name in drive.labels], [drive.source for drive in drives]
    dynamics = Dynamics(
        derivative=kind.derivative,
        output=kind.output,
        States=kind.States,
        Inputs=kind.Inputs,
        p=kind.Params(*map(scalar, parameters)),
        bounds=tuple(Bounds(*limits) for limits in kind.bounds),
        drives=tuple(drive.holding(*map(scalar, drive.labels)) for drive in drives),
    )
    x = tuple(scalar(f"x_{name}") for name in dynamics.names)
    u: list[Any] = [
        Scalar(graph, graph.constant(0.0)) if how == ABSENT else scalar(name) for name, how in ports.items()
    ]
    z = [scalar(f"z_{source}") for source in sources]
    try:
        after: Any = step(dynamics, INTEGRATORS[kind.method], x, u, scalar("dt"), z)
        output: Any = dynamics.output(dynamics.S(*x), dynamics.p)
    except TraceError as error:
        raise error.located() from error
    nodes, own = tuple(value.node for value in after), (*parameters, *noise)
    held, timed = (tuple(name for name, how in ports.items() if how == kept) for kept in (HELD, TIMED))
    titles = dict(zip(own, (name for name, _ in dynamics.parameters()), strict=True))
    titles |= {f"u_{name}": f"input {name}" for name in kind.Inputs._fields}
    return StepGraph(graph, dynamics.names, (*own, *held), timed, tuple(sources), nodes, (output.node,), titles)
