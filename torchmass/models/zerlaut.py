"""The mean field of adaptive exponential integrate-and-fire neurons, of first and of second order."""

import math
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE, Bounds
from torchmass.declare import Input, Param, State
from torchmass.jet import Covariance, Jet
from torchmass.model import NeuralMass

SPONTANEOUS = 1e-3  # Hz, of every synapse, as in The Virtual Brain: the fluctuations never vanish
KHZ = 1e-3  # of a Hz


def membrane(f_e: Any, f_i: Any, W: Tensor, E_L: Tensor, p: Any) -> tuple[Any, Any, Any]:
    """Mean and deviation in mV, and correlation time in ms, of a membrane that receives events at these rates, in kHz.

    The rates are tensors, or jets of them.
    """
    G_e, G_i = f_e * (p.Q_e * p.tau_e), f_i * (p.Q_i * p.tau_i)
    R = (G_e + G_i + p.g_L).reciprocal()
    mu, tau = (G_e * p.E_e + G_i * p.E_i + (p.g_L * E_L - W)) * R, R * p.C_m
    v_e = f_e * ((-mu + p.E_e) * R).square() * (p.Q_e * p.tau_e) ** 2
    v_i = f_i * ((-mu + p.E_i) * R).square() * (p.Q_i * p.tau_i) ** 2
    power = v_e * (tau + p.tau_e).reciprocal() + v_i * (tau + p.tau_i).reciprocal()
    return mu, (power * 0.5).sqrt(), (v_e + v_i) * power.reciprocal()


def fired(mu: Any, sigma: Any, T_V: Any, threshold: Any, p: Any) -> Any:
    """The firing rate in Hz of neurons whose membrane fluctuates so, through the fitted effective threshold."""
    V, S, T = (mu + 60.0) * 0.1, (sigma - 4.0) * (1 / 6), T_V * (p.g_L / p.C_m) - 0.5
    P0, P1, P2, P3, P4, P5, P6, P7, P8, P9 = threshold
    bent = V.square() * P4 + S.square() * P5 + T.square() * P6 + V * S * P7 + V * T * P8 + S * T * P9
    effective = V * P1 + S * P2 + T * P3 + bent + P0
    distance = (effective - mu) * sigma.reciprocal() * math.sqrt(0.5)
    return distance.erfc() * T_V.reciprocal() * (0.5 / KHZ)


def populations(E: Any, I: Any, s: Any, u: Any, p: Any) -> tuple[Any, Any, Any, Any]:
    """The rates that both populations are driven to, in Hz, and their mean potentials, in mV."""
    f_e = (E + SPONTANEOUS) * (KHZ * (1 - p.g) * p.p_connect_e * p.N_tot)
    f_i = (I + SPONTANEOUS) * (KHZ * p.g * p.p_connect_i * p.N_tot)
    to_e = torch.clamp(p.external_input_ex_ex + u.E_inp, min=0) * (KHZ * p.K_ext_e)
    to_i = torch.clamp(p.external_input_in_ex + p.S_i * u.E_inp, min=0) * (KHZ * p.K_ext_e)
    at_e = membrane(f_e + to_e, f_i, s.W_e, p.E_L_e, p)
    at_i = membrane(f_e + to_i, f_i, s.W_i, p.E_L_i, p)
    P_e, P_i = (tuple(getattr(p, f"P_{k}{n}") for n in range(10)) for k in "ei")
    return fired(*at_e, P_e, p), fired(*at_i, P_i, p), at_e[0], at_i[0]


def adaptation(s: Any, mu_e: Tensor, mu_i: Tensor, p: Any) -> tuple[Tensor, Tensor]:
    """The derivatives of the two adaptation currents, in pA per ms."""
    dW_e = (-s.W_e + p.a_e * (mu_e - p.E_L_e)) / p.tau_w_e + p.b_e * KHZ * s.E
    dW_i = (-s.W_i + p.a_i * (mu_i - p.E_L_i)) / p.tau_w_i + p.b_i * KHZ * s.I
    return dW_e, dW_i


