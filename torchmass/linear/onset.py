"""What noise does before anything comes back: the part of the covariance that is slow to integrate, in closed form."""

import torch
from torch import Tensor

from torchmass.linear.linear_network import LinearNetwork

Term = tuple[Tensor, Tensor | None]  # m, (*b, N, N), and the delays of its entries


def floor(network: LinearNetwork, readout: Tensor) -> Tensor:
    """Noise in the signal itself, (*b, N, N): far out the spectrum is this over ω²."""
    return torch.diag_embed((readout.unsqueeze(-2) @ network.noise).square().sum((-2, -1)))


def onset_spectrum(network: LinearNetwork, readout: Tensor, rate: float, omega: Tensor) -> Tensor:
    r"""\(\frac{c}{\omega^2 + s^2} + X + X^*\), \(X = \frac{m e^{-i\omega d}}{(s + i\omega)^2(s - i\omega)}\).

    c is the floor, m what nodes make of the noise of their own and of others after d ms, and s, `rate`, any rate per
    ms. The spectrum, (F, *b, N, N), less this falls off as ω⁻⁴.
    """
    lead = 1j * omega.reshape(-1, *[1] * readout.ndim)
    own = floor(network, readout) / (rate**2 - lead**2)
    for m, delays in _terms(network, readout, rate):
        x = m / ((rate + lead) ** 2 * (rate - lead)) * (1 if delays is None else torch.exp(-lead * delays))
        own = own + x + x.mH
    return own


def onset_covariance(network: LinearNetwork, readout: Tensor, rate: float, lag: float) -> Tensor:
    """The covariance of that spectrum at a lag in ms, (*b, N, N)."""
    own = floor(network, readout) * torch.exp(readout.new_tensor(-rate * lag)) / (2 * rate)
    for m, delays in _terms(network, readout, rate):
        late = torch.zeros_like(m) if delays is None else delays
        own = own + m * _kernel(lag - late, rate) + (m * _kernel(-lag - late, rate)).mT
    return own


def _kernel(t: Tensor, rate: float) -> Tensor:
    """The inverse transform of 1/((s + iω)²(s − iω)) at t."""
    return torch.exp(-rate * t.abs()) * (t.clamp(min=0) / (2 * rate) + 1 / (4 * rate**2))


def _terms(network: LinearNetwork, readout: Tensor, rate: float) -> list[Term]:
    noise = (network.noise @ (network.noise.mT @ readout.unsqueeze(-1))).squeeze(-1)  # (*b, N, S)
    moved = (network.local @ noise.unsqueeze(-1)).squeeze(-1) + rate * noise
    terms: list[Term] = [(torch.diag_embed((readout * moved).sum(-1)), None)]
    for path in network.paths:
        to, of = (readout * path.entry).sum(-1, keepdim=True), (path.exit * noise).sum(-1).unsqueeze(-2)
        terms.append((to * path.gains * of, path.delays))
    return terms
