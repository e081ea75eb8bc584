"""The next-generation neural mass of Coombes and Byrne, with synapses that follow the rate or have a memory."""

import math
from typing import Any

from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


def spiking(r: Tensor, v: Tensor, g: Tensor, u: Any, p: Any) -> tuple[Tensor, Tensor]:
    """The derivatives of the rate and the potential under a conductance g."""
    dr = p.Delta / math.pi + 2 * r * v - g * r + u.r_inp
    dv = v**2 - (math.pi * r) ** 2 + p.eta + (p.v_syn - v) * g + u.v_inp
    return dr, dv


class CoombesByrneStep(NeuralMass):
    r"""The exact mean field of theta neurons with conductance-based synapses, whose conductance follows the rate.

    .. math::
        \dot r &= \Delta/\pi + 2 r v - g r + I_r, \qquad
        \dot v = v^2 - (\pi r)^2 + \eta + (v_{syn} - v)\,g + I_v, \qquad g = k\pi r

    The paper's unit of time is taken as 1 ms: r counts spikes per ms and neuron, and 1000 r is in Hz. With k = 0 it is
    `MontbrioPazoRoxinStep` with J = 0 and τ = 1 ms.

    Source: Coombes & Byrne 2019, Next generation neural mass models, in Nonlinear Dynamics in Computational
    Neuroscience, Springer, p. 1, doi:10.1007/978-3-319-71048-8_1.
    """

    category, use_case = "physiological", "Next-gen mean-field, conductance synapses"

    r = State(0.1, "1/ms", "Firing rate.", bounds=NONNEGATIVE, range=(0, 2))
    v = State(0.0, "", "Mean membrane potential.", range=(-2, 2))
    Delta = Param(1.0, "", "Half width of the excitabilities.", bounds=POSITIVE)
    eta = Param(2.0, "", "Mean excitability.")
    k = Param(1.0, "", "Strength of the synapses.")
    v_syn = Param(-4.0, "", "Reversal potential of the synapses.")
    r_inp = Input("1/ms²", "Added to the derivative of r.")
    v_inp = Input("1/ms", "Current, added to the derivative of v.", port=True)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        r, v = s
        return spiking(r, v, p.k * math.pi * r, u, p)


class CoombesByrne4dStep(NeuralMass):
    r"""The same mean field whose conductance g is a state: synapses with a rise and a decay of rate α.

    .. math::
        \dot r &= \Delta/\pi + 2 r v - g r + I_r, \qquad
        \dot v = v^2 - (\pi r)^2 + \eta + (v_{syn} - v)\,g + I_v \\
        \dot g &= \alpha q, \qquad
        \dot q = \alpha\,(k\pi r - g - 2q)

    Units as in `CoombesByrneStep`, which is its limit for fast synapses and has the same fixed points. At the defaults,
    the paper's, it oscillates.

    Source: Coombes & Byrne 2019, Next generation neural mass models, in Nonlinear Dynamics in Computational
    Neuroscience, Springer, p. 1, doi:10.1007/978-3-319-71048-8_1.
    """

    category, use_case, more = "physiological", "Next-gen mean-field, synapses with memory", True
    usual_dt = 0.01

    r, v = CoombesByrneStep.r, CoombesByrneStep.v
    g = State(1.0, "", "Conductance of the synapses.", range=(0, 5))
    q = State(0.0, "", "Rate of change of the conductance, over α.", range=(-1, 1))
    Delta = Param(0.5, "", "Half width of the excitabilities.", bounds=POSITIVE)
    eta = Param(20.0, "", "Mean excitability.")
    k = CoombesByrneStep.k
    v_syn = Param(-10.0, "", "Reversal potential of the synapses.")
    alpha = Param(0.95, "1/ms", "Rate of the synapses.", bounds=POSITIVE)
    r_inp, v_inp = CoombesByrneStep.r_inp, CoombesByrneStep.v_inp

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        r, v, g, q = s
        dr, dv = spiking(r, v, g, u, p)
        return dr, dv, p.alpha * q, p.alpha * (p.k * math.pi * r - g - 2 * q)
