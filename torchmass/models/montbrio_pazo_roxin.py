"""The exact mean field of quadratic integrate-and-fire neurons."""

import math
from typing import Any

from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Input, Param, State
from torchmass.model import NeuralMass


class MontbrioPazoRoxinStep(NeuralMass):
    r"""Exact mean field of all-to-all coupled quadratic integrate-and-fire neurons.

    .. math::
        \tau\dot r = \frac{\Delta}{\pi\tau} + 2rv, \qquad
        \tau\dot v = v^2 + \eta + J\tau r + I - (\pi\tau r)^2

    with r in spikes per ms in the equations and in Hz everywhere else. Between a low and a high state there is
    bistability; under constant input there are nodes and foci, and no limit cycle.

    Source: Montbrió, Pazó & Roxin 2015, Macroscopic description for networks of spiking neurons, Phys. Rev. X
    5:021028, doi:10.1103/PhysRevX.5.021028.
    """

    category, use_case = "physiological", "Exact QIF mean-field (theta neurons)"

    r = State(20.0, "Hz", "Population firing rate.", range=(0, 2000), bounds=NONNEGATIVE)
    v = State(-2.0, "", "Mean membrane potential.", range=(-2, 2))
    tau = Param(10.0, "ms", "Membrane time constant.", bounds=POSITIVE)
    eta = Param(-5.0, "", "Centre of the excitabilities.")
    delta = Param(1.0, "", "Half-width of the excitabilities, Δ.", bounds=POSITIVE)
    J = Param(15.0, "", "Synaptic weight.")
    v_inp = Input("", "Current from the network and from stimuli.", port=True)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        r, v = s.r * 1e-3, s.v  # spikes per ms
        dr = (p.delta / (math.pi * p.tau) + 2 * r * v) / p.tau
        dv = (v**2 + p.eta + p.J * p.tau * r + u.v_inp - (math.pi * p.tau * r) ** 2) / p.tau
        return dr * 1e3, dv
