"""Threshold-linear excitatory and inhibitory rates."""

from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class ThresholdLinearStep(NeuralMass):
    r"""Firing rates of an excitatory and an inhibitory population that follow their currents above threshold.

    .. math::
        \tau_E\,\dot E = -E + \beta_E\,[I_E]_+, \qquad
        \tau_I\,\dot I = -I + \beta_I\,[I_I]_+, \qquad [u]_+ = \max(u, 0)

    These are the nodes; the recurrent and long-range weights of the paper belong to a network. Rates stay ≥ 0.

    Source: Chaudhuri, Knoblauch, Gariel, Kennedy & Wang 2015, A large-scale circuit mechanism for hierarchical
    dynamical processing in the primate cortex, Neuron 88:419, doi:10.1016/j.neuron.2015.09.008.
    """

    category, use_case = "phenomenological", "Fast linear E-I responses"

    E = State(1.0, "Hz", "Excitatory rate.", bounds=NONNEGATIVE, range=(0, 40))
    I = State(1.0, "Hz", "Inhibitory rate.", bounds=NONNEGATIVE, range=(0, 40))
    tau_E = Param(20.0, "ms", "Excitatory time constant.", bounds=POSITIVE)
    tau_I = Param(10.0, "ms", "Inhibitory time constant.", bounds=POSITIVE)
    beta_E = Param(0.066, "Hz/pA", "Slope of the excitatory rate above threshold.", bounds=POSITIVE)
    beta_I = Param(0.351, "Hz/pA", "Slope of the inhibitory rate above threshold.", bounds=POSITIVE)
    E_inp = Input("pA", "Current into the excitatory population, above threshold where positive.", port=True)
    I_inp = Input("pA", "Current into the inhibitory population, above threshold where positive.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        dE = (-s.E + p.beta_E * torch.clamp(u.E_inp, min=0)) / p.tau_E
        dI = (-s.I + p.beta_I * torch.clamp(u.I_inp, min=0)) / p.tau_I
        return dE, dI
