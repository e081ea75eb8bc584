"""The Larter–Breakspear model of ion currents and synaptic feedback."""

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


def above(x: Tensor, threshold: Tensor, width: Tensor) -> Tensor:
    """The fraction of channels or cells whose threshold is below x."""
    return 0.5 * (1 + torch.tanh((x - threshold) / width))


REGIMES = {"fixed_point": 0.55, "limit_cycle": 0.60, "chaos": 0.65}  # spread of the thresholds, of both populations


class LarterBreakspearStep(NeuralMass):
    r"""Pyramidal cells with calcium, sodium and potassium currents, and inhibitory interneurons that hold them.

    .. math::
        \dot V &= t\,\big(-(g_{Ca} + r_N a_{ee} Q)\,m_{Ca}(V - V_{Ca}) - g_K W (V - V_K) - g_L (V - V_L)
                 - (g_{Na} m_{Na} + a_{ee} Q)(V - V_{Na}) - a_{ie} Z Q_Z + a_{ne} I\big) \\
        \dot W &= t\,\phi\,(m_K - W)/\tau_K, \qquad
        \dot Z = t\,b\,(a_{ni} I + a_{ei} V Q_V) \\
        m_k &= \tfrac12\big(1 + \tanh\tfrac{V - T_k}{\delta_k}\big), \quad
        Q_k = \tfrac12 Q_k^{max}\big(1 + \tanh\tfrac{k - k_T}{\delta_k}\big), \quad Q = (1 - C)\,Q_V + C\,c

    c is the mean firing of other regions, C its share. The presets are those of the paper for one node: with
    `LarterBreakspearStep.preset("chaos")`, "limit_cycle" and "fixed_point" only the spread of the thresholds,
    δ_V = δ_Z, differs.

    Source: Breakspear, Terry & Friston 2003, Modulation of excitatory synaptic coupling facilitates synchronization and
    complex dynamics in a biophysical model of neuronal dynamics, Network 14:703, doi:10.1088/0954-898X_14_4_305.
    """

    category, use_case = "physiological", "Conductance-based limit cycles / chaos"

    V = State(0.1, "", "Mean membrane potential of pyramidal cells.", range=(-0.5, 0.5))
    W = State(0.1, "", "Open fraction of potassium channels.", range=(0, 1))
    Z = State(0.1, "", "Mean membrane potential of inhibitory interneurons.", range=(-0.5, 0.5))
    gCa = Param(1.1, "", "Conductance of calcium channels.")
    gK = Param(2.0, "", "Conductance of potassium channels.")
    gL = Param(0.5, "", "Conductance of leak channels.")
    gNa = Param(6.7, "", "Conductance of sodium channels.")
    TCa = Param(-0.01, "", "Threshold of calcium channels.")
    TK = Param(0.0, "", "Threshold of potassium channels.")
    TNa = Param(0.3, "", "Threshold of sodium channels.")
    d_Ca = Param(0.15, "", "Spread of calcium thresholds.", bounds=POSITIVE)
    d_K = Param(0.3, "", "Spread of potassium thresholds.", bounds=POSITIVE)
    d_Na = Param(0.15, "", "Spread of sodium thresholds.", bounds=POSITIVE)
    VCa = Param(1.0, "", "Reversal potential of calcium.")
    VK = Param(-0.7, "", "Reversal potential of potassium.")
    VL = Param(-0.5, "", "Reversal potential of the leak.")
    VNa = Param(0.53, "", "Reversal potential of sodium.")
    phi = Param(0.7, "", "Temperature factor of potassium channels.")
    tau_K = Param(1.0, "ms", "Time constant of potassium channels.", bounds=POSITIVE)
    aee = Param(0.4, "", "Excitation of pyramidal cells by pyramidal cells.")
    aei = Param(2.0, "", "Excitation of interneurons by pyramidal cells.")
    aie = Param(2.0, "", "Inhibition of pyramidal cells by interneurons.")
    ane = Param(1.0, "", "Effect of the external current on pyramidal cells.")
    ani = Param(0.4, "", "Effect of the external current on interneurons.")
    b = Param(0.1, "1/ms", "Rate of the interneurons.")
    C = Param(0.1, "", "Share of the excitation that comes from other regions.")
    Iext = Param(0.3, "", "External current.")
    rNMDA = Param(0.25, "", "Ratio of NMDA to AMPA receptors.")
    VT = Param(0.0, "", "Mean threshold of pyramidal cells.")
    d_V = Param(0.65, "", "Spread of the thresholds of pyramidal cells.", bounds=POSITIVE)
    ZT = Param(0.0, "", "Mean threshold of interneurons.")
    d_Z = Param(0.7, "", "Spread of the thresholds of interneurons.", bounds=POSITIVE)
    QV_max = Param(1.0, "", "Largest firing of pyramidal cells.")
    QZ_max = Param(1.0, "", "Largest firing of interneurons.")
    t_scale = Param(1.0, "1/ms", "Units of the paper's time in a ms.", bounds=POSITIVE)
    V_inp = Input("", "Mean firing of other regions, weighted.", port=True)

    presets = MappingProxyType(
        {name: {"gCa": 1.0, "aee": 0.36, "C": 0.0, "d_V": d, "d_Z": d} for name, d in REGIMES.items()}
    )

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        V, W, Z = s
        Q_V, Q_Z = p.QV_max * above(V, p.VT, p.d_V), p.QZ_max * above(Z, p.ZT, p.d_Z)
        excitation = p.aee * ((1 - p.C) * Q_V + p.C * u.V_inp)
        calcium = (p.gCa + p.rNMDA * excitation) * above(V, p.TCa, p.d_Ca) * (V - p.VCa)
        sodium = (p.gNa * above(V, p.TNa, p.d_Na) + excitation) * (V - p.VNa)
        ionic = calcium + p.gK * W * (V - p.VK) + p.gL * (V - p.VL) + sodium
        dV = p.t_scale * (-ionic - p.aie * Z * Q_Z + p.ane * p.Iext)
        dW = p.t_scale * p.phi * (above(V, p.TK, p.d_K) - W) / p.tau_K
        dZ = p.t_scale * p.b * (p.ani * p.Iext + p.aei * V * Q_V)
        return dV, dW, dZ
