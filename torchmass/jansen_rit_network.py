"""The whole-brain Jansen–Rit model, whose columns are joined by three kinds of connections."""

from typing import Any, ClassVar

import torch
from torch import Tensor

from torchmass.couplings import DiffusiveCoupling
from torchmass.models import JansenRitStep
from torchmass.network import Network, taken_apart
from torchmass.owners import Owner
from torchmass.sparse import is_sparse
from torchmass.values import as_value

NAMES = {  # of the reference, and here
    **{"g_l": "lateral.k", "g_f": "feedforward.k", "g_b": "feedback.k"},
    **{"w_ll": "lateral.log_gain", "w_ff": "feedforward.log_gain", "w_bb": "feedback.log_gain"},
}


class FeedforwardCoupling(DiffusiveCoupling):
    r"""\(u_i = k \sum_j \hat w_{ij}\,(x_j - x_i)\), \(\hat w = w / \lVert w \rVert\), the norm that of Frobenius."""

    def strengths(self) -> Tensor:
        """The weights as parts of their norm, (*b, *edges)."""
        return normalised(super().strengths(), self.edges.axes)


class FeedbackCoupling(FeedforwardCoupling):
    r"""\(u_i = -k \sum_j \hat w_{ij}\,(x_j - x_i)\), \(\hat w = w / \lVert w \rVert\): what arrives is taken away."""

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """What arrives, less the node's own signal as often, with the other sign."""
        return -DiffusiveCoupling.receive(x, sums, p)


class LateralCoupling(DiffusiveCoupling):
    r"""\(u_i = k \sum_j \hat w_{ij}\,(x_j - x_i)\), where \(\hat w\) is \((w + w^T)/2\) as part of its norm."""

    both_ways = True

    def strengths(self) -> Tensor:
        """The mean of both directions as part of its norm, (*b, *edges)."""
        weights = super().strengths()
        return normalised((weights + self.edges.transposed(weights)) / 2, self.edges.axes)


def normalised(weights: Tensor, axes: int) -> Tensor:
    """Weights, with so many axes besides those of a batch, as parts of their norm; 0 where all are."""
    norm = torch.linalg.vector_norm(weights, dim=tuple(range(-axes, 0)), keepdim=True)
    return weights / torch.where(norm == 0, 1.0, norm)


class JansenRitTR(Network):
    r"""Cortical columns joined by three Laplacians of one connectome: to pyramidal cells, and to either interneurons.

    .. math::
        \ddot M &= A_e b_e\,S(y + I_M) - 2b_e\dot M - b_e^2 M, \qquad y = E - I \\
        \ddot E &= A_e b_e\,(p + \mu + C a_2\,S(C a_1 M)) - 2b_e\dot E - b_e^2 E \\
        \ddot I &= A_i b_i\,C a_4\,S(C a_3 M + I_I) - 2b_i\dot I - b_i^2 I \\
        I_M &= g_l\,L^l y, \qquad p = g_f\,L^f y, \qquad I_I = -g_b\,L^b y \\
        (L^x y)_i &= \sum_j \hat w^x_{ij}\,\big(y_j(t - d_{ij}) - y_i\big), \qquad
        \hat w^x = \frac{w^x}{\lVert w^x \rVert}, \qquad w^x = w \odot e^{w_x}

    A `Network` of `JansenRitStep`, whose values are keywords, with the couplings "lateral", "feedforward" and
    "feedback". `conn` is w, (N, N) or (B, N, N), `[to, from]`, dense or sparse, a `Connectome`, or a number for all
    pairs alike. `w_ll`, `w_ff`, `w_bb`, numbers or (N, N), are the logarithms of a gain of each connection, `g_l`,
    `g_f` (Hz/mV) and `g_b` the gains of all; lateral connections are the mean of both directions. All are trainable by
    these names, `free("w_ll")`. `delays` in ms, or `distance` in mm and `speed` in mm/ms, are those of all three.
    A stimulus is `inputs={"M_inp": u}` and noise `noise_M_inp`, `noise_E_inp`, `noise_I_inp`.

    Raises `TypeError` for an unknown name and `ValueError` for a wrong value or shape.

    Source: Momi, Wang & Griffiths 2023, TMS-evoked responses are driven by recurrent large-scale network dynamics,
    eLife 12:e83232, doi:10.7554/eLife.83232; three kinds of connections: David & Friston 2003, A neural mass model for
    MEG/EEG, NeuroImage 20:1743, doi:10.1016/j.neuroimage.2003.07.015.
    """

    category: ClassVar[str] = "network"
    use_case: ClassVar[str] = "Whole-brain EEG, evoked responses"
    more: ClassVar[bool] = False
    state_declarations = JansenRitStep.state_declarations

    def __init__(
        self,
        in_size: int = 1,
        conn: Any = 1.0,
        *,
        g_l: Any = 1.0,
        g_f: Any = 1.0,
        g_b: Any = 1.0,
        w_ll: Any = 0.0,
        w_ff: Any = 0.0,
        w_bb: Any = 0.0,
        delays: Any = None,
        distance: Any = None,
        speed: Any = None,
        **values: Any,
    ) -> None:
        node, late = JansenRitStep(in_size, **values), {"delays": delays, "distance": distance, "speed": speed}
        weights, labels, late = taken_apart(conn, None, late)
        if not is_sparse(weights) and not (given := as_value("conn", weights, node.like)).ndim:
            weights = given * (1 - torch.eye(in_size).to(given))
        each = {
            "lateral": (LateralCoupling, "M_inp", g_l, w_ll),
            "feedforward": (FeedforwardCoupling, "E_inp", g_f, w_ff),
            "feedback": (FeedbackCoupling, "I_inp", g_b, w_bb),
        }
        parts = {
            name: kind(weights, in_size, source="output", target=to, k=k, log_gain=gain, like=node.like, **late)
            for name, (kind, to, k, gain) in each.items()
        }
        super().__init__(node, coupling=parts, labels=labels)

    def _owner(self, name: str) -> tuple[Owner, str]:
        return super()._owner(NAMES.get(name, name))
