"""The generic planar oscillator of The Virtual Brain."""

from types import MappingProxyType
from typing import Any

from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class Generic2dOscillatorStep(NeuralMass):
    r"""A cubic and a parabolic nullcline whose coefficients are free: most planar dynamics, by parameters alone.

    .. math::
        \dot V = d\,\tau\,(-f V^3 + e V^2 + g V + \alpha W + \gamma I + \gamma I_V), \qquad
        \dot W = \frac{d}{\tau}\,(a + b V + c V^2 - \beta W)

    `presets` are regimes that the documentation of The Virtual Brain names: "excitable" (the defaults), "limit_cycle",
    "bistable" (at rest or on a cycle, depending on the start) and "morris_lecar", excitable with a curved nullcline.

    Source: Sanz-Leon, Knock, Spiegler & Jirsa 2015, Mathematical framework for large-scale brain network modeling in
    The Virtual Brain, NeuroImage 111:385, doi:10.1016/j.neuroimage.2015.01.002.
    """

    category, use_case = "phenomenological", "Flexible planar dynamics (TVB)"

    V = State(0.1, "", "Fast variable, the signal.", range=(-2, 4))
    W = State(0.0, "", "Slow variable.", range=(-6, 6))
    a = Param(-2.0, "", "Height of the nullcline of W.")
    b = Param(-10.0, "", "Slope of the nullcline of W.")
    c = Param(0.0, "", "Curvature of the nullcline of W.")
    d = Param(0.02, "1/ms", "Rate of both variables.", bounds=POSITIVE)
    e = Param(3.0, "", "Quadratic coefficient of V.")
    f = Param(1.0, "", "Cubic coefficient of V.")
    g = Param(0.0, "", "Linear coefficient of V.")
    alpha = Param(1.0, "", "Effect of W on V.")
    beta = Param(1.0, "", "Decay of W.")
    gamma = Param(1.0, "", "Gain of the currents.")
    I = Param(0.0, "", "Constant current.")
    tau = Param(1.0, "", "Separation of the time scales, √ of their ratio.", bounds=POSITIVE)
    V_inp = Input("", "Current into V.", port=True)

    presets = MappingProxyType(
        {
            "excitable": {},
            "limit_cycle": {"a": 2.0},
            "bistable": {"a": 1.0, "b": 0.0, "c": -5.0},
            "morris_lecar": {"a": 0.5, "b": 0.6, "c": -4.0},
        }
    )

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        V, W = s
        dV = p.d * p.tau * (-p.f * V**3 + p.e * V**2 + p.g * V + p.alpha * W + p.gamma * (p.I + u.V_inp))
        dW = p.d / p.tau * (p.a + p.b * V + p.c * V**2 - p.beta * W)
        return dV, dW
