"""The Wilson–Cowan family beyond two populations that subtract: division, adaptation, a third population."""

from typing import Any

from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.models.wilson_cowan import Responses, Weighted, WilsonCowanStep, refractory, response


class WilsonCowanDivisiveStep(Weighted):
    r"""Wilson–Cowan whose inhibition divides the responses instead of being subtracted from what arrives.

    .. math::
        \tau_E\dot r_E &= -r_E + \frac{1 - r\,r_E}{\sigma_E + w_{EI}r_I}\,F_E(w_{EE}r_E + P + I_E) \\
        \tau_I\dot r_I &= -r_I + \frac{1 - r\,r_I}{\sigma_I + w_{II}r_I}\,F_I(w_{IE}r_E + Q + I_I)

    Source: Carandini & Heeger 2012, Normalization as a canonical neural computation, Nat. Rev. Neurosci. 13:51,
    doi:10.1038/nrn3136, for the division; the weights are halves of those of the 1972 paper.
    """

    use_case, more = "E-I rates with divisive inhibition", True

    wEE = Param(6.0, "", "Weight to E from E.")
    wEI = Param(2.0, "", "Divisive weight to E from I.")
    wIE = Param(6.5, "", "Weight to I from E.")
    wII = Param(5.5, "", "Divisive weight to I from I.")
    r = WilsonCowanStep.r
    sigma_E = Param(1.0, "", "What divides the excitatory response without inhibition.", bounds=POSITIVE)
    sigma_I = Param(1.0, "", "What divides the inhibitory response without inhibition.", bounds=POSITIVE)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        rE, rI = s
        F_E, F_I = Responses.fired(p, p.wEE * rE + p.P + u.rE_inp, p.wIE * rE + p.Q + u.rI_inp)
        drE = refractory(rE, F_E / (p.sigma_E + p.wEI * rI), p.r, p.tau_E)
        drI = refractory(rI, F_I / (p.sigma_I + p.wII * rI), p.r, p.tau_I)
        return drE, drI


class WilsonCowanDivisiveInputStep(WilsonCowanDivisiveStep):
    r"""Wilson–Cowan whose inhibition divides the recurrent excitation before the response.

    .. math::
        \tau_E\dot r_E &= -r_E + (1 - r\,r_E)\,F_E\Big(\frac{w_{EE}r_E}{\sigma_E + w_{EI}r_I} + P + I_E\Big) \\
        \tau_I\dot r_I &= -r_I + (1 - r\,r_I)\,F_I\Big(\frac{w_{IE}r_E}{\sigma_I + w_{II}r_I} + Q + I_I\Big)

    Source: Carandini & Heeger 2012, Nat. Rev. Neurosci. 13:51, doi:10.1038/nrn3136, for the division.
    """

    use_case, more = "E-I rates with divided excitation", True

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        rE, rI = s
        to_E = p.wEE * rE / (p.sigma_E + p.wEI * rI) + p.P + u.rE_inp
        to_I = p.wIE * rE / (p.sigma_I + p.wII * rI) + p.Q + u.rI_inp
        F_E, F_I = Responses.fired(p, to_E, to_I)
        return refractory(rE, F_E, p.r, p.tau_E), refractory(rI, F_I, p.r, p.tau_I)


class WilsonCowanAdaptiveStep(WilsonCowanStep):
    r"""Wilson–Cowan with spike-frequency adaptation: a slow current of each population works against it.

    .. math::
        \tau_E\dot r_E &= -r_E + (1 - r\,r_E)\,F_E(w_{EE}r_E - w_{EI}r_I - a_E + P + I_E), \qquad
        \tau_{aE}\dot a_E = -a_E + b_E r_E \\
        \tau_I\dot r_I &= -r_I + (1 - r\,r_I)\,F_I(w_{IE}r_E - w_{II}r_I - a_I + Q + I_I), \qquad
        \tau_{aI}\dot a_I = -a_I + b_I r_I

    The currents are the states `aE` and `aI`; `a_E` and `a_I` are the gains of the responses. With b = 0 it is
    `WilsonCowanStep`.

    Source: Benda & Herz 2003, A universal model for spike-frequency adaptation, Neural Comput. 15:2523,
    doi:10.1162/089976603322385063, for the adaptation.
    """

    use_case, more = "E-I rates with adaptation", True

    aE = State(0.0, "", "Adaptation of the excitatory population.", range=(0, 0.1))
    aI = State(0.0, "", "Adaptation of the inhibitory population.", range=(0, 0.1))
    tau_aE = Param(100.0, "ms", "Time constant of the excitatory adaptation.", bounds=POSITIVE)
    tau_aI = Param(80.0, "ms", "Time constant of the inhibitory adaptation.", bounds=POSITIVE)
    b_E = Param(0.1, "", "Strength of the excitatory adaptation.")
    b_I = Param(0.08, "", "Strength of the inhibitory adaptation.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        rE, rI, aE, aI = s
        adapted = u._replace(rE_inp=u.rE_inp - aE, rI_inp=u.rI_inp - aI)
        drE, drI = WilsonCowanStep.derivative(s, adapted, p)
        return drE, drI, (-aE + p.b_E * rE) / p.tau_aE, (-aI + p.b_I * rI) / p.tau_aI


class WilsonCowanThreePopulationStep(WilsonCowanStep):
    r"""Wilson–Cowan with a third, modulating population that excites both and is excited and inhibited by them.

    .. math::
        \tau_E\dot r_E &= -r_E + (1 - r\,r_E)\,F_E(w_{EE}r_E - w_{EI}r_I + w_{EM}r_M + P + I_E) \\
        \tau_I\dot r_I &= -r_I + (1 - r\,r_I)\,F_I(w_{IE}r_E - w_{II}r_I + w_{IM}r_M + Q + I_I) \\
        \tau_M\dot r_M &= -r_M + (1 - r\,r_M)\,F_M(w_{ME}r_E - w_{MI}r_I + w_{MM}r_M + I_M)

    Source: Wilson & Cowan 1972, Biophys. J. 12:1, doi:10.1016/S0006-3495(72)86068-5, with one more population.
    """

    use_case, more = "E-I rates with a modulating population", True

    rM = State(0.05, "", "Active fraction of the modulating population.", range=(0, 0.5))
    tau_M = Param(2.0, "ms", "Time constant of the modulating population.", bounds=POSITIVE)
    a_M = Param(1.0, "", "Gain of the modulating population.")
    theta_M = Param(3.5, "", "Threshold of the modulating population.")
    wEM = Param(4.0, "", "Weight to E from M.")
    wIM = Param(2.0, "", "Weight to I from M.")
    wME = Param(8.0, "", "Weight to M from E.")
    wMI = Param(6.0, "", "Weight to M from I.")
    wMM = Param(2.0, "", "Weight to M from M.")
    rM_inp = Input("", "Input to the modulating population.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        rE, rI, rM = s
        driven = u._replace(rE_inp=u.rE_inp + p.wEM * rM, rI_inp=u.rI_inp + p.wIM * rM)
        drE, drI = WilsonCowanStep.derivative(s, driven, p)
        F_M = response(p.wME * rE - p.wMI * rI + p.wMM * rM + u.rM_inp, p.a_M, p.theta_M)
        return drE, drI, refractory(rM, F_M, p.r, p.tau_M)
