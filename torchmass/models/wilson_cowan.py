"""The Wilson–Cowan model of an excitatory and an inhibitory population, and its family.

In all of them `wXY` is the weight to X from Y, as in a matrix, and F is the sigmoid response of the 1972 paper.
"""

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass

FIGURE_11 = MappingProxyType(
    {
        **{"wEE": 16.0, "wEI": 12.0, "wIE": 15.0, "wII": 3.0, "P": 1.25, "tau_E": 8.0, "tau_I": 8.0},
        **{"a_E": 1.3, "theta_E": 4.0, "a_I": 2.0, "theta_I": 3.7},
    }
)


def response(z: Tensor, a: Tensor, theta: Tensor) -> Tensor:
    """The sigmoid response of the 1972 paper, which is 0 without input."""
    return torch.sigmoid(a * (z - theta)) - torch.sigmoid(-a * theta)


def arriving(s: Any, u: Any, p: Any) -> tuple[Tensor, Tensor]:
    """What arrives at the two populations where inhibition is subtracted."""
    return p.wEE * s.rE - p.wEI * s.rI + p.P + u.rE_inp, p.wIE * s.rE - p.wII * s.rI + p.Q + u.rI_inp


def refractory(rate: Tensor, fired: Tensor, r: Tensor, tau: Tensor) -> Tensor:
    """The derivative of an active fraction, of which only what is not refractory can fire."""
    return (-rate + (1 - r * rate) * fired) / tau


class Rates(NeuralMass):
    """What every member of the family has: two active fractions, each with a time constant and an input."""

    category = "physiological"

    rE = State(0.1, "", "Active fraction of the excitatory population.", range=(0, 0.5))
    rI = State(0.05, "", "Active fraction of the inhibitory population.", range=(0, 0.5))
    tau_E = Param(1.0, "ms", "Excitatory time constant.", bounds=POSITIVE)
    tau_I = Param(1.0, "ms", "Inhibitory time constant.", bounds=POSITIVE)
    P = Param(0.0, "", "Constant input to the excitatory population.")
    Q = Param(0.0, "", "Constant input to the inhibitory population.")
    rE_inp = Input("", "Input to the excitatory population.", port=True)
    rI_inp = Input("", "Input to the inhibitory population.")


class Responses(Rates):
    """Those with sigmoid responses."""

    a_E = Param(1.2, "", "Excitatory gain.")
    theta_E = Param(2.8, "", "Excitatory threshold.")
    a_I = Param(1.0, "", "Inhibitory gain.")
    theta_I = Param(4.0, "", "Inhibitory threshold.")

    @staticmethod
    def fired(p: Any, to_E: Tensor, to_I: Tensor) -> tuple[Tensor, Tensor]:
        """What the populations answer to what arrives."""
        return response(to_E, p.a_E, p.theta_E), response(to_I, p.a_I, p.theta_I)


class Weighted(Responses):
    """Those whose weights are those of the 1972 paper."""

    wEE = Param(12.0, "", "Weight to E from E.")
    wEI = Param(4.0, "", "Weight to E from I.")
    wIE = Param(13.0, "", "Weight to I from E.")
    wII = Param(11.0, "", "Weight to I from I.")


class WilsonCowanStep(Weighted):
    r"""Active fractions of an excitatory and an inhibitory population; `wXY` is the weight to X from Y.

    .. math::
        \tau_E\dot r_E &= -r_E + (1 - r\,r_E)\,F_E(w_{EE}r_E - w_{EI}r_I + P + I_E) \\
        \tau_I\dot r_I &= -r_I + (1 - r\,r_I)\,F_I(w_{IE}r_E - w_{II}r_I + Q + I_I) \\
        F_k(z) &= \frac{1}{1 + e^{-a_k(z - \theta_k)}} - \frac{1}{1 + e^{a_k\theta_k}}

    `presets` are two figures of the paper: "hysteresis" (4, the defaults), in which a low and a high state are stable,
    and "limit_cycle" (11), 25 Hz, which there is for P from about 1.1 to 2.

    Source: Wilson & Cowan 1972, Excitatory and inhibitory interactions in localized populations of model neurons,
    Biophys. J. 12:1, doi:10.1016/S0006-3495(72)86068-5.
    """

    use_case = "E-I population firing-rate dynamics"

    r = Param(1.0, "", "Refractory fraction.", bounds=NONNEGATIVE)

    presets = MappingProxyType({"hysteresis": {}, "limit_cycle": FIGURE_11})

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        F_E, F_I = Responses.fired(p, *arriving(s, u, p))
        return refractory(s.rE, F_E, p.r, p.tau_E), refractory(s.rI, F_I, p.r, p.tau_I)


