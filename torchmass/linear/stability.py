"""Whether small deviations die out: by eigenvalues, or with delays by the argument principle."""

import math
from typing import NoReturn

import torch
from torch import Tensor

from torchmass.linear.linear_network import LinearNetwork
from torchmass.linear.transfer import response

GRID = 256  # frequencies at least to begin with, evenly spaced
AROUND = (-4.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 4.0)  # more around each mode of a node, in units of its decay
PHASE = 0.5  # rad that the longest delay may turn from one to the next
TURN = 0.8  # rad that the determinant may turn
WEAK = 0.5  # from where on loops are so weak that no eigenvalue of 1 − loops turns around 0
MOST = 2**15  # frequencies to begin with
HALVINGS = 45  # of the distance between two; then floats are as close


def unstable_modes(network: LinearNetwork) -> Tensor:
    r"""How many modes grow, (*b), counted with delays as they are.

    Modes are the roots λ of \(\prod_i \det(\lambda - J_i)\,\det(1 - g_{qa}(\lambda) K(\lambda))\). Those of the first
    factor with a positive real part are eigenvalues, and counted. The second tends to 1 far out, and its roots less its
    poles on the right are −1/π times the angle through which it turns along the imaginary axis from 0 to ∞ (Nyquist
    1932, Bell Syst. Tech. J. 11:126, doi:10.1002/j.1538-7305.1932.tb02344.x). Its argument is followed over frequencies
    that resolve the longest delay and the modes of the nodes, with more where it turns by more than 0.8 rad.

    Raises `ValueError` where that cannot be told: a mode neither grows nor decays, or almost, or more than 2¹⁵
    frequencies are needed to begin with.
    """
    network = network.detached
    modes = torch.linalg.eigvals(network.local)
    omega = _frequencies(network, modes)
    turned = _turned(network, omega) - _angles_of_weak(_loops(network, omega[-1:])[0])
    return (modes.real >= 0).sum((-2, -1)) - torch.round(turned / math.pi).to(torch.long)


def _loops(network: LinearNetwork, omega: Tensor) -> Tensor:
    """g_qa K, (F, *b, L·N, L·N)."""
    difference = response(network, torch.zeros_like(network.local[..., 0]), omega).difference
    return torch.eye(difference.shape[-1]).to(difference) - difference


def _angles_of_weak(loops: Tensor) -> Tensor:
    return torch.angle(1 - torch.linalg.eigvals(loops)).sum(-1)


def _frequencies(network: LinearNetwork, modes: Tensor) -> Tensor:
    """Where to look to begin with, (F,) in rad/ms, from 0 to where loops are weak."""
    last = 2 * modes.abs().max().clamp(min=1e-6)
    while bool(_loops(network, last.reshape(1)).abs().sum(-1).max() > WEAK):
        last = 2 * last
    longest = max(float(path.delays.max()) for path in network.paths if path.delays is not None)
    count = max(GRID, math.ceil(float(last) * longest / PHASE))
    if count > MOST:
        _undecided()
    near = modes.imag.unsqueeze(-1) + modes.real.abs().unsqueeze(-1) * torch.tensor(AROUND).to(last)
    step = (modes.real.abs().min() / 2).clamp(min=1e-6 * last)  # many nodes have almost the same
    near = torch.unique(torch.round(near.flatten().abs() / step)) * step
    return torch.unique(torch.cat([last * torch.linspace(0, 1, count + 1).to(last), near[near < last]]))


def _turned(network: LinearNetwork, omega: Tensor) -> Tensor:
    """The angle through which the determinant of 1 − loops turns over the frequencies, (*b)."""
    signs = _signs(network, omega)
    for _ in range(HALVINGS):
        angles = torch.angle(signs[1:] / signs[:-1])  # (F − 1, *b)
        wide = (angles.abs() > TURN).reshape(len(angles), -1).any(-1)
        if not bool(wide.any()):
            return angles.sum(0)
        between = ((omega[1:] + omega[:-1]) / 2)[wide]
        order = torch.argsort(torch.cat([omega, between]))
        signs = torch.cat([signs, _signs(network, between)])[order]
        omega = torch.cat([omega, between])[order]
    _undecided()


def _signs(network: LinearNetwork, omega: Tensor) -> Tensor:
    loops = _loops(network, omega)
    return torch.linalg.slogdet(torch.eye(loops.shape[-1]).to(loops) - loops).sign


def _undecided() -> NoReturn:
    raise ValueError(
        "the stability of the delayed network could not be decided: a mode neither grows nor decays, or almost, or "
        "delays are too long beside its time constants."
    )
