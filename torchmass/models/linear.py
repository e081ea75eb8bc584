"""The damped linear node."""

from typing import Any

from torch import Tensor

from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class LinearStep(NeuralMass):
    r"""A leaky integrator that decays as e^(γt) and rests at −I/γ.

    .. math:: \dot x = \gamma x + I

    Source: the Linear model of The Virtual Brain, Sanz-Leon et al. 2015, NeuroImage 111:385,
    doi:10.1016/j.neuroimage.2015.01.002.
    """

    category, use_case = "phenomenological", "Baseline node, coupling sanity checks"

    x = State(0.1, "", "Activity.", range=(-1, 1))
    gamma = Param(-10.0, "1/ms", "Growth rate; negative is decay.")
    x_inp = Input("1/ms", "Added to the derivative of x.", port=True)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        (x,) = s
        dx = p.gamma * x + u.x_inp
        return (dx,)
