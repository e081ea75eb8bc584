"""The normal form of the Hopf bifurcation."""

from typing import Any

from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.declare import Param
from torchmass.models.stuart_landau import StuartLandauStep, spiral


class HopfStep(StuartLandauStep):
    r"""Normal form of a supercritical Hopf bifurcation: at rest for a < 0, a limit cycle of radius √(a/β) for a > 0.

    .. math::
        \dot x = (a - \beta(x^2 + y^2))\,x - \omega y + I_x, \qquad
        \dot y = (a - \beta(x^2 + y^2))\,y + \omega x + I_y

    Source: Deco, Kringelbach, Jirsa & Ritter 2017, The dynamics of resting fluctuations in the brain, Sci. Rep.
    7:3095, doi:10.1038/s41598-017-03073-5.
    """

    category, use_case = "phenomenological", "Oscillation onset, rhythm generation"

    beta = Param(1.0, "1/ms", "Nonlinear damping.", bounds=POSITIVE)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        return spiral(s, u, p, p.a - p.beta * (s.x**2 + s.y**2))
