"""How a linear network answers at a frequency: each node by itself, then through the paths between them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from torchmass.linear.linear_network import LinearNetwork


@dataclass(frozen=True)
class Response:
    r"""A network at F frequencies, in the terms of what its paths read, q, and what they deliver, a.

    A node answers to noise and to what arrives with \((i\omega - J_i)^{-1}\), which is small; only
    \(q = g_{q\xi}\,\xi + g_{qa}\,a\) and \(a = K q\), with \(K_{ij} = \) `gains` \(e^{-i\omega d_{ij}}\), join nodes.
    """

    direct: Tensor  # g_yξ, (F, *b, N, D)
    heard: Tensor  # g_ya, (F, *b, N, L)
    told: Tensor  # g_qξ, (F, *b, N, L, D)
    around: Tensor  # g_qa, (F, *b, N, L, L)
    gains: Tensor  # K, (F, *b, L, N, N)

    @property
    def difference(self) -> Tensor:
        """1 − g_qa K, (F, *b, L·N, L·N): the return difference of all loops."""
        turned = torch.einsum("...ilm,...mij->...limj", self.around, self.gains)
        loops = turned.flatten(-4, -3).flatten(-2, -1)
        return torch.eye(loops.shape[-1]).to(loops) - loops

    @property
    def transfer(self) -> Tensor:
        """The signal of each node per unit of noise in each node, (F, *b, N, N, D)."""
        through = torch.einsum("...im,...mij->...imj", self.heard, self.gains).flatten(-2)  # (F, *b, N, L·N)
        reached = torch.linalg.solve(self.difference, through, left=False).unflatten(-1, self.gains.shape[-3:-1])
        joined = torch.einsum("...ilj,...jld->...ijd", reached, self.told)
        return joined + torch.diag_embed(self.direct.movedim(-1, -2)).movedim(-3, -1)


def response(network: LinearNetwork, readout: Tensor, omega: Tensor) -> Response:
    """The network at the frequencies `omega`, (F,) in rad/ms, where its signal is `readout`, (*b, N, S), times z."""
    local, noise, paths = network.local, network.noise, network.paths
    lead = 1j * omega.reshape(-1, *[1] * local.ndim)
    into = torch.cat([*(path.entry.unsqueeze(-1) for path in paths), noise], -1)  # (*b, N, S, L + D)
    out = torch.stack([readout, *(path.exit for path in paths)], -2)  # (*b, N, 1 + L, S)
    answer = _solved(lead * torch.eye(local.shape[-1]).to(local) - local, into.to(lead.dtype))
    g, count = out.to(lead.dtype) @ answer, len(paths)
    kernels = [_kernel(path.gains, path.delays, lead[..., 0]) for path in paths]
    shape = torch.broadcast_shapes(*(kernel.shape for kernel in kernels)) if paths else ()
    return Response(
        direct=g[..., 0, count:],
        heard=g[..., 0, :count],
        told=g[..., 1:, count:],
        around=g[..., 1:, :count],
        gains=torch.stack([kernel.expand(shape) for kernel in kernels], -3)
        if paths
        else g.new_zeros(*g.shape[:-3], 0, *[local.shape[-3]] * 2),
    )


def _solved(a: Tensor, b: Tensor) -> Tensor:
    found, singular = torch.linalg.solve_ex(a, b)
    if bool(singular.any()):
        raise ValueError(
            "one of the frequencies is exactly that of a node that by itself neither grows nor decays; ask for others."
        )
    return found


def _kernel(gains: Tensor, delays: Tensor | None, lead: Tensor) -> Tensor:
    """Gains with the phase of their delays, (F, *b, N, N)."""
    return gains.to(lead.dtype) if delays is None else gains * torch.exp(-lead * delays)
