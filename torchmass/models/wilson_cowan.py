"""The Wilson–Cowan model of an excitatory and an inhibitory population."""

from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class WilsonCowanStep(NeuralMass):
    r"""Active fractions of an excitatory and an inhibitory population; `wXY` is the weight to X from Y.

    .. math::
        \tau_E\dot r_E &= -r_E + (1 - r\,r_E)\,F_E(w_{EE}r_E - w_{EI}r_I + I_E) \\
        \tau_I\dot r_I &= -r_I + (1 - r\,r_I)\,F_I(w_{IE}r_E - w_{II}r_I + I_I) \\
        F_k(z) &= \frac{1}{1 + e^{-a_k(z - \theta_k)}} - \frac{1}{1 + e^{a_k\theta_k}}

    Source: Wilson & Cowan 1972, Excitatory and inhibitory interactions in localized populations of model neurons,
    Biophys. J. 12:1, doi:10.1016/S0006-3495(72)86068-5.
    """

    category, use_case = "physiological", "E-I population firing-rate dynamics"

    rE = State(0.1, "", "Active fraction of the excitatory population.", range=(0, 0.5))
    rI = State(0.05, "", "Active fraction of the inhibitory population.", range=(0, 0.5))
    tau_E = Param(1.0, "ms", "Excitatory time constant.", bounds=POSITIVE)
    a_E = Param(1.2, "", "Excitatory gain.")
    theta_E = Param(2.8, "", "Excitatory threshold.")
    tau_I = Param(1.0, "ms", "Inhibitory time constant.", bounds=POSITIVE)
    a_I = Param(1.0, "", "Inhibitory gain.")
    theta_I = Param(4.0, "", "Inhibitory threshold.")
    wEE = Param(12.0, "", "Weight to E from E.")
    wEI = Param(4.0, "", "Weight to E from I.")
    wIE = Param(13.0, "", "Weight to I from E.")
    wII = Param(11.0, "", "Weight to I from I.")
    r = Param(1.0, "", "Refractory fraction.", bounds=NONNEGATIVE)
    rE_inp = Input("", "Input to the excitatory population.", port=True)
    rI_inp = Input("", "Input to the inhibitory population.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        rE, rI = s
        F_E = response(p.wEE * rE - p.wEI * rI + u.rE_inp, p.a_E, p.theta_E)
        F_I = response(p.wIE * rE - p.wII * rI + u.rI_inp, p.a_I, p.theta_I)
        drE = (-rE + (1 - p.r * rE) * F_E) / p.tau_E
        drI = (-rI + (1 - p.r * rI) * F_I) / p.tau_I
        return drE, drI


def response(z: Tensor, a: Tensor, theta: Tensor) -> Tensor:
    """The sigmoid response of the 1972 paper, which is 0 without input."""
    return torch.sigmoid(a * (z - theta)) - torch.sigmoid(-a * theta)
