"""The step of a plan as a graph: what it reads, what it computes, and its adjoint."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, NamedTuple, Self

from torchmass.bounds import Bounds
from torchmass.drives import Drive
from torchmass.dynamics import Dynamics, step
from torchmass.integrators import SCHEMES
from torchmass.kernels.step.exchange import TOTAL, Arrival, Exchange, LinkKind, TracedLink
from torchmass.kernels.step.graph import Graph, Node
from torchmass.kernels.step.trace import Scalar, TraceError, backward, read

ABSENT, HELD, TIMED = "absent", "held", "timed"  # an input is 0, the same in every step, or not


@dataclass(frozen=True, eq=False)
class StepGraph:
    """One step on scalars: states and leaves (parameters, noise strengths, inputs) to the next states."""

    graph: Graph
    states: tuple[str, ...]
    constants: tuple[str, ...]  # p_<parameter>, s_<source>, t_<source>, u_<input>: do not change in time
    inputs: tuple[str, ...]  # u_<input> that change from step to step
    drives: tuple[int, ...]  # streams of the noise z_<stream>
    after: tuple[Node, ...]
    outputs: tuple[Node, ...]  # of the states and parameters, wherever they are read
    titles: Mapping[str, str]  # what users call each leaf
    links: tuple[LinkKind, ...] = ()
    arrivals: tuple[Arrival, ...] = ()  # what couplings deliver, by level
    sends: tuple[tuple[int, int, Node], ...] = ()  # link, channel and value of what is sent as the step begins
    steady: tuple[tuple[int, int], ...] = ()  # channels that do not change; what they deliver is constant, b<link>_<…>

    @property
    def leaves(self) -> tuple[str, ...]:
        """All that the step reads beside states and noise, constants first."""
        return (*self.constants, *self.inputs)

    @property
    def pairs(self) -> tuple[str, ...]:
        """What links read beside that, not of single nodes: weights, delays and past, or which pairs are connected."""
        own = (
            ("weights",) * link.has_weights
            + ("delays", "history") * link.is_delayed
            + ("connections",) * link.is_sparse
            for link in self.links
        )
        return tuple(name for names in own for name in names)

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
    bounds: tuple[str, ...]
    drives: tuple[tuple[Any, ...], ...]  # the kind of each
    method: str
    driven: tuple[str, ...]  # how each input is driven: ABSENT, HELD or TIMED
    links: tuple[tuple[Any, ...], ...] = ()  # the kind of each
    update: Any = None

    @classmethod
    def of(
        cls,
        dynamics: Dynamics,
        method: str,
        driven: tuple[str, ...] | None = None,
        links: Sequence[LinkKind] = (),
    ) -> Self:
        """The kind of a step of `dynamics` with links of these kinds, by default with inputs that change in time."""
        maths = (dynamics.derivative, dynamics.output, dynamics.States, dynamics.Inputs, type(dynamics.p))
        bounds = tuple(bounds.text for bounds in dynamics.bounds)
        return cls(
            *maths,
            bounds,
            tuple(drive.kind for drive in dynamics.drives),
            method,
            driven or (TIMED,) * len(dynamics.Inputs._fields),
            tuple(map(tuple, links)),
            dynamics.update,
        )


@cache
def trace_step(kind: StepKind) -> StepGraph:
    """Run one step on scalars. Raises `TraceError` where the maths cannot become a kernel."""
    graph = Graph()
    scalar = partial(read, graph)
    exchange = Exchange(graph, kind.States._fields)
    links = [TracedLink(LinkKind(*link), place, exchange) for place, link in enumerate(kind.links)]
    dynamics = _dynamics_on(graph, kind, links)
    ports = {f"u_{name}": how for name, how in zip(kind.Inputs._fields, kind.driven, strict=True)}
    x = tuple(scalar(f"x_{name}") for name in dynamics.names)
    zero = Scalar(graph, graph.constant(0.0))
    u: list[Any] = [zero if how == ABSENT else scalar(name) for name, how in ports.items()]
    z = [scalar(f"z_{drive.draws}") for drive in dynamics.drives]
    try:
        after: Any = step(dynamics, SCHEMES[kind.method], x, u, scalar("dt"), z)
        output: Any = dynamics.output(dynamics.S(*x), dynamics.p)
    except TraceError as error:
        raise error.located() from error
    noise = (name for drive in dynamics.drives for name in drive.labels)
    own, known = (*(f"p_{name}" for name in kind.Params._fields), *noise), _coupled(links, exchange)
    held, timed = (tuple(name for name, how in ports.items() if how == kept) for kept in (HELD, TIMED))
    titles = dict(zip(own, (name for name, _ in replace(dynamics, links=()).parameters()), strict=True))
    titles |= {**known, **{f"u_{name}": f"input {name}" for name in kind.Inputs._fields}}
    return StepGraph(
        graph,
        dynamics.names,
        (*own, *known, *held),
        timed,
        tuple(dict.fromkeys(drive.draws for drive in dynamics.drives)),
        tuple(value.node for value in after),
        (output.node,),
        titles,
        tuple(link.kind for link in links),
        tuple(sorted(exchange.arrivals.values(), key=lambda arrival: arrival.level)),
        tuple(sorted(exchange.sends)),
        tuple(exchange.steady),
    )


def _dynamics_on(graph: Graph, kind: StepKind, links: Sequence[Any]) -> Dynamics:
    """The dynamics with a scalar of the graph for each tensor that it depends on."""
    scalar = partial(read, graph)
    drives: list[Drive] = [drive(*arguments, stream=stream) for drive, stream, *arguments in kind.drives]
    return Dynamics(
        derivative=kind.derivative,
        output=kind.output,
        States=kind.States,
        Inputs=kind.Inputs,
        p=kind.Params(*(scalar(f"p_{name}") for name in kind.Params._fields)),
        bounds=tuple(Bounds(float.fromhex(low), float.fromhex(high)) for low, high in map(str.split, kind.bounds)),
        links=tuple(links),
        drives=tuple(drive.holding(*map(scalar, drive.labels)) for drive in drives),
        update=kind.update,
    )


def _coupled(links: Sequence[TracedLink], exchange: Exchange) -> dict[str, str]:
    """What links read that is constant in time, each with what users call it."""
    known: dict[str, str] = {}
    for place, link in enumerate(links):
        known |= zip(link.labels, link.kind.Params._fields, strict=True)
        known |= {f"w{place}": "weights"} if link.kind.form == TOTAL else {}
        known |= {f"b{k}_{channel}": "weights" for k, channel in exchange.steady if k == place}
    return known
