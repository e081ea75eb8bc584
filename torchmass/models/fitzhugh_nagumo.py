"""The FitzHugh–Nagumo model of excitability."""

from typing import Any

from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class FitzHughNagumoStep(NeuralMass):
    r"""A fast cubic voltage and a slow recovery: excitable at rest, spiking under a constant drive.

    .. math::
        \dot V = -\alpha V^3 + \beta V^2 + \gamma V - w + I_V, \qquad
        \dot w = (V - \delta - \epsilon w)/\tau + I_w

    Source: Kostova, Ravindran & Schonbek 2004, FitzHugh–Nagumo revisited: types of bifurcations, periodical
    forcing and stability regions by a Lyapunov functional, Int. J. Bifurcation Chaos 14:913,
    doi:10.1142/S0218127404009685.
    """

    category, use_case = "phenomenological", "Excitability, spike generation"

    V = State(0.05, "", "Fast voltage-like variable.", range=(-0.5, 1.5))
    w = State(0.02, "", "Slow recovery variable.", range=(-0.5, 1.5))
    alpha = Param(3.0, "", "Cubic coefficient.")
    beta = Param(4.0, "", "Quadratic coefficient.")
    gamma = Param(-1.5, "", "Linear coefficient.")
    delta = Param(0.0, "", "Offset of the recovery.")
    epsilon = Param(0.5, "", "Self-damping of the recovery.")
    tau = Param(20.0, "ms", "Time constant of the recovery.", bounds=POSITIVE)
    V_inp = Input("1/ms", "Current, added to the derivative of V.", port=True)
    w_inp = Input("1/ms", "Added to the derivative of w.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        V, w = s
        dV = -p.alpha * V**3 + p.beta * V**2 + p.gamma * V - w + u.V_inp
        dw = (V - p.delta - p.epsilon * w) / p.tau + u.w_inp
        return dV, dw
