"""Haemodynamic response functions: the BOLD signal that a moment of activity evokes."""

import math
from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import POSITIVE, Bounds
from torchmass.declare import Param, tabled
from torchmass.parametrised import Parametrised
from torchmass.stimuli.times import milliseconds
from torchmass.values import is_nonfinite


class HRFKernel(Parametrised):
    """A haemodynamic response function h(t) with declared parameters; a subclass defines `response`.

    `duration` is how long it lasts, in ms: it is 0 from there on. Calling it gives h at times in ms.
    """

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = tabled(cls)

    def __init__(self, duration: float = 20_000.0, **values: Any) -> None:
        super().__init__(None, **values)
        self.duration = milliseconds("duration", duration)

    @staticmethod
    def response(t: Tensor, p: Any) -> Tensor:
        """h at t > 0, in ms, which broadcasts with the parameters."""
        raise NotImplementedError

    def forward(self, t: Tensor) -> Tensor:
        """h at times t in ms, which broadcast with the parameters: 0 before 0 and after `duration`."""
        inside = (t > 0) & (t <= self.duration)
        found = torch.where(inside, self.response(torch.where(inside, t, 1.0), self.values()), 0.0)
        if is_nonfinite(found):
            raise ValueError(f"the response of {self} is not finite: it is not defined for these values.")
        return found


class FirstOrderVolterraHRFKernel(HRFKernel):
    r"""The first-order kernel of the balloon model's flow: a damped oscillation.

    .. math:: h(t) = k_1 V_0\,a\,\frac{\sin\omega t}{\omega}\,e^{-t/2\tau_s},
        \qquad \omega = \sqrt{1/\tau_f - 1/(4\tau_s^2)}

    with t and the constants in seconds. It oscillates where τ_f < 4τ_s², and is refused elsewhere.

    Source: Friston, Mechelli, Turner & Price 2000, NeuroImage 12:466, doi:10.1006/nimg.2000.0630.
    """

    tau_s = Param(800.0, "ms", "Decay of the signal.", bounds=POSITIVE)
    tau_f = Param(400.0, "ms", "Regulation by the flow.", bounds=POSITIVE)
    scaling = Param(1 / 3, "", "Height a.")
    k_1 = Param(5.6, "", "Weight of the flow in the signal.")
    V_0 = Param(0.02, "", "Fraction of venous blood at rest.", bounds=POSITIVE)

    @staticmethod
    def response(t: Tensor, p: Any) -> Tensor:
        t, tau_s, tau_f = 1e-3 * t, 1e-3 * p.tau_s, 1e-3 * p.tau_f
        omega = torch.sqrt(1 / tau_f - 1 / (4 * tau_s**2))
        return p.k_1 * p.V_0 * p.scaling * torch.sin(omega * t) / omega * torch.exp(-t / (2 * tau_s))


class GammaHRFKernel(HRFKernel):
    r"""A gamma function of height a, which it reaches at (n − 1)τ.

    .. math:: h(t) = a\left(\frac{t}{(n - 1)\tau}\right)^{n - 1} e^{\,n - 1 - t/\tau}

    Source: Boynton, Engel, Glover & Heeger 1996, J. Neurosci. 16:4207, doi:10.1523/JNEUROSCI.16-13-04207.1996.
    """

    tau = Param(1080.0, "ms", "Time constant.", bounds=POSITIVE)
    n = Param(3.0, "", "Order.", bounds=Bounds(1.0, strict=True))
    a = Param(0.1, "", "Height.")

    @staticmethod
    def response(t: Tensor, p: Any) -> Tensor:
        order, x = p.n - 1, t / p.tau
        return p.a * torch.exp(order * torch.log(x / order) + order - x)


class DoubleExponentialHRFKernel(HRFKernel):
    r"""The difference of two damped oscillations.

    .. math:: h(t) = A_1 e^{-t/\tau_1}\sin 2\pi f_1 t - A_2 e^{-t/\tau_2}\sin 2\pi f_2 t

    Source: Polonsky, Blake, Braun & Heeger 2000, Nat. Neurosci. 3:1153, doi:10.1038/80676.
    """

    tau_1 = Param(7220.0, "ms", "Decay of the first.", bounds=POSITIVE)
    tau_2 = Param(7400.0, "ms", "Decay of the second.", bounds=POSITIVE)
    f_1 = Param(0.03, "Hz", "Frequency of the first.", bounds=POSITIVE)
    f_2 = Param(0.12, "Hz", "Frequency of the second.", bounds=POSITIVE)
    amp_1 = Param(0.1, "", "Height of the first.")
    amp_2 = Param(0.1, "", "Height of the second.")

    def __init__(self, duration: float = 40_000.0, **values: Any) -> None:
        super().__init__(duration, **values)

    @staticmethod
    def response(t: Tensor, p: Any) -> Tensor:
        first = p.amp_1 * torch.exp(-t / p.tau_1) * torch.sin(2e-3 * math.pi * p.f_1 * t)
        return first - p.amp_2 * torch.exp(-t / p.tau_2) * torch.sin(2e-3 * math.pi * p.f_2 * t)


class MixtureOfGammasHRFKernel(HRFKernel):
    r"""A gamma function less a later one, the undershoot; without c its area is 1 s for l = 1 per s.

    .. math:: h(t) = \frac{(lt)^{a_1 - 1}e^{-lt}}{\Gamma(a_1)} - c\,\frac{(lt)^{a_2 - 1}e^{-lt}}{\Gamma(a_2)}

    Source: Glover 1999, Deconvolution of impulse response in event-related BOLD fMRI, NeuroImage 9:416,
    doi:10.1006/nimg.1998.0419.
    """

    a_1 = Param(6.0, "", "Order of the response.", bounds=POSITIVE)
    a_2 = Param(13.0, "", "Order of the undershoot.", bounds=POSITIVE)
    l = Param(1e-3, "1/ms", "Rate of both.", bounds=POSITIVE)
    c = Param(0.4, "", "Size of the undershoot.")

    @staticmethod
    def response(t: Tensor, p: Any) -> Tensor:
        x = p.l * t
        first, second = (torch.exp((a - 1) * torch.log(x) - x - torch.lgamma(a)) for a in (p.a_1, p.a_2))
        return first - p.c * second


KERNELS: Mapping[str, Callable[..., HRFKernel]] = MappingProxyType(
    {
        "volterra": FirstOrderVolterraHRFKernel,
        "gamma": GammaHRFKernel,
        "double_exponential": DoubleExponentialHRFKernel,
        "mixture_of_gammas": MixtureOfGammasHRFKernel,
        # the canonical functions of two programs, as nilearn has them
        "spm": partial(MixtureOfGammasHRFKernel, duration=32_000.0, a_2=16.0, c=0.167),
        "glover": partial(MixtureOfGammasHRFKernel, duration=32_000.0, a_1=6 / 0.9, a_2=12 / 0.9, l=1e-3 / 0.9, c=0.48),
    }
)
