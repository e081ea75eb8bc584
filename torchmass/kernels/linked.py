"""How the links of a plan reach a kernel: the form of each, and the tensors that it reads."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from torchmass.dynamics import Dynamics
from torchmass.edges import Edges
from torchmass.integrators import SCHEMES, Tableau, Values
from torchmass.kernels.coupled import NOBODY, leaves_of_links, whose_are_soon
from torchmass.kernels.plan import Plan
from torchmass.kernels.step.exchange import DENSE, LATE, MIXED, SPARSE, TOTAL, LinkKind
from torchmass.kernels.step.step_graph import StepGraph
from torchmass.kernels.step.trace import TraceError
from torchmass.kernels.transforms import is_transformed
from torchmass.links import Link
from torchmass.looks import look, waits

# Of how many nodes, and of which share of their pairs, sums go over connections. A run takes as long as over all pairs
# where 5 % of 100 nodes are connected, 8 % of 200, 15 % of 400, 20 % of 1,000 (float32, Zen 3; float64: twice as many),
# and where 35 to 50 % of 64 to 1,000 nodes are if vectors are picked from (float32, Zen 4; float64: 15 to 30 %).
LEAST_NODES, MOST_NODES = 64, 2**16  # places of nodes have 16 bits, where there are no delays
MOST_PAIRS, PAIRS_PER_NODE = (0.2, 1.0) if torch.backends.cpu.get_cpu_capability() == "AVX512" else (0.15, 1 / 2500)


def refuse_network(plan: Plan) -> None:
    """Raise a `TraceError` for what kernels of networks do not do."""
    nodes, links = plan.x0[0].shape[-1], plan.dynamics.links
    if is_transformed():
        raise TraceError("it is a network under torch.func.")
    if nodes > MOST_NODES and any(isinstance(link.edges, Edges) and link.delays is None for link in links):
        raise TraceError(f"it is a sparse network of {nodes} nodes, and lists of connections take up to {MOST_NODES}.")
    if any(link.pair for link in links):
        raise TraceError("a coupling is a function of pairs of nodes, and kernels sum up what each of them sends.")
    if plan.gradient == "forward":
        raise TraceError("its nodes are coupled, and gradient='forward' is for single nodes.")


def kind_of(link: Link, dt: float, method: str) -> LinkKind:
    """All that the maths of a link depends on."""
    form = form_of(link, dt, method)
    return LinkKind.of(link, form, form != TOTAL and few_edges(link) is not None)


def form_of(link: Link, dt: float, method: str) -> str:
    """Which sums the link needs: of all alike, at once, of few pairs, or after delays, maybe shorter than a step.

    Where nobody may look at values, those that fit any.
    """
    if link.alike:
        return TOTAL
    if link.delays is None:
        return DENSE if few_edges(link) is None else SPARSE
    shortest = link.shortest(dt)
    return LATE if shortest is not None and shortest >= least_lag(method, link.hold) else MIXED


def few_edges(link: Link) -> Edges | None:
    """The connections that sums go over, where they are so few that this takes less time than all pairs.

    With delays sums go over connections one by one in any case, so that those of a list may be any.
    """
    if isinstance(link.edges, Edges):
        is_list = link.delays is not None or _are_few(link.edges.shape[0], link.edges.nodes)
        return link.edges if is_list else None
    return link.look("few edges", partial(_searched, link))


def _searched(link: Link) -> Edges | None:
    nodes = link.edges.nodes
    connected = link.connected if LEAST_NODES <= nodes <= MOST_NODES else None
    count = 0 if connected is None else int(connected.count_nonzero())
    if connected is None or not _are_few(count, nodes):
        return None
    if link.delays is not None and not count:  # tables of delays in Triton have one connection or more
        return None
    return Edges(nodes, connected.nonzero().mT)


def _are_few(edges: int, nodes: int) -> bool:
    return LEAST_NODES <= nodes <= MOST_NODES and edges <= min(MOST_PAIRS, PAIRS_PER_NODE * nodes) * nodes**2


def least_lag(method: str, hold: bool) -> float:
    """The steps that a delay must have for what it delivers to be known before a step: to every stage."""
    scheme = SCHEMES[method]
    halfway = isinstance(scheme, Tableau) and any(sum(row) == 0.5 for row in scheme.a)
    return 1.5 if halfway and not hold else 1.0


def link_leaves(plan: Plan, step: StepGraph) -> tuple[Values, Values]:
    """What links read that each node has one of, and their weights, delays in steps and what was sent before."""
    own: list[Tensor] = []
    pairs: list[Tensor] = []
    histories = dict(zip(plan.dynamics.sources, plan.histories, strict=True))
    for place, (link, kind) in enumerate(zip(plan.dynamics.links, step.links, strict=True)):
        own += link.p
        own += [link.weights.squeeze(-1)] if kind.form == TOTAL else []
        own += [_steady(plan.dynamics, link, plan.x0, channel) for k, channel in step.steady if k == place]
        edges = few_edges(link) if kind.is_sparse else None
        pairs += [_of_pairs(link, edges, link.weights)] if kind.has_weights else []
        if kind.is_delayed:
            moving = [channel for k, channel, _ in step.sends if k == place]
            before = _before(link, plan.dt, plan.dynamics.before(link, histories), moving)
            pairs += [_lags(link, edges, plan.dt), before]
        pairs += [] if edges is None else [edges.ends.to(torch.int32)]  # to and from, (2, E)
    return tuple(own), tuple(pairs)


def _of_pairs(link: Link, edges: Edges | None, values: Tensor) -> Tensor:
    """What these connections of a link have, (*b, E); without a list what all pairs have, (*b, N, N)."""
    if edges is None:
        return link.edges.matrix(values)
    return values if edges is link.edges else edges.picked(values)


def soon(plan: Plan, step: StepGraph, leaves: Sequence[Tensor]) -> tuple[int, ...]:
    """Of each link who has delays of a few steps; () where nobody may look."""
    each = leaves_of_links(step.links, leaves[len(step.leaves) :])
    found = [_soon(link, plan.dt, own) for link, own in zip(plan.dynamics.links, each, strict=True)]
    return tuple(who for who in found if who is not None) if None not in found else ()


def _soon(link: Link, dt: float, own: Sequence[Tensor | None]) -> int | None:
    if link.delays is None:
        return NOBODY
    if link.weights.requires_grad:  # whoever is connected now: not settled
        link = replace(link, settled=None)
    return link.look(("soon", dt), partial(whose_are_soon, *own))


def fans(links: Sequence[Link], step: StepGraph) -> tuple[int, ...]:
    """Of each link the most connections that come to a node, and that leave one, if it is one of few."""
    each = (_fan(link) if kind.is_sparse else (0, 0) for link, kind in zip(links, step.links, strict=True))
    return tuple(most for fan in each for most in fan)


def _fan(link: Link) -> Sequence[int]:
    edges = few_edges(link)
    assert edges is not None
    ends, all = edges.ends, edges.nodes
    return look("fan", [ends], lambda: [int(end.bincount(minlength=1).max()) for end in ends]) or (all, all)


def _lags(link: Link, edges: Edges | None, dt: float) -> Tensor:
    """The delays of these connections in steps; of all pairs those where there can be none never end."""
    delays, lags = link.delays, link.lags(dt)
    assert delays is not None
    if link.longest is not None and waits(lags):  # nobody has looked
        lags = torch.where(delays <= link.longest, lags, torch.nan)
    lags = _of_pairs(link, edges, lags)
    pairs = None if edges is not None or link.mask is None else link.connected
    return lags if pairs is None else torch.where(pairs, lags, torch.inf)


def _steady(dynamics: Dynamics, link: Link, x0: Values, channel: int) -> Tensor:
    """What a channel delivers that does not depend on the signal, (*b, N)."""
    sent = link.sent(dynamics.read(link, x0).detach())[..., channel, :]
    if link.alike:
        return link.weights.squeeze(-1) * (sent.sum(-1, keepdim=True) - sent)
    return link.edges.product(link.weights, sent.unsqueeze(-2)).squeeze(-2)


def _before(link: Link, dt: float, history: Tensor, moving: list[int]) -> Tensor:
    """What was sent in the steps before the run on the channels that change in time, (H, *b, C, N)."""
    steady, reach = history.stride(0) == 0, link.reach(dt)
    sent = link.sent(history[:1] if steady else history[len(history) - reach :])
    if moving != list(range(sent.shape[-2])):
        sent = torch.stack([sent[..., channel, :] for channel in moving], -2)  # a list would be copied to the device
    return sent.expand(reach, *sent.shape[1:])
