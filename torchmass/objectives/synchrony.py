r"""Synchrony of rhythms, by the phase and the envelope of signals that were filtered to a narrow band.

Phase and envelope are those of the analytic signal, whose ends are not to be trusted: cut a few periods off both.
"""

import torch
from torch import Tensor

from torchmass.objectives.connectivity import functional_connectivity
from torchmass.objectives.norms import products, rms
from torchmass.objectives.signals import changing, signals
from torchmass.spectra import analytic_signal


def phase(x: Tensor) -> Tensor:
    """The phase of every signal less its mean, in (−π, π], by `analytic_signal`: (T, *b, N) to (T, *b, N), in rad.

    Raises `ValueError` for a constant signal.
    """
    return _rotation(x).angle()


def envelope(x: Tensor) -> Tensor:
    """The envelope of every signal less its mean, by `analytic_signal`: (T, *b, N) to (T, *b, N), in its unit.

    Raises `ValueError` for a constant signal.
    """
    return _rotation(x).abs()


def phase_locking(x: Tensor) -> Tensor:
    r"""Phase-locking value \(|\langle e^{i(\varphi_j - \varphi_k)}\rangle_t|\) of every two signals: to (*b, N, N).

    1 for a fixed difference of phases, about \(1/\sqrt{T}\) without any. Raises `ValueError` for a constant signal.

    Source: Lachaux et al. (1999), Hum. Brain Mapp. 8:194,
    doi:10.1002/(SICI)1097-0193(1999)8:4<194::AID-HBM4>3.0.CO;2-C.
    """
    z = torch.sgn(_rotation(x))
    return products(z, z.conj()).abs() / len(x)


def envelope_correlation(x: Tensor) -> Tensor:
    """Pearson correlation of the envelopes of every two signals: (T, *b, N) to (*b, N, N).

    Nothing is orthogonalised, which simulated sources do not need and signals with leakage between them do.
    """
    return functional_connectivity(envelope(x))


def kuramoto_order(phi: Tensor) -> Tensor:
    r"""Kuramoto's order parameter of phases in rad: (T, *b, N) to (T, *b).

    \(R(t) = |\langle e^{i\varphi_j(t)}\rangle_j|\) over regions: 1 when all phases are equal. Raises `ValueError` for a
    single region, whose order is always 1.

    Source: Kuramoto (1984), Chemical Oscillations, Waves, and Turbulence, doi:10.1007/978-3-642-69689-3.
    """
    if signals("the phases", phi, least=1).shape[-1] < 2:
        raise ValueError(f"an order needs at least 2 regions, got shape {tuple(phi.shape)}: that of one is always 1.")
    return torch.polar(torch.ones_like(phi), phi).mean(-1).abs()


def metastability(phi: Tensor) -> Tensor:
    r"""The standard deviation of `kuramoto_order` over time: phases (T, *b, N) to (*b).

    \(\sqrt{\langle R^2\rangle - \langle R\rangle^2}\), 0 for phases that keep their differences, where the
    gradient is 0 too.

    Source: Shanahan (2010), Chaos 20:013108, doi:10.1063/1.3305451.
    """
    order = kuramoto_order(signals("the phases", phi))
    return rms(order - order.mean(0), 0)


def _rotation(x: Tensor) -> Tensor:
    x = changing("x", signals("x", x), 0, "phase")
    return analytic_signal(x - x.mean(0))
