"""Noise processes that drive a state or an input: `noise_<state>=WhiteNoise(0.02)`."""

from typing import Any

from torchmass.bounds import NONNEGATIVE
from torchmass.declare import Param
from torchmass.parametrised import Parametrised


class WhiteNoise(Parametrised):
    r"""Gaussian white noise of strength σ per √ms, independent for every node and simulation.

    On a state, \(dx = f\,dt + \sigma\,dW\): each step adds \(\sigma\sqrt{dt}\,\xi\) with standard normal ξ, spread
    evenly over the step, so that `euler` is Euler–Maruyama and `heun` the stochastic Heun method (for
    additive noise Itô and Stratonovich agree). On an input, the input carries \(\sigma\,\xi/\sqrt{dt}\), held over
    the step. The variance it causes does not depend on dt.

    `sigma` is a number, (N,), (B, 1) or (B, N), ≥ 0, in units of what it drives per √ms; it can be freed. The
    draws are a pure function of (seed, step, simulation, node, what is driven).

    Source: Kloeden & Platen 1992, doi:10.1007/978-3-662-12616-5.
    """

    sigma = Param(1.0, "per √ms", "Strength.", bounds=NONNEGATIVE)

    def __init__(self, sigma: Any = sigma.default) -> None:
        super().__init__(sigma=sigma)
