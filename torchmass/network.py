"""Network: nodes of one or several models, coupled through a connectome."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor, nn
from torch.distributions import Distribution

from torchmass.bounds import Bounds
from torchmass.columns import Columns
from torchmass.coupling import Coupling
from torchmass.couplings import ALIASES, COUPLINGS
from torchmass.datasets import Connectome
from torchmass.declare import Input, State
from torchmass.dynamics import Dynamics
from torchmass.ends import End, sources, targets
from torchmass.groups import Groups
from torchmass.links import OUTPUT
from torchmass.model import NeuralMass
from torchmass.naming import check_called, lookup
from torchmass.owners import Owner, owner
from torchmass.partition import Part
from torchmass.sparse import is_sparse
from torchmass.system import System
from torchmass.values import as_value, check_shape


class Network(System):
    r"""N nodes that reach each other through weights, at once or after delays.

    `conn` is (N, N) or (B, N, N), `[to, from]`: `conn[i, j]` is the weight to node i from node j. Its diagonal is used
    as given. A sparse matrix of torch or scipy connects the pairs that have an entry and no others, also when weights
    are fitted, which are then one number an entry: see `Coupling`. What arrives at once is summed in O(edges), as it is
    wherever few fixed weights are not 0. A number is the weight of every pair of different nodes, summed in O(N).
    `coupling` is a name in `torchmass.couplings.COUPLINGS` or `ALIASES` (`"diffusive"`, `"sine"`, …); it reads
    `coupled_var` of every node (a state, by default the first, or `"output"`, that of the model) and adds to the input
    `target` (default: the model's port). `distance` in mm and `speed` in mm/ms, or `delays` in ms, make what is sent
    arrive later. `conn` may also be a `Connectome`, which brings the names of its regions and, where `speed` is given,
    its distances; or give `labels`, which results carry. Further keywords are parameters of the coupling (`k=0.5`) and
    options of `Coupling` (`interpolation`, `max_delay`, `hold`, `mask`).
    `coupling` may also be an instance, built with its weights, or a dict of instances, each from its `source` to its
    `target`; `net.coupling` is what was given. `noise` is a process on `coupled_var`, or a dict of processes by state
    and input, as `noise_<state>` of the nodes, which must have none there.

    Couplings without delays are evaluated at every stage of a step, those with delays read the past at the stage's
    time; before the run the signal has been what it is at its start, unless `x0` gives `history_<source>`, (H, *b, N).

    Groups of nodes may have models of their own: `Network({"cortex": (JansenRitStep(3), [0, 2, 5]), "thalamus":
    (ThalamusStep(3), [1, 3, 4])}, conn)`, or a list of such pairs, whose groups are called as their models. Every index
    is in one group. States, inputs and noise are then `cortex_E`, (T, *b, n), of the nodes in the order of the indices,
    parameters `"cortex.mu"`, models `net.models["cortex"]`; the output and inputs without a name, which enter every
    port, are (T, *b, N). `coupled_var`, `source` and `target` are a name that all groups have, or a dict of one for
    each group that takes part: others send nothing, have 0 for a signal of their own, and receive nothing. A node
    computes the equations of every group: 80 regions, half of them Jansen–Rit and half Hopf, take 1.2 times as long in
    the fused loop as 80 Jansen–Rit nodes, with gradients 1.8 times.

    Raises `ValueError` for weights of a wrong shape, unknown states or ports, indices that are missing or occur twice,
    a second noise on what has one, and for mixed dtypes or devices.
    """

    node: Any  # the model of all nodes, or `Groups` of several

    def __init__(
        self,
        node: NeuralMass | Mapping[str, Part] | Sequence[Part],
        conn: Any = None,
        *,
        coupling: str | Coupling | Mapping[str, Coupling] = "diffusive",
        coupled_var: End = None,
        target: End = None,
        noise: Any = None,
        labels: Sequence[str] | None = None,
        **values: Any,
    ) -> None:
        super().__init__()
        nodes = node if isinstance(node, NeuralMass) else Groups(node)
        self.node, self.in_size, self.output_unit = nodes, nodes.in_size, nodes.output_unit
        conn, labels, values = taken_apart(conn, labels, values)
        self.methods = nodes.methods
        first = None if isinstance(nodes, Groups) else next(iter(nodes.states))  # of groups, the first of each
        self.coupled_var, self.target = coupled_var or first, target
        if isinstance(coupling, Mapping):
            for name in coupling:
                check_called("coupling", name)
            parts = {name: _coupling(kind, nodes, conn, values) for name, kind in coupling.items()}
            self.coupling = nn.ModuleDict(parts)
        else:
            self.coupling = _coupling(coupling, nodes, conn, values)
        self.labels = _names(labels, nodes.in_size)
        for part in self.couplings.values():
            self._ends(part)
        if noise is not None:
            given = noise if isinstance(noise, Mapping) else dict.fromkeys(self._coupled(), noise)
            _refuse_second(nodes, given)
            nodes.attach(given)

    @property
    def couplings(self) -> Mapping[str, Coupling]:
        """Every coupling, by its name; one that has none is ""."""
        parts = self.coupling.items() if isinstance(self.coupling, nn.ModuleDict) else [("", self.coupling)]
        return {name: part for name, part in parts if isinstance(part, Coupling)}

    @property
    def models(self) -> Mapping[str, NeuralMass]:
        """The model of each group of nodes; the model of all has no name."""
        return self.node.by_name if isinstance(self.node, Groups) else {"": self.node}

    def _ends(self, coupling: Coupling) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
        """What a coupling reads of each group of nodes, and the inputs that it enters."""
        read, entered = coupling.source or self.coupled_var, coupling.target or self.target
        return sources(self.models, read), targets(self.models, entered)

    def _coupled(self) -> list[str]:
        """The states that nodes send when not told otherwise."""
        places, states = sources(self.models, self.coupled_var), list(self.states)
        return ["output" if place == OUTPUT else states[place] for place in places if place is not None]

    @property
    def states(self) -> Mapping[str, State]:
        """The states of the nodes, in order."""
        return self.node.states

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The declared inputs of the nodes, in order."""
        return self.node.inputs

    @property
    def ports(self) -> tuple[str, ...]:
        """The inputs where inputs without a name enter."""
        return self.node.ports

    @property
    def columns(self) -> Mapping[str, Columns]:
        """Which nodes have a state or an input, of those that only some have."""
        return self.node.columns

    @property
    def like(self) -> Tensor:
        """A tensor with the dtype and device of the network."""
        return self.node.like

    def starts(self) -> dict[str, Tensor | Distribution]:
        """The start of every state of the nodes."""
        return self.node.starts()

    def dynamics(self) -> Dynamics:
        """The equations of the nodes, joined by the couplings."""
        links = [coupling.link(*self._ends(coupling)) for coupling in self.couplings.values()]
        if isinstance(self.node, Groups):
            links = [self.node.limited(link) for link in links]
        return self.node.dynamics().joined(*links)

    def free(self, *names: str, **bounds: tuple[float, float] | Bounds) -> Self:
        """Make values of the couplings or of the nodes trainable; returns self.

        A value of one of several couplings is `"<coupling>.<name>"`, of one of several models `"<group>.<name>"`. A
        name that more than one of them has is ambiguous and raises: say which, or free it on `net.coupling` or
        `net.node`.
        """
        for name in names:
            holder, own = self._owner(name)
            holder.free(own)
        for name, limits in bounds.items():
            holder, own = self._owner(name)
            holder.free(**{own: limits})
        return self

    def fix(self, *names: str) -> Self:
        """Undo `free`; returns self."""
        for name in names:
            holder, own = self._owner(name)
            holder.fix(own)
        return self

    def assign(self, **values: Any) -> Self:
        """Give values of the couplings or of the nodes new values; returns self."""
        for name, value in values.items():
            holder, own = self._owner(name)
            holder.assign(**{own: value})
        return self

    def _owner(self, name: str) -> tuple[Owner, str]:
        """What has a value, and its name there."""
        return owner(name, self.couplings, self.models)


def taken_apart(conn: Any, labels: Sequence[str] | None, values: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """The weights, labels and values of a coupling, where `conn` may be a `Connectome` that brings them."""
    if not isinstance(conn, Connectome):
        return conn, labels, values
    given = {name: value for name, value in values.items() if value is not None}
    distance = {"distance": conn.distances} if "speed" in given else {}
    return conn.weights, conn.labels if labels is None else labels, distance | given


def _refuse_second(nodes: NeuralMass | Groups, noise: Mapping[str, Any]) -> None:
    """Raise a `ValueError` for noise on what has another already."""
    held = dict(nodes.noise.items())
    for name, process in noise.items():
        if process is not None and held.get(name, process) is not process:
            raise ValueError(
                f"{nodes.label} already has noise on {name}, {held[name]!r}, and Network(noise=…) gives {process!r}: a "
                f"state or an input has one; leave out one of them, or replace it by node.attach({{{name!r}: …}})."
            )


def _names(labels: Sequence[str] | None, in_size: int) -> tuple[str, ...] | None:
    if labels is not None and (isinstance(labels, str) or len(labels) != in_size):
        raise ValueError(f"labels must be {in_size} names, one a node, got {labels!r}.")
    return None if labels is None else tuple(labels)


def _coupling(kind: Any, node: System, conn: Any, values: dict[str, Any]) -> Coupling:
    if isinstance(kind, Coupling):
        if conn is not None or values:
            raise TypeError("a coupling given as an instance holds its own weights and parameters.")
        as_value("the weights of the coupling", kind.weights, node.like)
        if kind.in_size != node.in_size:
            raise ValueError(
                f"the weights of the coupling must be (*b, N, N) with [to, from] and N={node.in_size}, got "
                f"those of {kind.in_size} nodes."
            )
        return kind
    if conn is None:
        raise TypeError("Network needs conn=, the (N, N) weights [to, from].")
    cls = lookup("torchmass", "coupling", ALIASES.get(kind, kind), COUPLINGS)
    given = conn if is_sparse(conn) else as_value("conn", conn, node.like)
    if given.ndim:
        check_shape("conn", given, "edge", node.in_size)
    return cls(conn, node.in_size, like=node.like, **values)
