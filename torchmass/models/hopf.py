"""The normal form of the Hopf bifurcation."""

from typing import Any

from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class HopfStep(NeuralMass):
    r"""Normal form of a supercritical Hopf bifurcation: at rest for a < 0, a limit cycle of radius √(a/β) for a > 0.

    .. math::
        \dot x = (a - \beta(x^2 + y^2))\,x - \omega y + I_x, \qquad
        \dot y = (a - \beta(x^2 + y^2))\,y + \omega x + I_y

    Source: Deco, Kringelbach, Jirsa & Ritter 2017, The dynamics of resting fluctuations in the brain, Sci. Rep.
    7:3095, doi:10.1038/s41598-017-03073-5.
    """

    category, use_case = "phenomenological", "Oscillation onset, rhythm generation"

    x = State(0.1, "", "First coordinate, the signal.", range=(-1, 1))
    y = State(0.0, "", "Second coordinate, a quarter of a cycle behind.", range=(-1, 1))
    a = Param(0.25, "1/ms", "Bifurcation parameter.")
    w = Param(0.2, "rad/ms", "Angular frequency.")
    beta = Param(1.0, "1/ms", "Nonlinear damping.", bounds=POSITIVE)
    x_inp = Input("1/ms", "Added to the derivative of x.", port=True)
    y_inp = Input("1/ms", "Added to the derivative of y.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        x, y = s
        growth = p.a - p.beta * (x**2 + y**2)
        dx = growth * x - p.w * y + u.x_inp
        dy = growth * y + p.w * x + u.y_inp
        return dx, dy