class WilsonCowanNoSaturationStep(Weighted):
    r"""Wilson–Cowan without the refractory factor: active fractions follow their responses.

    .. math::
        \tau_E\dot r_E = -r_E + F_E(w_{EE}r_E - w_{EI}r_I + P + I_E), \qquad
        \tau_I\dot r_I = -r_I + F_I(w_{IE}r_E - w_{II}r_I + Q + I_I)

    Source: Wilson & Cowan 1972, Biophys. J. 12:1, doi:10.1016/S0006-3495(72)86068-5, with r = 0.
    """

    use_case, more = "E-I rates without refractoriness", True

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        F_E, F_I = Responses.fired(p, *arriving(s, u, p))
        return (-s.rE + F_E) / p.tau_E, (-s.rI + F_I) / p.tau_I


class WilsonCowanLinearStep(Rates):
    r"""Wilson–Cowan with threshold-linear responses, :math:`[z]_+ = \max(z, 0)`.

    .. math::
        \tau_E\dot r_E &= -r_E + (1 - r\,r_E)\,[w_{EE}r_E - w_{EI}r_I + P + I_E]_+ \\
        \tau_I\dot r_I &= -r_I + (1 - r\,r_I)\,[w_{IE}r_E - w_{II}r_I + Q + I_I]_+

    Source: Wilson & Cowan 1972, Biophys. J. 12:1, doi:10.1016/S0006-3495(72)86068-5, with another response.
    """

    use_case, more = "E-I rates with linear responses", True

    wEE = Param(0.8, "", "Weight to E from E.")
    wEI = Param(0.3, "", "Weight to E from I.")
    wIE = Param(1.0, "", "Weight to I from E.")
    wII = Param(0.85, "", "Weight to I from I.")
    r = WilsonCowanStep.r

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        F_E, F_I = (torch.clamp(z, min=0) for z in arriving(s, u, p))
        return refractory(s.rE, F_E, p.r, p.tau_E), refractory(s.rI, F_I, p.r, p.tau_I)


class WilsonCowanSymmetricStep(NeuralMass):
    r"""Wilson–Cowan whose populations have the same time constant and the same response.

    .. math::
        \tau\dot r_E &= -r_E + (1 - r\,r_E)\,F(w_{EE}r_E - w_{EI}r_I + P + I_E) \\
        \tau\dot r_I &= -r_I + (1 - r\,r_I)\,F(w_{IE}r_E - w_{II}r_I + Q + I_I)

    Source: Wilson & Cowan 1972, Biophys. J. 12:1, doi:10.1016/S0006-3495(72)86068-5.
    """

    category, use_case, more = "physiological", "E-I rates, one response for both", True

    rE, rI, P, Q, rE_inp, rI_inp = Rates.rE, Rates.rI, Rates.P, Rates.Q, Rates.rE_inp, Rates.rI_inp
    tau = Param(1.0, "ms", "Time constant.", bounds=POSITIVE)
    a = Param(1.1, "", "Gain.")
    theta = Param(3.4, "", "Threshold.")
    wEE, wEI, wIE, wII = Weighted.wEE, Weighted.wEI, Weighted.wIE, Weighted.wII
    r = WilsonCowanStep.r

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        F_E, F_I = (response(z, p.a, p.theta) for z in arriving(s, u, p))
        return refractory(s.rE, F_E, p.r, p.tau), refractory(s.rI, F_I, p.r, p.tau)


class WilsonCowanSimplifiedStep(Responses):
    r"""Wilson–Cowan whose populations receive the same excitation and the same inhibition.

    .. math::
        \tau_E\dot r_E &= -r_E + (1 - r\,r_E)\,F_E(w_{exc}r_E - w_{inh}r_I + P + I_E) \\
        \tau_I\dot r_I &= -r_I + (1 - r\,r_I)\,F_I(w_{exc}r_E - w_{inh}r_I + Q + I_I)

    Source: Wilson & Cowan 1972, Biophys. J. 12:1, doi:10.1016/S0006-3495(72)86068-5.
    """

    use_case, more = "E-I rates with two weights", True

    w_exc = Param(8.0, "", "Weight from E, to both.")
    w_inh = Param(12.0, "", "Weight from I, to both.")
    r = WilsonCowanStep.r

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        recurrent = p.w_exc * s.rE - p.w_inh * s.rI
        F_E, F_I = Responses.fired(p, recurrent + p.P + u.rE_inp, recurrent + p.Q + u.rI_inp)
        return refractory(s.rE, F_E, p.r, p.tau_E), refractory(s.rI, F_I, p.r, p.tau_I)
