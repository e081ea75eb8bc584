"""The unit of harmonic oscillator recurrent networks."""

import math
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class HORNStep(NeuralMass):
    r"""A damped harmonic oscillator that a bounded force drives: the unit of harmonic oscillator recurrent networks.

    .. math::
        y_{t+h} &= y_t + h\,\big(\alpha \tanh(u_t + v x_t) - 2\gamma y_t - \omega^2 x_t\big) \\
        x_{t+h} &= x_t + h\,y_{t+h}

    A map, the symplectic Euler step of :math:`\ddot x + 2\gamma\dot x + \omega^2 x = \alpha\tanh(u + v x)` with
    h = dt in ms, stepped by the method "map"; as a recurrent network, one step is one sample, dt = 1 ms, in which
    the defaults turn once in 28 samples. Undriven it decays with rate γ and, for small h, turns with
    √(ω² − γ²); without damping :math:`y^2 + \omega^2 x^2 - h\omega^2 x y` stays as it is whatever h, and it is stable
    for hω < 2. It starts at rest. A network reads the velocity y: `coupled_var="y"`.

    Source: Effenberger, Carvalho, Dubinin & Singer 2025, The functional role of oscillatory dynamics in neocortical
    circuits: a computational perspective, PNAS 122:e2412830122, doi:10.1073/pnas.2412830122.
    """

    category, use_case = "network", "Single coupled-oscillator step"
    usual_dt = 1.0

    x = State(0.0, "", "Amplitude, the signal.")
    y = State(0.0, "1/ms", "Velocity of x, which recurrent weights read.", range=(-0.2, 0.2))
    alpha = Param(0.04, "1/ms²", "Excitability: the largest force.")
    omega = Param(2 * math.pi / 28, "rad/ms", "Natural frequency.", bounds=POSITIVE)
    gamma = Param(0.01, "1/ms", "Damping.", bounds=NONNEGATIVE)
    v = Param(0.0, "", "Feedback of the amplitude within the force.")
    x_inp = Input("", "Within the tanh: what comes from the network and from stimuli.", port=True)

    @staticmethod
    def update(s: Any, u: Any, p: Any, dt: float) -> tuple[Tensor, ...]:
        x, y = s
        y = y + dt * (p.alpha * torch.tanh(u.x_inp + p.v * x) - 2 * p.gamma * y - p.omega**2 * x)
        return x + dt * y, y
