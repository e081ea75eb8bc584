"""The Stuart–Landau oscillator."""

from typing import Any

from torch import Tensor

from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


def spiral(s: Any, u: Any, p: Any, growth: Tensor) -> tuple[Tensor, Tensor]:
    """The derivatives of what turns at the frequency w and grows at a rate."""
    return growth * s.x - p.w * s.y + u.x_inp, growth * s.y + p.w * s.x + u.y_inp


class StuartLandauStep(NeuralMass):
    r"""A weakly nonlinear oscillator near its onset, :math:`\dot z = (a + i\omega)z - |z|^2 z + I`, z = x + iy.

    .. math::
        \dot x = (a - x^2 - y^2)\,x - \omega y + I_x, \qquad
        \dot y = (a - x^2 - y^2)\,y + \omega x + I_y

    At rest for a < 0, a limit cycle of radius √a for a > 0: `HopfStep` with β = 1.

    Source: Kuramoto 1984, Chemical Oscillations, Waves, and Turbulence, Springer, doi:10.1007/978-3-642-69689-3.
    """

    category, use_case = "phenomenological", "Amplitude-controlled oscillations"

    x = State(0.1, "", "Real part, the signal.", range=(-1, 1))
    y = State(0.0, "", "Imaginary part, a quarter of a cycle behind.", range=(-1, 1))
    a = Param(0.25, "1/ms", "Distance from the onset of oscillation.")
    w = Param(0.2, "rad/ms", "Angular frequency.")
    x_inp = Input("1/ms", "Added to the derivative of x.", port=True)
    y_inp = Input("1/ms", "Added to the derivative of y.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        return spiral(s, u, p, p.a - (s.x**2 + s.y**2))
