"""The Jansen–Rit model of a cortical column."""

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class JansenRitStep(NeuralMass):
    r"""A cortical column of pyramidal cells and two interneuron populations; its output is the EEG, E − I, in mV.

    .. math::
        \ddot M &= A_e b_e\,S(E - I + I_M) - 2b_e\dot M - b_e^2 M \\
        \ddot E &= A_e b_e\,(p + \mu + C a_2\,S(C a_1 M)) - 2b_e\dot E - b_e^2 E \\
        \ddot I &= A_i b_i\,C a_4\,S(C a_3 M + I_I) - 2b_i\dot I - b_i^2 I, \qquad
        S(v) = \frac{s_{max}}{1 + e^{-r(v - v_0)}}

    The paper's y₀, y₁, y₂ are M, E, I; its p(t), 120 to 320 Hz, is the input `E_inp` and its constant part `mu`.
    Velocities are in mV/s. From rest, a column stays there for p below 113.58 Hz, spikes slowly up to 137.38 Hz and
    makes alpha up to 315.70 Hz, an alpha that exists from 89.83 Hz on (Grimbert & Faugeras 2006, Bifurcation analysis
    of Jansen's neural mass model, Neural Comput. 18:3052, doi:10.1162/neco.2006.18.12.3052). `presets`: "rest",
    "spikes", "alpha".

    Source: Jansen & Rit 1995, Electroencephalogram and visual evoked potential generation in a mathematical model
    of coupled cortical columns, Biol. Cybern. 73:357, doi:10.1007/BF00199471.
    """

    category, use_case = "physiological", "EEG generation, alpha rhythms"

    M = State(0.0, "mV", "Potential that pyramidal cells evoke in interneurons.", range=(0, 0.2))
    E = State(0.0, "mV", "Excitatory potential on the pyramidal cells.", range=(0, 30))
    I = State(0.0, "mV", "Inhibitory potential on the pyramidal cells.", range=(0, 25))
    Mv = State(0.0, "mV/s", "Velocity of M.", range=(-5, 5))
    Ev = State(0.0, "mV/s", "Velocity of E.", range=(-500, 500))
    Iv = State(0.0, "mV/s", "Velocity of I.", range=(-500, 500))
    Ae = Param(3.25, "mV", "Maximum excitatory potential.", bounds=POSITIVE)
    Ai = Param(22.0, "mV", "Maximum inhibitory potential.", bounds=POSITIVE)
    be = Param(100.0, "Hz", "Inverse excitatory time constant.", bounds=POSITIVE)
    bi = Param(50.0, "Hz", "Inverse inhibitory time constant.", bounds=POSITIVE)
    C = Param(135.0, "", "Number of synapses.")
    a1 = Param(1.0, "", "Fraction of C, pyramidal to excitatory.")
    a2 = Param(0.8, "", "Fraction of C, excitatory to pyramidal.")
    a3 = Param(0.25, "", "Fraction of C, pyramidal to inhibitory.")
    a4 = Param(0.25, "", "Fraction of C, inhibitory to pyramidal.")
    s_max = Param(5.0, "Hz", "Maximum firing rate.", bounds=POSITIVE)
    v0 = Param(6.0, "mV", "Potential of half the maximum rate.")
    r = Param(0.56, "1/mV", "Slope of the sigmoid.", bounds=POSITIVE)
    mu = Param(0.0, "Hz", "Constant part of the excitatory rate from elsewhere.")
    M_inp = Input("mV", "Added to the potential of the pyramidal cells.")
    E_inp = Input("Hz", "Excitatory rate from elsewhere, p(t).", port=True)
    I_inp = Input("mV", "Added to the potential of the inhibitory cells.")

    presets = MappingProxyType({"alpha": {"mu": 220.0}, "spikes": {"mu": 125.0}, "rest": {"mu": 60.0}})

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        M, E, I, Mv, Ev, Iv = s
        S = lambda v: p.s_max * torch.sigmoid(p.r * (v - p.v0))
        dMv = p.Ae * p.be * S(E - I + u.M_inp) - 2 * p.be * Mv - p.be**2 * M
        dEv = p.Ae * p.be * (u.E_inp + p.mu + p.C * p.a2 * S(p.C * p.a1 * M)) - 2 * p.be * Ev - p.be**2 * E
        dIv = p.Ai * p.bi * p.C * p.a4 * S(p.C * p.a3 * M + u.I_inp) - 2 * p.bi * Iv - p.bi**2 * I
        per_ms = 1e-3  # the paper's time is in seconds
        return Mv * per_ms, Ev * per_ms, Iv * per_ms, dMv * per_ms, dEv * per_ms, dIv * per_ms

    output_unit = "mV"

    @staticmethod
    def output(s: Any, p: Any) -> Tensor:
        """The EEG, in mV."""
        return s.E - s.I
