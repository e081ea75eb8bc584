"""The van der Pol oscillator."""

from typing import Any

from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class VanDerPolStep(NeuralMass):
    r"""A relaxation oscillator in Liénard's coordinates: :math:`\ddot x = \mu(1 - x^2)\dot x - x` without input.

    .. math::
        \dot x = \mu\,(x - x^3/3 - y) + I_x, \qquad
        \dot y = x/\mu + I_y

    Nearly harmonic for small μ, with period 2π(1 + μ²/16) ms; slow drifts and fast jumps for large μ, with period
    (3 − 2 ln 2)μ + 7.014 μ^(−1/3) ms. The amplitude of x is about 2 throughout.

    Source: van der Pol 1926, On "relaxation-oscillations", Phil. Mag. 2:978, doi:10.1080/14786442608564127.
    """

    category, use_case = "phenomenological", "Nonlinear relaxation oscillations"

    x = State(0.1, "", "Position, the signal.", range=(-2, 2))
    y = State(0.0, "", "Liénard's coordinate, the slow variable for large μ.", range=(-1, 1))
    mu = Param(1.0, "1/ms", "Strength of the nonlinear damping.", bounds=POSITIVE)
    x_inp = Input("1/ms", "Added to the derivative of x.", port=True)
    y_inp = Input("1/ms", "Added to the derivative of y.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        x, y = s
        dx = p.mu * (x - x**3 / 3 - y) + u.x_inp
        dy = x / p.mu + u.y_inp
        return dx, dy