class ZerlautStep(NeuralMass):
    r"""Rates of excitatory and inhibitory adaptive exponential integrate-and-fire neurons with conductance synapses.

    .. math::
        T\dot\nu_k &= F_k(\nu_e, \nu_i, W_k) - \nu_k, \qquad
        \dot W_k = \big(-W_k + a_k(\mu_k - E_{L,k})\big)/\tau_{w,k} + b_k\nu_k \\
        F &= \frac{1}{2T_V}\,\mathrm{erfc}\Big(\frac{V_{thr} - \mu}{\sqrt 2\,\sigma}\Big), \qquad
        V_{thr} = P_0 + P_1 V + P_2 S + P_3 T' + P_4 V^2 + P_5 S^2 + P_6 T'^2 + P_7 VS + P_8 VT' + P_9 ST'

    with V = (μ + 60)/10, S = (σ − 4)/6, T' = T_V g_L/C_m − 1/2. The membrane receives events at the rates
    f_e = (1 − g) p_e N ν_e + K_ext ν_ext and f_i = g p_i N ν_i, and its mean, variance and correlation time are

    .. math::
        \mu &= \frac{G_e E_e + G_i E_i + g_L E_L - W}{G}, \qquad G = g_L + G_e + G_i, \qquad G_s = Q_s\tau_s f_s \\
        \sigma^2 &= \sum_s \frac{v_s}{2(\tau_s + C_m/G)}, \qquad
        T_V = \frac{\sum_s v_s}{2\sigma^2}, \qquad v_s = f_s\,\big(Q_s\tau_s(E_s - \mu)/G\big)^2

    ν_ext is `external_input_ex_ex` or `external_input_in_ex`, and what arrives at `E_inp`; below 0 it is 0. The
    coefficients P are fits to the spiking neuron. The output is the excitatory rate: 1.4 Hz at the defaults, strongly
    adapted as in sleep, 2.8 Hz with b_e = 5 pA, as awake. Below b_e = 38 pA a second state, near 190 Hz, is stable:
    paroxysmal.

    Source: di Volo, Romagnoni, Capone & Destexhe 2019, Biologically realistic mean-field models of conductance-based
    networks of spiking neurons with adaptation, Neural Comput. 31:653, doi:10.1162/neco_a_01173; Zerlaut, Chemla,
    Chavane & Destexhe 2018, J. Comput. Neurosci. 44:45, doi:10.1007/s10827-017-0668-2; values as in The Virtual Brain,
    and the paper's external rate.
    """

    category, use_case, more = "physiological", "Mean field of AdEx neurons, wake and sleep", True

    E = State(2.0, "Hz", "Excitatory rate.", range=(1, 50), bounds=NONNEGATIVE)
    I = State(9.0, "Hz", "Inhibitory rate.", range=(1, 80), bounds=NONNEGATIVE)
    W_e = State(50.0, "pA", "Adaptation of the excitatory neurons.", range=(0, 200))
    W_i = State(0.0, "pA", "Adaptation of the inhibitory neurons.", range=(0, 10))
    g_L = Param(10.0, "nS", "Leak conductance.", bounds=POSITIVE)
    E_L_e = Param(-65.0, "mV", "Leak reversal of the excitatory neurons.")
    E_L_i = Param(-65.0, "mV", "Leak reversal of the inhibitory neurons.")
    C_m = Param(200.0, "pF", "Capacitance.", bounds=POSITIVE)
    b_e = Param(60.0, "pA", "Adaptation of excitatory neurons by a spike.")
    a_e = Param(4.0, "nS", "Adaptation of excitatory neurons by their potential.")
    b_i = Param(0.0, "pA", "Adaptation of inhibitory neurons by a spike.")
    a_i = Param(0.0, "nS", "Adaptation of inhibitory neurons by their potential.")
    tau_w_e = Param(500.0, "ms", "Time constant of excitatory adaptation.", bounds=POSITIVE)
    tau_w_i = Param(1.0, "ms", "Time constant of inhibitory adaptation.", bounds=POSITIVE)
    E_e = Param(0.0, "mV", "Excitatory reversal potential.")
    E_i = Param(-80.0, "mV", "Inhibitory reversal potential.")
    Q_e = Param(1.5, "nS", "Conductance of an excitatory event.", bounds=POSITIVE)
    Q_i = Param(5.0, "nS", "Conductance of an inhibitory event.", bounds=POSITIVE)
    tau_e = Param(5.0, "ms", "Decay of an excitatory event.", bounds=POSITIVE)
    tau_i = Param(5.0, "ms", "Decay of an inhibitory event.", bounds=POSITIVE)
    N_tot = Param(10_000.0, "", "Number of neurons.", bounds=POSITIVE)
    p_connect_e = Param(0.05, "", "Probability of a synapse from an excitatory neuron.", bounds=POSITIVE)
    p_connect_i = Param(0.05, "", "Probability of a synapse from an inhibitory neuron.", bounds=POSITIVE)
    g = Param(0.2, "", "Fraction of inhibitory neurons.", bounds=Bounds(0.0, 1.0, strict=True))
    K_ext_e = Param(400.0, "", "Number of synapses from outside.", bounds=NONNEGATIVE)
    T = Param(20.0, "ms", "Time in which the rates follow.", bounds=POSITIVE)
    external_input_ex_ex = Param(2.5, "Hz", "Constant rate from outside, to the excitatory neurons.")
    external_input_in_ex = Param(2.5, "Hz", "Constant rate from outside, to the inhibitory neurons.")
    S_i = Param(1.0, "", "Share of what arrives that reaches the inhibitory neurons.")
    P_e0 = Param(-49.83106, "mV", "Excitatory threshold.")
    P_e1 = Param(5.063550882777035, "mV", "Excitatory threshold, by V.")
    P_e2 = Param(-23.470121807314552, "mV", "Excitatory threshold, by S.")
    P_e3 = Param(2.2951513725067503, "mV", "Excitatory threshold, by T'.")
    P_e4 = Param(-0.4105302652029825, "mV", "Excitatory threshold, by V².")
    P_e5 = Param(10.547051343547399, "mV", "Excitatory threshold, by S².")
    P_e6 = Param(-36.59252821136933, "mV", "Excitatory threshold, by T'².")
    P_e7 = Param(7.437487505797858, "mV", "Excitatory threshold, by VS.")
    P_e8 = Param(1.265064721846073, "mV", "Excitatory threshold, by VT'.")
    P_e9 = Param(-40.72161294490446, "mV", "Excitatory threshold, by ST'.")
    P_i0 = Param(-51.49122024209484, "mV", "Inhibitory threshold.")
    P_i1 = Param(4.003689190271077, "mV", "Inhibitory threshold, by V.")
    P_i2 = Param(-8.352013668528155, "mV", "Inhibitory threshold, by S.")
    P_i3 = Param(0.2414237992765705, "mV", "Inhibitory threshold, by T'.")
    P_i4 = Param(-0.5070645080016026, "mV", "Inhibitory threshold, by V².")
    P_i5 = Param(1.4345394104282397, "mV", "Inhibitory threshold, by S².")
    P_i6 = Param(-14.686689498949967, "mV", "Inhibitory threshold, by T'².")
    P_i7 = Param(4.502706285435741, "mV", "Inhibitory threshold, by VS.")
    P_i8 = Param(2.8472190352532454, "mV", "Inhibitory threshold, by VT'.")
    P_i9 = Param(-15.357804594594548, "mV", "Inhibitory threshold, by ST'.")
    E_inp = Input("Hz", "Excitatory rate from other regions and outside.", port=True)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        F_e, F_i, mu_e, mu_i = populations(s.E, s.I, s, u, p)
        dW_e, dW_i = adaptation(s, mu_e, mu_i, p)
        return (F_e - s.E) / p.T, (F_i - s.I) / p.T, dW_e, dW_i


