"""The Lorenz system."""

from typing import Any

from torch import Tensor

from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class LorenzStep(NeuralMass):
    r"""Deterministic chaos in three variables, a fixture for tests of coupling and synchronisation.

    .. math::
        \dot x = \sigma(y - x) + I, \qquad \dot y = x(\rho - z) - y, \qquad \dot z = xy - \beta z

    One unit of the paper's dimensionless time is 1 ms, so that a step should be about dt = 0.01 ms. The largest
    Lyapunov exponent at these parameters is 0.906 per ms.

    Source: Lorenz 1963, Deterministic nonperiodic flow, J. Atmos. Sci. 20:130,
    doi:10.1175/1520-0469(1963)020<0130:DNF>2.0.CO;2.
    """

    category, use_case = "phenomenological", "Chaos, coupling test fixture"
    usual_dt = 0.01

    x = State(1.0, "", "Intensity of the convection, the signal.", range=(-20, 20))
    y = State(1.0, "", "Difference of temperature between the currents.", range=(-25, 25))
    z = State(1.0, "", "Deviation of the temperature profile from a straight line.", range=(0, 50))
    sigma = Param(10.0, "1/ms", "Prandtl number.")
    rho = Param(28.0, "1/ms", "Rayleigh number relative to the critical one.")
    beta = Param(8 / 3, "1/ms", "Aspect of the convection cells.")
    x_inp = Input("1/ms", "Added to the derivative of x.", port=True)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        x, y, z = s
        dx = p.sigma * (y - x) + u.x_inp
        dy = x * (p.rho - z) - y
        dz = x * y - p.beta * z
        return dx, dy, dz
