"""The cross-spectrum of a linear network, what sampling makes of it, and covariances as its integral."""

import math

import torch
from torch import Tensor

from torchmass.linear.linear_network import LinearNetwork
from torchmass.linear.transfer import response

FOLDS = 2  # multiples of the sampling frequency, on either side, whose spectrum is taken as it is
FEWEST, MOST, AT_ONCE = 256, 2**15, 512  # frequencies of an integral, and in one piece


def cross_spectrum(network: LinearNetwork, readout: Tensor, omega: Tensor) -> Tensor:
    """The spectrum per rad/ms and 2π, over both signs of ω, (F, *b, N, N): its integral over ω/2π is the covariance."""
    transfer = response(network, readout, omega).transfer.flatten(-2)  # (F, *b, N, N·D)
    return transfer @ transfer.mH


def floor(network: LinearNetwork, readout: Tensor) -> Tensor:
    """Noise in the signal itself, (*b, N, N): far out the spectrum is this over ω²."""
    return torch.diag_embed((readout.unsqueeze(-2) @ network.noise).square().sum((-2, -1)))


def folded(network: LinearNetwork, readout: Tensor, omega: Tensor, dt: float) -> Tensor:
    """The same of samples `dt` ms apart, into which faster frequencies fold; what is far out is summed as the floor."""
    shape, step = (-1, *[1] * (readout.ndim)), 2 * math.pi / dt
    aliases = [omega + m * step for m in range(-FOLDS, FOLDS + 1)]
    near = sum(cross_spectrum(network, readout, alias) for alias in aliases)
    far = (dt / 2 / torch.sin(omega * dt / 2)) ** 2 - sum(1 / alias**2 for alias in aliases)
    return near + far.reshape(shape) * floor(network, readout)


def integrated(network: LinearNetwork, readout: Tensor, lag: float) -> Tensor:
    r"""The covariance at a lag in ms as \(\frac1\pi\int_0^\infty \mathrm{Re}\,S(\omega)e^{i\omega\,lag}d\omega\), (*b, N, N).

    What the noise does by itself, at some rate of decay, is taken out and added again in closed form, so that what is
    integrated falls off as ω⁻³. The number of frequencies is doubled until nothing moves by more than the square root of
    the resolution of floats (1e-6 at least). Raises `ValueError` where 2¹⁵ do not suffice.
    """
    scale = float(torch.linalg.eigvals(network.local.detach()).abs().max())
    enough = max(1e-6, torch.finfo(readout.dtype).eps ** 0.5)
    count, cut = FEWEST, network.detached
    with torch.no_grad():
        before = _quadrature(cut, readout.detach(), lag, scale, count)
        while count < MOST:
            count, now = 2 * count, _quadrature(cut, readout.detach(), lag, scale, 2 * count)
            if bool(((now - before).abs().amax((-2, -1)) <= enough * now.abs().amax((-2, -1))).all()):
                return _quadrature(network, readout, lag, scale, count)
            before = now
    raise ValueError(
        f"the covariance of the delayed network is not resolved by {MOST} frequencies: a mode almost does not decay."
    )


def _quadrature(network: LinearNetwork, readout: Tensor, lag: float, scale: float, count: int) -> Tensor:
    """The midpoint rule in θ, ω = `scale` tan θ."""
    theta = (torch.arange(count).to(readout) + 0.5) * (math.pi / 2 / count)
    base, shape = floor(network, readout), (-1, *[1] * readout.ndim)
    total = base * (math.exp(-scale * lag) / (2 * scale))
    for part in theta.split(AT_ONCE):
        omega, weight = scale * torch.tan(part), scale / torch.cos(part) ** 2 / (2 * count)
        rest = cross_spectrum(network, readout, omega) - base / (omega**2 + scale**2).reshape(shape)
        total = total + ((weight * torch.exp(1j * omega * lag)).reshape(shape) * rest).real.sum(0)
    return total
