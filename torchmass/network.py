"""Network: nodes of one model, coupled through a connectome."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from torch import Tensor, nn
from torch.distributions import Distribution

from torchmass.bounds import Bounds
from torchmass.coupling import Coupling
from torchmass.couplings import COUPLINGS
from torchmass.datasets import Connectome
from torchmass.declare import Input, State
from torchmass.dynamics import Dynamics
from torchmass.links import OUTPUT
from torchmass.model import NeuralMass
from torchmass.naming import lookup, refuse
from torchmass.sparse import pattern
from torchmass.system import System
from torchmass.values import as_value, check_shape


class Network(System):
    r"""N nodes of one model that reach each other through weights, at once or after delays.

    `conn` is (N, N) or (B, N, N), `[to, from]`: `conn[i, j]` is the weight to node i from node j. Its diagonal is used
    as given. A sparse matrix of torch or scipy connects the pairs that have an entry and no others, also when weights
    are fitted; what arrives at once is then summed in O(edges), as it is wherever few fixed weights are not 0. A number
    is the weight of every pair of different nodes, summed in O(N). `coupling` is a name in
    `torchmass.couplings.COUPLINGS` (`"diffusive"`, `"sine"`, …); it reads `coupled_var` of every node (a state, by
    default the first, or `"output"`, that of the model) and adds to the input `target` (default: the model's port).
    `distance` in mm and `speed` in mm/ms, or `delays` in ms, make what is sent arrive later. `conn` may also be a
    `Connectome`, which brings the names of its regions and, where `speed` is given, its distances; or give `labels`,
    which results carry. Further keywords are
    parameters of the coupling (`k=0.5`) and options of `Coupling` (`interpolation`, `max_delay`, `hold`, `mask`).
    `coupling` may also be an instance, built with its weights, or a dict of instances, each from its `source` to its
    `target`; `net.coupling` is what was given. `noise` is a process on `coupled_var`, or a dict of processes by state
    and input, as `noise_<state>` of the nodes.

    Couplings without delays are evaluated at every stage of a step, those with delays read the past at the stage's
    time; before the run the signal has been what it is at its start, unless `x0` gives `history_<source>`, (H, *b, N).

    Raises `ValueError` for weights of a wrong shape, unknown states or ports, and for mixed dtypes or devices.
    """

    def __init__(
        self,
        node: NeuralMass,
        conn: Any = None,
        *,
        coupling: str | Coupling | Mapping[str, Coupling] = "diffusive",
        coupled_var: str | None = None,
        target: str | None = None,
        noise: Any = None,
        labels: Sequence[str] | None = None,
        **values: Any,
    ) -> None:
        super().__init__()
        if not isinstance(node, NeuralMass):
            raise TypeError(f"Network needs a model such as HopfStep(in_size=80), got {type(node).__name__}.")
        self.node, self.in_size = node, node.in_size
        if isinstance(conn, Connectome):
            labels = conn.labels if labels is None else labels
            values = ({"distance": conn.distances} if values.get("speed") is not None else {}) | values
            conn = conn.weights
        self.labels = _names(labels, node.in_size)
        self.coupled_var, self.target = coupled_var or next(iter(node.states)), target
        if isinstance(coupling, Mapping):
            parts = {name: _coupling(kind, node, conn, values) for name, kind in coupling.items()}
            self.coupling = nn.ModuleDict(parts)
        else:
            self.coupling = _coupling(coupling, node, conn, values)
        for part in self.couplings.values():
            self._ends(part)
        if noise is not None:
            node.attach(noise if isinstance(noise, Mapping) else {self.coupled_var: noise})

    @property
    def couplings(self) -> Mapping[str, Coupling]:
        """Every coupling, by its name; one that has none is ""."""
        parts = self.coupling.items() if isinstance(self.coupling, nn.ModuleDict) else [("", self.coupling)]
        return {name: part for name, part in parts if isinstance(part, Coupling)}

    def _ends(self, coupling: Coupling) -> tuple[int, int]:
        """The places of the state, or `OUTPUT`, that a coupling reads, and of the input that it enters."""
        node, source = self.node, coupling.source or self.coupled_var
        target = coupling.target or self.target or node.port
        if target is None:
            refuse(node.label, "input for a network", target, node.inputs)
        lookup(node.label, "input", target, node.inputs)
        place = list(node.inputs).index(target)
        if source == "output" and source not in node.state_declarations:
            return OUTPUT, place
        lookup(node.label, "state", source, node.state_declarations)
        return list(node.states).index(source), place

    @property
    def states(self) -> Mapping[str, State]:
        """The states of a node, in order."""
        return self.node.states

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The declared inputs of a node, in order."""
        return self.node.inputs

    @property
    def like(self) -> Tensor:
        """A tensor with the dtype and device of the network."""
        return self.node.like

    def starts(self) -> dict[str, Tensor | Distribution]:
        """The start of every state of the nodes."""
        return self.node.starts()

    def dynamics(self) -> Dynamics:
        """The equations of the nodes, joined by the couplings."""
        links = (coupling.link(*self._ends(coupling)) for coupling in self.couplings.values())
        return self.node.dynamics().joined(*links)

    def free(self, *names: str, **bounds: tuple[float, float] | Bounds) -> Self:
        """Make values of the couplings or of the nodes trainable; returns self.

        A value of one of several couplings is `"<coupling>.<name>"`. A name that more than one of them has is ambiguous
        and raises: say which, or free it on `net.coupling` or `net.node`.
        """
        for name in names:
            owner, own = self._owner(name)
            owner.free(own)
        for name, limits in bounds.items():
            owner, own = self._owner(name)
            owner.free(**{own: limits})
        return self

    def fix(self, *names: str) -> Self:
        """Undo `free`; returns self."""
        for name in names:
            owner, own = self._owner(name)
            owner.fix(own)
        return self

    def assign(self, **values: Any) -> Self:
        """Give values of the couplings or of the nodes new values; returns self."""
        for name, value in values.items():
            owner, own = self._owner(name)
            owner.assign(**{own: value})
        return self

    def _owner(self, name: str) -> tuple[Coupling | NeuralMass, str]:
        """What holds a value, and its name there."""
        part, _, own = name.rpartition(".")
        holders = self.couplings if part else {**self.couplings, "node": self.node}
        owners = {held: owner for held, owner in holders.items() if part in ("", held) and own in owner.declarations}
        if not owners:
            prefixed = ((f"{held}." if held else "", coupling) for held, coupling in self.couplings.items())
            names = [f"{prefix}{known}" for prefix, coupling in prefixed for known in coupling.declarations]
            refuse("Network", "parameter", name, [*names, *self.node.declarations])
        if len(owners) > 1:
            kinds = " and ".join("the node" if held == "node" else f"the coupling {held}".strip() for held in owners)
            raise ValueError(
                f"{own!r} is a parameter of both {kinds}: name it on net.coupling or net.node, or '<coupling>.{own}'."
            )
        ((_, owner),) = owners.items()
        return owner, own


def _names(labels: Sequence[str] | None, in_size: int) -> tuple[str, ...] | None:
    if labels is not None and (isinstance(labels, str) or len(labels) != in_size):
        raise ValueError(f"labels must be {in_size} names, one a node, got {labels!r}.")
    return None if labels is None else tuple(labels)


def _coupling(kind: Any, node: NeuralMass, conn: Any, values: dict[str, Any]) -> Coupling:
    if isinstance(kind, Coupling):
        if conn is not None or values:
            raise TypeError("a coupling given as an instance holds its own weights and parameters.")
        weights = as_value("the weights of the coupling", kind.weights, node.like)
        pairs = weights.expand(*weights.shape[:-2], kind.in_size, kind.in_size)
        check_shape("the weights of the coupling", pairs, "edge", node.in_size)
        return kind
    if conn is None:
        raise TypeError("Network needs conn=, the (N, N) weights [to, from].")
    cls = lookup("torchmass", "coupling", kind, COUPLINGS)
    weights = as_value("conn", conn, node.like)
    if weights.ndim:
        check_shape("conn", weights, "edge", node.in_size)
    return cls(weights, node.in_size, like=node.like, **{"mask": pattern(conn), **values})
