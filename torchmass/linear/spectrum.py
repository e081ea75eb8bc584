"""The cross-spectrum of a linear network, what sampling makes of it, and covariances as its integral."""

import math

import torch
from torch import Tensor

from torchmass.linear.linear_network import LinearNetwork
from torchmass.linear.onset import floor, onset_covariance, onset_spectrum
from torchmass.linear.transfer import response

FAR = 5.0  # times the fastest mode of a node: from there on the spectrum is taken to be that of its floor
FEWEST, MOST, AT_ONCE = 128, 2**15, 512  # frequencies of an integral, and in one piece


def power(network: LinearNetwork, readout: Tensor, omega: Tensor) -> Tensor:
    """The diagonal of the cross-spectrum, (F, *b, N)."""
    return response(network, readout, omega).transfer.abs().square().sum((-2, -1))


def cross_spectrum(network: LinearNetwork, readout: Tensor, omega: Tensor) -> Tensor:
    """The spectrum per rad/ms and 2π, over both signs of ω, (F, *b, N, N): its integral over ω/2π is the covariance."""
    transfer = response(network, readout, omega).transfer.flatten(-2)  # (F, *b, N, N·D)
    return transfer @ transfer.mH


def folded(network: LinearNetwork, readout: Tensor, omega: Tensor, dt: float) -> Tensor:
    """The same of samples `dt` ms apart, into which faster frequencies fold; far out, those of the floor."""
    step, fastest = 2 * math.pi / dt, float(torch.linalg.eigvals(network.local.detach()).abs().max())
    folds = max(2, math.ceil(FAR * fastest / step))
    aliases = [omega + m * step for m in range(-folds, folds + 1)]
    near = sum(cross_spectrum(network, readout, alias) for alias in aliases)
    far = (dt / 2 / torch.sin(omega * dt / 2)) ** 2 - sum(1 / alias**2 for alias in aliases)
    return near + far.reshape(-1, *[1] * readout.ndim) * floor(network, readout)


def integrated(network: LinearNetwork, readout: Tensor, lag: float) -> Tensor:
    r"""The covariance at a lag in ms, \(\frac1\pi\int_0^\infty \mathrm{Re}\,S(\omega)e^{i\omega\,lag}d\omega\).

    (*b, N, N). The onset is taken out and added again in closed form, so that what is integrated falls off as ω⁻⁴: by
    the trapezoidal rule over θ, ω = s tan θ. The number of frequencies is doubled until nothing moves by more than 1e-6
    of the largest variance, in float32 3e-4. Raises `ValueError` where 2¹⁵ do not suffice.
    """
    rate = float(torch.linalg.eigvals(network.local.detach()).abs().max())
    enough = max(1e-6, torch.finfo(readout.dtype).eps ** 0.5)
    known = onset_covariance(network, readout, rate, 0.0).detach()
    count, found = FEWEST, _sum(network, readout, lag, rate, torch.arange(FEWEST) / FEWEST) / FEWEST
    while count <= MOST:
        between = _sum(network, readout, lag, rate, (torch.arange(count) + 0.5) / count) / count
        before, found, count = found, (found + between) / 2, 2 * count
        change, size = (found - before).detach().abs(), (found.detach() + known).abs()
        if bool((change.amax((-2, -1)) <= enough * size.amax((-2, -1))).all()):
            return found + onset_covariance(network, readout, rate, lag)
    raise ValueError(
        f"the covariance of the delayed network is not resolved by {MOST} frequencies: a mode almost does not decay."
    )


def _sum(network: LinearNetwork, readout: Tensor, lag: float, rate: float, places: Tensor) -> Tensor:
    """What is integrated over θ, summed over `places`, fractions of π/2; at 0, where a half begins, by half."""
    total = readout.new_zeros(())
    for part in places.to(readout).split(AT_ONCE):
        theta = part * (math.pi / 2)
        omega, weight = rate * torch.tan(theta), rate / torch.cos(theta) ** 2 / torch.where(part == 0, 4, 2)
        turning = (weight * torch.exp(1j * omega * lag)).reshape(-1, *[1] * readout.ndim)
        rest = cross_spectrum(network, readout, omega) - onset_spectrum(network, readout, rate, omega)
        total = total + (turning * rest).real.sum(0)
    return total
