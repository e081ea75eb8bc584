"""Feedback inhibition control: local inhibition that holds every region at one firing rate."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from torch import Tensor

from torchmass.dynamics import batch_shape
from torchmass.linear.diagonal import diagonal_jacobian
from torchmass.linear.linear_network import undelayed
from torchmass.linear.newton import newton
from torchmass.links import OUTPUT
from torchmass.models import WongWangExcInhStep
from torchmass.network import Network
from torchmass.system import System
from torchmass.values import as_value, check_shape, report

EXCITATION = 0  # the place of S_e among the states


def feedback_inhibition(network: System, rate: Any = 3.0) -> Tensor:
    r"""The `J_i` of every region, (*b, N), with which its excitatory population rests at `rate`, in Hz.

    `network` is a `WongWangExcInhStep` or a `Network` of it, coupled through S_e. A region rests at the rate r where
    \(S_E = \tau_E\gamma_E r/(1 + \tau_E\gamma_E r)\), which fixes what arrives from everywhere; \(\dot S_I = 0\) then
    gives \(S_I\), and \(\dot S_E = 0\) gives \(J_i\), each region by itself. `network.assign(J_i=…)` puts it in place,
    the graph included. Differentiable with respect to weights, G, `rate` (a number or (N,)) and every other parameter;
    J_i of the network is not used. Delays do not matter, and noise moves the mean rate a little. Where G times the
    weights that arrive exceeds some 1.2, that state repels: `linearise(network, at).check_stable()` tells.

    As a fit, for other targets: `network.free("J_i")`, then descend on the rate at `fixed_point(network)` or in a run.

    Raises `TypeError` for another model, and `ValueError` where excitation is too weak, so that J_i would be negative.

    Source: Deco, Ponce-Alvarez, Hagmann, Romani, Mantini & Corbetta 2014, How local excitation–inhibition ratio impacts
    the whole brain dynamics, J. Neurosci. 34:7886, doi:10.1523/JNEUROSCI.5068-13.2014.
    """
    node = network.node if isinstance(network, Network) else network
    if not isinstance(node, WongWangExcInhStep):
        raise TypeError(f"feedback_inhibition needs a WongWangExcInhStep or a Network of it, got {node!r}.")
    dynamics = undelayed(network.dynamics())
    if {source for link in dynamics.links for source in link.sources} - {EXCITATION, OUTPUT}:
        raise ValueError("feedback_inhibition needs regions that are coupled through S_e: give coupled_var='S_e'.")
    p, target = dynamics.p, _rate(node, rate)
    opened = p.tau_e * p.gamma_e * target
    s_e = (opened / (1 + opened)).expand(node.in_size)
    (arriving,) = dynamics.inputs((s_e, s_e), [node.like.new_zeros(node.in_size)])
    u, start = dynamics.Inputs(arriving), node.like.new_zeros(*batch_shape(dynamics, s_e), node.in_size)
    s_i = _root(lambda s_i: dynamics.local((s_e, s_i), u)[1], start, "S_i")
    held = lambda j: replace(dynamics, p=p._replace(J_i=j)).local((s_e, s_i), u)[0]
    return _positive(_root(held, start, "J_i"))


def _rate(node: WongWangExcInhStep, rate: Any) -> Tensor:
    target = as_value("rate", rate, node.like)
    check_shape("rate", target, "node", node.in_size)
    if not bool((target > 0).all()):
        raise ValueError(f"rate must be > 0 Hz, got {report(target, target <= 0)}.")
    return target


def _root(f: Callable[[Tensor], Tensor], x: Tensor, name: str) -> Tensor:
    """Where f, elementwise and falling, is 0."""
    each = lambda v: f(v[0]).expand(x.shape).unsqueeze(0)
    slope = lambda x: diagonal_jacobian(each, x.unsqueeze(0))[..., 0, 0]
    first = 1 / float(slope(x).detach().abs().max().clamp(min=1e-12))
    found, arrived = newton(lambda x, tau: x + f(x) / (1 / tau - slope(x)), x, first)
    if not bool(arrived.all()):
        raise ValueError(f"no {name} was found that holds the rate asked for; ask for another, or weaken the coupling.")
    return found


def _positive(j: Tensor) -> Tensor:
    if bool((wrong := j.detach() < 0).any()):
        raise ValueError(
            f"J_i would have to be {report(j.detach(), wrong)}: without inhibition excitation is too weak for the rate "
            "asked for; ask for less, or strengthen the coupling."
        )
    return j
