"""The Epileptor, a phenomenological model of seizures, and its slow half."""

from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import POSITIVE, Bounds
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


def target(x1: Tensor, x0: Tensor, bend: Tensor | float, share: Tensor) -> Tensor:
    """What the permittivity follows: linear in x1, bent below 0, and to a share a sigmoid of it."""
    return (1 - share) * (4 * (x1 - x0) + bend) + share * (x0 + 3 * torch.sigmoid(10 * (x1 + 0.5)))


class EpileptorStep(NeuralMass):
    r"""Fast discharges (x₁, y₁), spike-and-wave events (x₂, y₂) and a slow permittivity z: seizures come and go.

    .. math::
        \dot x_1 &= y_1 - f_1 - z + I_1 + K_{vf}\,c_1, \qquad
        \dot y_1 = c - d x_1^2 - y_1 \\
        \dot z &= r\,(h - z + K_s\,c_1), \qquad
        h = (1 - m)\,\big(4(x_1 - x_0) + z_{nl}\big) + m\,\Big(x_0 + \frac{3}{1 + e^{-(x_1 + 1/2)/0.1}}\Big) \\
        \dot x_2 &= -y_2 + x_2 - x_2^3 + I_2 + b_b\,g - 0.3(z - 3.5) + K_f\,c_2, \qquad
        \dot y_2 = (-y_2 + f_2)/\tau \\
        \dot g &= -0.01\,(g - 0.1\,x_1)

    with f₁ = a x₁³ − b x₁² for x₁ < 0, else (x₂ − s − 0.6(z − 4)²) x₁; f₂ = 0 for x₂ < −0.25, else a_a(x₂ + 0.25);
    z_nl = −0.1 z⁷ for z < 0, else 0; everything times t_t. Seizures come and go for x₀ above about −2.06 and not below.
    The output is the local field potential x₂ − x₁.

    Source: Jirsa, Stacey, Quilichini, Ivanov & Bernard 2014, On the nature of seizure dynamics, Brain 137:2210,
    doi:10.1093/brain/awu133; z and the modification m as in The Virtual Brain.
    """

    category, use_case = "physiological", "Seizure onset/offset, epilepsy"

    x1 = State(-1.5, "", "Fast discharges.", range=(-2, 1))
    y1 = State(-10.0, "", "Recovery of the fast discharges.", range=(-20, 2))
    z = State(3.5, "", "Permittivity, the slow variable.", range=(2, 5))
    x2 = State(-1.0, "", "Spike-and-wave events.", range=(-2, 1))
    y2 = State(0.0, "", "Recovery of the events.", range=(0, 2))
    g = State(0.0, "", "Low-pass filter of x1.", range=(-1, 1))
    a = Param(1.0, "", "Cubic coefficient of x1.")
    b = Param(3.0, "", "Quadratic coefficient of x1.")
    c = Param(1.0, "", "Offset of y1.")
    d = Param(5.0, "", "Quadratic coefficient of y1.")
    r = Param(3.5e-4, "", "Rate of the permittivity, relative to the discharges.", bounds=POSITIVE)
    x0 = Param(-1.6, "", "Excitability: epileptogenic above about −2.06.")
    Iext = Param(3.1, "", "Current into the discharges.")
    slope = Param(0.0, "", "Linear coefficient of x1 where it is positive.")
    Iext2 = Param(0.45, "", "Current into the events.")
    tau = Param(10.0, "", "Time constant of y2, relative to x2.", bounds=POSITIVE)
    aa = Param(6.0, "", "Effect of x2 on y2.")
    bb = Param(2.0, "", "Effect of the filtered discharges on the events.")
    Kvf = Param(1.0, "", "Fast coupling into the discharges.")
    Kf = Param(1.0, "", "Fast coupling into the events.")
    Ks = Param(0.0, "", "Slow coupling, into the permittivity.")
    tt = Param(1.0, "1/ms", "Units of the paper's time in a ms.", bounds=POSITIVE)
    modification = Param(0.0, "", "Share of the sigmoid in the drive of the permittivity.", bounds=Bounds(0.0, 1.0))
    x1_inp = Input("", "What arrives at x1 and z from other regions.", port=True)
    x2_inp = Input("", "What arrives at x2 from other regions.")

    output_unit = ""

    @staticmethod
    def output(s: Any, p: Any) -> Tensor:
        """The local field potential, x2 − x1."""
        return s.x2 - s.x1

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        x1, y1, z, x2, y2, g = s
        f1 = torch.where(x1 < 0, -p.a * x1**2 + p.b * x1, p.slope - x2 + 0.6 * (z - 4) ** 2)
        f2 = torch.where(x2 < -0.25, 0.0, p.aa * (x2 + 0.25))
        h = target(x1, p.x0, torch.where(z < 0, -0.1 * z**7, 0.0), p.modification)
        dx1 = p.tt * (y1 - z + p.Iext + p.Kvf * u.x1_inp + f1 * x1)
        dy1 = p.tt * (p.c - p.d * x1**2 - y1)
        dz = p.tt * p.r * (h - z + p.Ks * u.x1_inp)
        dx2 = p.tt * (-y2 + x2 - x2**3 + p.Iext2 + p.bb * g - 0.3 * (z - 3.5) + p.Kf * u.x2_inp)
        dy2 = p.tt * (-y2 + f2) / p.tau
        dg = p.tt * -0.01 * (g - 0.1 * x1)
        return dx1, dy1, dz, dx2, dy2, dg


class Epileptor2dStep(NeuralMass):
    r"""The Epileptor on its slow time scale: whether a region seizes and recruits others, without the discharges.

    .. math::
        \dot x_1 &= 1 - x_1^3 - 2x_1^2 - z + I_1 + K_{vf}\,c_1 \\
        \dot z &= r\,(h - z + K_s\,c_1), \qquad
        h = (1 - m)\,4(x_1 - x_0) + m\,\Big(x_0 + \frac{3}{1 + e^{-(x_1 + 1/2)/0.1}}\Big)

    everything times t_t. With m = 0 a region rests below x₀ = −4/3 − z*/4, where z* = 1 + I₁ − 32/27 is the
    permittivity at the knee of the cubic (−2.062 at the defaults), and seizes again and again above. The permittivity
    couples with K_s = −1 and the coupling "diffusive", as in the virtual epileptic patient.

    Source: Proix, Bartolomei, Chauvel, Bernard & Jirsa 2014, Permittivity coupling across brain regions determines
    seizure recruitment in partial epilepsy, J. Neurosci. 34:15009, doi:10.1523/JNEUROSCI.1570-14.2014.
    """

    category, use_case, more = "physiological", "Virtual epileptic patient, seizure spread", True

    x1, z = EpileptorStep.x1, EpileptorStep.z
    x0, Iext, r, Kvf = EpileptorStep.x0, EpileptorStep.Iext, EpileptorStep.r, Param(0.0, "", "Fast coupling, into x1.")
    Ks = Param(-1.0, "", "Slow coupling, into the permittivity.")
    tt, modification, x1_inp = EpileptorStep.tt, EpileptorStep.modification, EpileptorStep.x1_inp

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        x1, z = s
        dx1 = 1 - x1**3 - 2 * x1**2 - z + p.Iext + p.Kvf * u.x1_inp
        dz = p.r * (target(x1, p.x0, 0.0, p.modification) - z + p.Ks * u.x1_inp)
        return p.tt * dx1, p.tt * dz
