"""The Wong–Wang models: two populations that decide, and regions at rest in two variables and in one."""

from types import MappingProxyType
from typing import Any

from torch import Tensor

from torchmass.bounds import POSITIVE, Bounds
from torchmass.declare import Input, Param, State
from torchmass.exprel import inverse_exprel
from torchmass.model import NeuralMass

FRACTION = Bounds(0.0, 1.0)
HZ_MS = 1e-3  # a rate in Hz, times this, is a rate per ms


def rate(current: Tensor, a: Tensor, b: Tensor, d: Tensor) -> Tensor:
    """The firing rate in Hz, (aI − b)/(1 − e^(−d(aI − b))), also where aI = b."""
    return inverse_exprel(-d * (a * current - b)) / d


class WongWangStep(NeuralMass):
    r"""Two populations that compete: the fraction of open NMDA channels of each, one of which wins.

    .. math::
        \dot S_k &= -S_k/\tau_S + (1 - S_k)\,\gamma\,H(x_k), \qquad
        H(x) = \frac{a x - b}{1 - e^{-d(a x - b)}} \\
        x_1 &= J_{11}S_1 - J_{12}S_2 + I_0 + J_{ext}\,\mu_0\,(1 + c) + I_1 \\
        x_2 &= J_{22}S_2 - J_{21}S_1 + I_0 + J_{ext}\,\mu_0\,(1 - c) + I_2

    μ₀ is the stimulus, 0 at rest, and c its coherence, −1 to 1. The paper's noise on the currents is
    `noise_S1_inp=tm.OUProcess(0.02 / 2**0.5, 2.0)` and the same for `S2_inp`.

    Source: Wong & Wang 2006, A recurrent network mechanism of time integration in perceptual decisions,
    J. Neurosci. 26:1314, doi:10.1523/JNEUROSCI.3733-05.2006.
    """

    category, use_case = "physiological", "Decision making (perceptual choice)"

    S1 = State(0.1, "", "Open fraction of NMDA channels of the first population.", bounds=FRACTION, range=(0, 0.8))
    S2 = State(0.1, "", "Open fraction of NMDA channels of the second population.", bounds=FRACTION, range=(0, 0.8))
    tau_S = Param(100.0, "ms", "Time constant of NMDA channels.", bounds=POSITIVE)
    gamma = Param(0.641, "", "Gain of the opening by spikes.", bounds=POSITIVE)
    a = Param(270.0, "Hz/nA", "Slope of the firing rate.")
    b = Param(108.0, "Hz", "Threshold of the firing rate.")
    d = Param(0.154, "s", "Sharpness of the threshold.", bounds=POSITIVE)
    J_N11 = Param(0.2609, "nA", "Self-excitation of the first population.")
    J_N22 = Param(0.2609, "nA", "Self-excitation of the second population.")
    J_N12 = Param(0.0497, "nA", "Inhibition of the first population by the second.")
    J_N21 = Param(0.0497, "nA", "Inhibition of the second population by the first.")
    J_A_ext = Param(5.2e-4, "nA/Hz", "Effect of the stimulus.")
    mu_0 = Param(30.0, "Hz", "Strength of the stimulus.")
    I_0 = Param(0.3255, "nA", "Background current.")
    S1_inp = Input("nA", "Current into the first population.", port=True)
    S2_inp = Input("nA", "Current into the second population.")
    coherence = Input("", "Coherence of the stimulus in favour of the first population, −1 to 1.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        S1, S2 = s
        stimulus = p.J_A_ext * p.mu_0
        x1 = p.J_N11 * S1 - p.J_N12 * S2 + p.I_0 + stimulus * (1 + u.coherence) + u.S1_inp
        x2 = p.J_N22 * S2 - p.J_N21 * S1 + p.I_0 + stimulus * (1 - u.coherence) + u.S2_inp
        dS1 = -S1 / p.tau_S + (1 - S1) * p.gamma * HZ_MS * rate(x1, p.a, p.b, p.d)
        dS2 = -S2 / p.tau_S + (1 - S2) * p.gamma * HZ_MS * rate(x2, p.a, p.b, p.d)
        return dS1, dS2


class WongWangExcInhStep(NeuralMass):
    r"""The reduced model of resting activity: an excitatory population held at a low rate by an inhibitory one.

    .. math::
        \dot S_E &= -S_E/\tau_E + (1 - S_E)\,\gamma_E H_E(x_E), \qquad
        \dot S_I = -S_I/\tau_I + \gamma_I H_I(x_I) \\
        x_E &= w_p J_N S_E - J_i S_I + W_E I_o + G J_N c + I_{ext}, \qquad
        x_I = J_N S_E - S_I + W_I I_o + \lambda G J_N c \\
        H_k(x) &= \frac{a_k x - b_k}{1 - e^{-d_k(a_k x - b_k)}}

    At these parameters the excitatory population rests near 3 Hz.

    Source: Deco, Ponce-Alvarez, Hagmann, Romani, Mantini & Corbetta 2014, How local excitation–inhibition ratio impacts
    the whole brain dynamics, J. Neurosci. 34:7886, doi:10.1523/JNEUROSCI.5068-13.2014.
    """

    category, use_case = "physiological", "Resting-state BOLD/FC, E-I balance"

    S_e = State(0.001, "", "Open fraction of excitatory synapses.", bounds=FRACTION, range=(0, 0.5))
    S_i = State(0.001, "", "Open fraction of inhibitory synapses.", bounds=FRACTION, range=(0, 0.5))
    a_e = Param(310.0, "Hz/nA", "Excitatory slope.")
    b_e = Param(125.0, "Hz", "Excitatory threshold.")
    d_e = Param(0.16, "s", "Sharpness of the excitatory threshold.", bounds=POSITIVE)
    gamma_e = Param(0.641e-3, "1/(ms Hz)", "Opening of excitatory synapses by spikes.", bounds=POSITIVE)
    tau_e = Param(100.0, "ms", "Excitatory time constant.", bounds=POSITIVE)
    w_p = Param(1.4, "", "Excitatory recurrence.")
    W_e = Param(1.0, "", "Background current of the excitatory population, times I_o.")
    a_i = Param(615.0, "Hz/nA", "Inhibitory slope.")
    b_i = Param(177.0, "Hz", "Inhibitory threshold.")
    d_i = Param(0.087, "s", "Sharpness of the inhibitory threshold.", bounds=POSITIVE)
    gamma_i = Param(1e-3, "1/(ms Hz)", "Opening of inhibitory synapses by spikes.", bounds=POSITIVE)
    tau_i = Param(10.0, "ms", "Inhibitory time constant.", bounds=POSITIVE)
    W_i = Param(0.7, "", "Background current of the inhibitory population, times I_o.")
    J_N = Param(0.15, "nA", "Excitatory synaptic coupling.")
    J_i = Param(1.0, "nA", "Local feedback inhibition.")
    I_o = Param(0.382, "nA", "Background current.")
    I_ext = Param(0.0, "nA", "External current into the excitatory population.")
    G = Param(2.0, "", "Gain of what arrives from other regions.")
    lamda = Param(0.0, "", "Share of the coupling that reaches the inhibitory population.")
    coupling = Input("", "What arrives from other regions, a weighted sum of their S_e.", port=True)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        S_e, S_i = s
        arriving = p.G * p.J_N * u.coupling
        x_e = p.w_p * p.J_N * S_e - p.J_i * S_i + p.W_e * p.I_o + arriving + p.I_ext
        x_i = p.J_N * S_e - S_i + p.W_i * p.I_o + p.lamda * arriving
        dS_e = -S_e / p.tau_e + (1 - S_e) * p.gamma_e * rate(x_e, p.a_e, p.b_e, p.d_e)
        dS_i = -S_i / p.tau_i + p.gamma_i * rate(x_i, p.a_i, p.b_i, p.d_i)
        return dS_e, dS_i


class ReducedWongWangStep(NeuralMass):
    r"""One excitatory population, the open fraction of its NMDA channels: the dynamic mean field of a resting region.

    .. math::
        \dot S = -S/\tau_S + (1 - S)\,\gamma\,H(x), \qquad
        x = w J_N S + J_N c + I_o + I_S, \qquad
        H(x) = \frac{a x - b}{1 - e^{-d(a x - b)}}

    `presets`: "deco_2013" (the defaults) and "tvb", w and I_o of The Virtual Brain.

    Source: Deco, Ponce-Alvarez, Mantini, Romani, Hagmann & Corbetta 2013, Resting-state functional connectivity emerges
    from structurally and dynamically shaped slow linear fluctuations, J. Neurosci. 33:11239,
    doi:10.1523/JNEUROSCI.1091-13.2013.
    """

    category, use_case, more = "physiological", "Resting-state BOLD/FC, one variable", True

    S = State(0.1, "", "Open fraction of NMDA channels.", bounds=FRACTION, range=(0, 0.9))
    a = Param(270.0, "Hz/nA", "Slope of the firing rate.")
    b = Param(108.0, "Hz", "Threshold of the firing rate.")
    d = Param(0.154, "s", "Sharpness of the threshold.", bounds=POSITIVE)
    gamma = Param(0.641, "", "Gain of the opening by spikes.", bounds=POSITIVE)
    tau_S = Param(100.0, "ms", "Time constant of NMDA channels.", bounds=POSITIVE)
    w = Param(0.9, "", "Local recurrence.")
    J_N = Param(0.2609, "nA", "Synaptic coupling.")
    I_o = Param(0.3, "nA", "Background current.")
    coupling = Input("", "What arrives from other regions, a weighted sum of their S.", port=True)
    S_inp = Input("nA", "Current from outside.")

    presets = MappingProxyType({"deco_2013": {}, "tvb": {"w": 0.6, "I_o": 0.33}})

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        (S,) = s
        x = p.w * p.J_N * S + p.J_N * u.coupling + p.I_o + u.S_inp
        dS = -S / p.tau_S + (1 - S) * p.gamma * HZ_MS * rate(x, p.a, p.b, p.d)
        return (dS,)
