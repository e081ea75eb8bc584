"""Network: nodes of one model, coupled through a connectome."""

from collections.abc import Mapping
from typing import Any, Self

from torch import Tensor
from torch.distributions import Distribution

from torchmass.bounds import Bounds
from torchmass.coupling import Coupling
from torchmass.couplings import COUPLINGS
from torchmass.declare import Input, State
from torchmass.dynamics import Dynamics, Link
from torchmass.model import NeuralMass
from torchmass.naming import lookup, refuse
from torchmass.system import System
from torchmass.values import as_value, check_shape


class Network(System):
    r"""N nodes of one model whose states reach each other through weights, without delay.

    `conn` is (N, N) or (B, N, N), `[to, from]`: `conn[i, j]` is the weight to node i from node j. Its diagonal is used
    as given. A number is the weight of every pair of different nodes, summed in O(N). `coupling` is a name in
    `torchmass.couplings.COUPLINGS` (`"diffusive"`, `"sine"`, …) or an instance built with its weights; it reads the
    state `coupled_var` of every node (default: the first) and adds to the input `target` (default: the model's port).
    Further keywords are parameters of the coupling: `k=0.5`. The coupling is evaluated at every stage of a step.

    Raises `ValueError` for weights of a wrong shape, unknown states or ports, and for mixed dtypes or devices.
    """

    def __init__(
        self,
        node: NeuralMass,
        conn: Any = None,
        *,
        coupling: str | Coupling = "diffusive",
        coupled_var: str | None = None,
        target: str | None = None,
        **values: Any,
    ) -> None:
        super().__init__()
        if not isinstance(node, NeuralMass):
            raise TypeError(f"Network needs a model such as HopfStep(in_size=80), got {type(node).__name__}.")
        source, target = coupled_var or next(iter(node.states)), target or node.port
        if target is None:
            refuse(node.label, "input for a network", target, node.inputs)
        lookup(node.label, "state", source, node.state_declarations)
        lookup(node.label, "input", target, node.inputs)
        self.node, self.in_size = node, node.in_size
        self.coupled_var, self.target = source, target
        self.coupling = _coupling(coupling, node, conn, values)

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
        """The equations of the nodes, joined by the coupling."""
        link = Link(
            send=self.coupling.send,
            receive=self.coupling.receive,
            p=self.coupling.values(),
            weights=self.coupling.weights,
            source=list(self.states).index(self.coupled_var),
            target=list(self.inputs).index(self.target),
            alike=self.coupling.alike,
        )
        return self.node.dynamics().joined(link)

    def free(self, *names: str, **bounds: tuple[float, float] | Bounds) -> Self:
        """Make values of the coupling or of the nodes trainable; returns self.

        A name that both have is ambiguous and raises: free it on `net.coupling` or `net.node`.
        """
        for name in names:
            self._owner(name).free(name)
        for name, limits in bounds.items():
            self._owner(name).free(**{name: limits})
        return self

    def fix(self, *names: str) -> Self:
        """Undo `free`; returns self."""
        for name in names:
            self._owner(name).fix(name)
        return self

    def assign(self, **values: Any) -> Self:
        """Give values of the coupling or of the nodes new values; returns self."""
        for name, value in values.items():
            self._owner(name).assign(**{name: value})
        return self

    def _owner(self, name: str) -> Coupling | NeuralMass:
        owners = [owner for owner in (self.coupling, self.node) if name in owner.declarations]
        if not owners:
            refuse("Network", "parameter", name, [*self.coupling.declarations, *self.node.declarations])
        if len(owners) == 2:
            raise ValueError(
                f"{name!r} is a parameter of both the coupling and the node: name it on net.coupling or net.node."
            )
        return owners[0]


def _coupling(kind: str | Coupling, node: NeuralMass, conn: Any, values: dict[str, Any]) -> Coupling:
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
    return cls(weights, node.in_size, like=node.like, **values)
