"""A network about a point, to first order: noisy linear nodes joined by weights and delays."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from torchmass.drives import OUDrive, WhiteDrive
from torchmass.dynamics import Dynamics
from torchmass.integrators import Values
from torchmass.linear.diagonal import diagonal_jacobian
from torchmass.links import Link


@dataclass(frozen=True)
class Path:
    """A coupling to first order: node i receives `entry`_i Σ_j `gains`_ij `exit`_j · z_j(t − `delays`_ij)."""

    entry: Tensor  # (*b, N, S)
    gains: Tensor  # (*b, N, N), [to, from]
    exit: Tensor  # (*b, N, S)
    delays: Tensor | None  # (*b, N, N) in ms

    @property
    def detached(self) -> "Path":
        """The same, cut from the graph."""
        late = None if self.delays is None else self.delays.detach()
        return Path(self.entry.detach(), self.gains.detach(), self.exit.detach(), late)

    def padded(self, size: int) -> "Path":
        """The same among more states."""
        more = (0, size - self.exit.shape[-1])
        return replace(self, entry=pad(self.entry, more), exit=pad(self.exit, more))


@dataclass(frozen=True)
class LinearNetwork:
    r"""\(\dot z_i = J_i z_i + G_i\,\xi_i + \) what arrives through the paths, ξ white noise of strength 1 per √ms.

    z holds the states of the model and, after them, its Ornstein–Uhlenbeck processes. A state that a node does not
    have decays by itself at 1/ms.
    """

    local: Tensor  # J, (*b, N, S, S)
    noise: Tensor  # G, (*b, N, S, D)
    paths: tuple[Path, ...]

    @property
    def delayed(self) -> bool:
        """Whether something arrives late."""
        return any(path.delays is not None for path in self.paths)

    @property
    def detached(self) -> "LinearNetwork":
        """The same network, cut from the graph."""
        return LinearNetwork(self.local.detach(), self.noise.detach(), tuple(path.detached for path in self.paths))

    @property
    def matrix(self) -> Tensor:
        """The Jacobian if nothing were delayed, (*b, S·N, S·N), all nodes of the first state first."""
        whole = torch.diag_embed(self.local.movedim(-3, -1)).transpose(-3, -2)  # (*b, S, N, S, N)
        for path in self.paths:
            arriving = torch.einsum("...is,...ij,...jr->...sirj", path.entry, path.gains, path.exit)
            whole = whole + arriving
        return flattened(whole)

    @property
    def diffusion(self) -> Tensor:
        """The covariance that the noise adds per ms, (*b, S·N, S·N)."""
        own = self.noise @ self.noise.mT
        return flattened(torch.diag_embed(own.movedim(-3, -1)).transpose(-3, -2))


def flattened(x: Tensor) -> Tensor:
    """(*b, S, N, S, N) as (*b, S·N, S·N)."""
    return x.flatten(-4, -3).flatten(-2, -1)


def linear_network(dynamics: Dynamics, x: Values, u: Sequence[Tensor], idle: Tensor) -> LinearNetwork:
    """The equations about the state `x`, (*b, N) each, under inputs `u`; no node has what is `idle` of it, (N, S)."""
    count, states = len(x), torch.stack(x)
    inputs = [value.expand(x[0].shape) for value in undelayed(dynamics).inputs(x, u)]
    slopes = lambda v: stack_like(v[0], dynamics.local(tuple(v[:count]), dynamics.Inputs(*v[count:])))
    slope = diagonal_jacobian(slopes, torch.cat([states, torch.stack(inputs)]) if inputs else states)
    local, ports, paths = slope[..., :count], slope[..., count:], []
    for link in dynamics.links:
        path, own = _path(dynamics, link, states, ports[..., list(link.target)].sum(-1))
        local = local + path.entry.unsqueeze(-1) * (own.unsqueeze(-1) * path.exit).unsqueeze(-2)
        paths.append(path)
    local, noise = _driven(dynamics, x, local, ports)
    unit = torch.eye(local.shape[-1]).to(local)
    local = torch.where(idle.unsqueeze(-1), -unit, local)
    return LinearNetwork(local, noise, tuple(path.padded(local.shape[-1]) for path in paths))


def _path(dynamics: Dynamics, link: Link, states: Tensor, entry: Tensor) -> tuple[Path, Tensor]:
    """A coupling to first order, and ∂u/∂x of the node's own signal, (*b, N)."""
    if link.pair is not None:
        raise ValueError("linear theory of couplings that define pair is not there: write it as what each node sends.")
    read = lambda s: dynamics.read(link, tuple(s)).expand(s[0].shape)
    signal, seen = read(states), diagonal_jacobian(lambda s: read(s).unsqueeze(0), states)[..., 0, :]
    sent = diagonal_jacobian(lambda x: link.sent(x[0]).movedim(-2, 0), signal.unsqueeze(0))[..., 0]  # (*b, N, C)
    weights = link.edges.matrix(link.weights)
    if link.alike:
        weights = weights * (1 - torch.eye(signal.shape[-1]).to(weights))
    sums = (link.sent(signal) @ weights.mT).movedim(-2, 0)
    receive = lambda v: link.receive(v[0], tuple(v[1:]), link.p).expand(v[0].shape).unsqueeze(0)
    received = diagonal_jacobian(receive, torch.cat([signal.expand(sums[0].shape).unsqueeze(0), sums]))[..., 0, :]
    gains = torch.einsum("...ic,...ij,...jc->...ij", received[..., 1:], weights, sent)
    late = None if link.delays is None else link.edges.matrix(link.delays)
    return Path(entry, gains, seen, late), received[..., 0]


def _driven(dynamics: Dynamics, x: Values, local: Tensor, ports: Tensor) -> tuple[Tensor, Tensor]:
    """J with the Ornstein–Uhlenbeck processes as further states, and G."""
    count, memory = len(x), sum(isinstance(drive, OUDrive) for drive in dynamics.drives)
    size, columns = count + memory, []
    local = pad(local, (0, memory, 0, memory))
    moved = torch.cat([torch.eye(count).to(local).expand(*ports.shape[:-1], count), ports], -1)  # (*b, N, S, S + U)
    moved = pad(moved, (0, 0, 0, memory))
    for drive in dynamics.drives:
        towards, strength = moved[..., drive.source], drive.sigma
        if isinstance(drive, OUDrive):
            process = torch.eye(size)[drive.place].to(local)
            rate = (1 / drive.tau).expand(x[0].shape)[..., None, None]
            local = local + (towards.unsqueeze(-1) - rate * process.unsqueeze(-1)) * process
            towards, strength = process, strength * torch.sqrt(2 / drive.tau)
        elif isinstance(drive, WhiteDrive) and drive.g is not None:
            strength = strength * drive.g(dynamics.S(*x))
        columns.append(towards * strength.expand(x[0].shape).unsqueeze(-1))
    return local, torch.stack(columns, -1) if columns else local[..., :0]


def undelayed(dynamics: Dynamics) -> Dynamics:
    """The same equations without delays and noise, which have the same points of rest."""
    return replace(dynamics, drives=(), links=tuple(replace(link, delays=None) for link in dynamics.links))


def stack_like(like: Tensor, values: Sequence[Tensor]) -> Tensor:
    """Values that broadcast to the shape of `like`, one after the other."""
    return torch.stack([value.expand(like.shape) for value in values])
