"""Kuramoto's network of phases."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from torchmass.couplings import SineCoupling
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass
from torchmass.network import Network, taken_apart
from torchmass.sparse import coalesced, is_sparse, without_diagonal
from torchmass.values import as_value, check_shape


class PhaseStep(NeuralMass):
    r"""A phase that turns at its own frequency.

    .. math:: \dot\theta = \omega + I

    Source: Kuramoto 1984, Chemical Oscillations, Waves, and Turbulence, Springer, doi:10.1007/978-3-642-69689-3.
    """

    category, use_case = "network", "A phase, of KuramotoNetwork"

    theta = State(0.0, "", "Phase in rad, not wrapped.", range=(-3.14, 3.14))
    omega = Param(0.1, "rad/ms", "Natural frequency.")
    theta_inp = Input("rad/ms", "Added to the frequency.", port=True)

    @staticmethod
    def output(s: Any, p: Any) -> Tensor:
        """The sine of the phase."""
        return torch.sin(s.theta)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        return (p.omega + u.theta_inp,)


class KuramotoNetwork(Network):
    r"""N phases that pull each other; above a threshold of the gain they synchronise.

    .. math::
        \dot\theta_i = \omega_i + \frac{k}{\mathcal N}\sum_{j \ne i} w_{ij}\,
        \sin(\theta_j(t - d_{ij}) - \theta_i - \alpha_i) + I_i

    with 𝒩 = N, or 1 where `normalize_by_n` is False; a node is its own neighbour where `exclude_self` is False. `conn`
    is w, (N, N) or (B, N, N), `[to, from]`, dense or sparse, a `Connectome`, or a number for all pairs alike (the
    default, 1), which costs O(N) a step instead of O(N²). `omega` (rad/ms), `init_theta` (rad) and `noise_theta` are of
    the nodes, `k` and `alpha` (rad, of the node that receives) of the coupling. Between all pairs, with frequencies of
    density g that is symmetric, phases synchronise above k = 2/(πg(0)). With `delays` in ms, or `distance` in mm and
    `speed` in mm/ms, phases are those of d ms ago; one delay τ between all synchronises them at Ω = ω − k(N − 1)/N
    sin(Ωτ + α).

    Raises `TypeError` for an unknown name and `ValueError` for a wrong value or shape.

    Source: Kuramoto 1984, Chemical Oscillations, Waves, and Turbulence, Springer, doi:10.1007/978-3-642-69689-3;
    the phase lag: Sakaguchi & Kuramoto 1986, Prog. Theor. Phys. 76:576, doi:10.1143/PTP.76.576;
    the delay: Yeung & Strogatz 1999, Phys. Rev. Lett. 82:648, doi:10.1103/PhysRevLett.82.648.
    """

    category: ClassVar[str] = "network"
    use_case: ClassVar[str] = "Phase synchronization"
    more: ClassVar[bool] = False
    state_declarations = PhaseStep.state_declarations

    def __init__(
        self,
        in_size: int = 1,
        conn: Any = 1.0,
        *,
        k: Any = 1.0,
        alpha: Any = 0.0,
        normalize_by_n: bool = True,
        exclude_self: bool = True,
        delays: Any = None,
        distance: Any = None,
        speed: Any = None,
        labels: Sequence[str] | None = None,
        **values: Any,
    ) -> None:
        node, late = PhaseStep(in_size, **values), {"delays": delays, "distance": distance, "speed": speed}
        conn, labels, late = taken_apart(conn, labels, late)
        weights = coalesced(conn, node.like) if is_sparse(conn) else as_value("conn", conn, node.like)
        if not weights.ndim and not exclude_self:
            weights = weights.expand(in_size, in_size)
        if weights.ndim:
            check_shape("conn", weights, "edge", in_size)
            weights = without_diagonal(weights) if exclude_self else weights
        weights = weights / in_size if normalize_by_n else weights
        coupling = SineCoupling(weights, in_size, like=node.like, k=k, alpha=alpha, **late)
        super().__init__(node, coupling=coupling, labels=labels)