class ZerlautSecondOrderStep(ZerlautStep):
    r"""The same mean field with the covariances of its rates, which a finite number of neurons makes fluctuate.

    .. math::
        T\dot\nu_\mu &= F_\mu - \nu_\mu
        + \tfrac12\sum_{\lambda\eta} c_{\lambda\eta}\,\partial_\lambda\partial_\eta F_\mu \\
        T\dot c_{\lambda\eta} &= \delta_{\lambda\eta}\,\frac{F_\lambda(1/T - F_\lambda)}{N_\lambda}
        + (F_\lambda - \nu_\lambda)(F_\eta - \nu_\eta)
        - 2c_{\lambda\eta}
        + \sum_\mu \big(c_{\lambda\mu}\,\partial_\mu F_\eta + c_{\eta\mu}\,\partial_\mu F_\lambda\big)

    The derivatives are exact; the rest is as in `ZerlautStep`. (The Virtual Brain 2.10 divides the derivatives by 1000,
    so that they hardly act, and has ∂F_e/∂ν_e where the covariance of both rates needs ∂F_i/∂ν_e.) The equations
    describe small fluctuations about a state that lasts: where the rates are driven far from it (an input that jumps by
    more than 1 Hz, say) the covariances run away with them, and the run stops with `NonFiniteError`.

    Source: El Boustani & Destexhe 2009, A master equation formalism for macroscopic modeling of asynchronous irregular
    activity states, Neural Comput. 21:46, doi:10.1162/neco.2009.02-08-710, for the covariances; di Volo et al. 2019,
    Neural Comput. 31:653, doi:10.1162/neco_a_01173.
    """

    use_case = "Mean field of AdEx neurons, finite size"

    C_ee = State(0.0, "Hz²", "Variance of the excitatory rate.", range=(0, 2))
    C_ei = State(0.0, "Hz²", "Covariance of both rates.", range=(-1, 1))
    C_ii = State(0.0, "Hz²", "Variance of the inhibitory rate.", range=(0, 2))

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        c = Covariance(s.C_ee, s.C_ei, s.C_ii)
        F_e, F_i, mu_e, mu_i = populations(Jet(s.E, 1.0, 0.0, 0.0, c), Jet(s.I, 0.0, 1.0, 0.0, c), s, u, p)
        dE, dI = F_e.value - s.E, F_i.value - s.I
        A_ee = F_e.value * (1 / (KHZ * p.T) - F_e.value) / (p.N_tot * (1 - p.g))
        A_ii = F_i.value * (1 / (KHZ * p.T) - F_i.value) / (p.N_tot * p.g)
        to_e = lambda F: c.xx * F.x + c.xy * F.y
        to_i = lambda F: c.xy * F.x + c.yy * F.y
        dC_ee = A_ee + dE**2 + 2 * to_e(F_e) - 2 * c.xx
        dC_ei = dE * dI + to_e(F_i) + to_i(F_e) - 2 * c.xy
        dC_ii = A_ii + dI**2 + 2 * to_i(F_i) - 2 * c.yy
        slow = adaptation(s, mu_e.value, mu_i.value, p)
        rates = (dE + 0.5 * F_e.bend) / p.T, (dI + 0.5 * F_i.bend) / p.T
        return *rates, *slow, dC_ee / p.T, dC_ei / p.T, dC_ii / p.T
