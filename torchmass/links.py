"""Links: couplings bound to what they read and where they enter, and what they remember."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from torchmass.edges import AllPairs, Edges
from torchmass.looks import look, waits
from torchmass.undefined import truth
from torchmass.values import is_nonfinite, report

T = TypeVar("T")

HISTORY = "history_"  # begins the name of a source's past in a state
OUTPUT = -1  # the source of a link that reads the model's output


def present(weights: Tensor) -> Tensor:
    """The pairs whose weight is not 0 in some of a batch, (N, N)."""
    pairs = weights.detach() != 0
    return pairs.flatten(0, -3).any(0) if pairs.ndim > 2 else pairs


@dataclass(frozen=True)
class Past:
    """What a link sent up to now, and how far back each edge reads; edges are all pairs of nodes, or some.

    Between two samples what was sent is interpolated linearly. The derivative with respect to a lag that is a whole
    number of steps is the one towards longer lags.
    """

    rows: Tensor  # (R, *b, C, N), one a step, oldest first; the last is now
    lags: Tensor  # (*b, *edges), in steps
    reach: int  # steps that the longest lag needs
    edges: AllPairs | Edges

    def followed_by(self, sent: Tensor) -> "Past":
        """The past one step later, when `sent`, (*b, C, N), is now."""
        return replace(self, rows=torch.cat((self.rows[-self.reach :], sent.unsqueeze(0))))

    def detach(self) -> "Past":
        """The same past, cut from the graph."""
        return replace(self, rows=self.rows.detach())

    def arriving(self, sent: Tensor, c: float) -> Tensor:
        """What each edge delivers at a fraction `c` of the coming step, (*b, C, *edges); `sent` is sent just then.

        A lag shorter than that reads between now and then.
        """
        age = self.lags - c
        back = age.clamp(min=0)
        whole = back.detach().floor()
        near, far = self._row(whole), self._row(whole + 1)
        past = near + self._of_channels(back - whole) * (far - near)
        if c == 0:
            return past
        now = self.edges.source(self.rows[-1])
        ahead = now + self._of_channels(-age / c) * (self.edges.source(sent) - now)
        return torch.where(self._of_channels(age < 0), ahead, past)

    def _of_channels(self, values: Tensor) -> Tensor:
        """What all channels of an edge have, (*b, 1, *edges)."""
        return values.unsqueeze(-1 - self.edges.axes)

    def _row(self, back: Tensor) -> Tensor:
        """What was sent `back` steps ago, (*b, C, *edges)."""
        shape, last = self.edges.shape, len(self.rows) - 1
        flat = self.rows.movedim(0, -1).flatten(-2)  # (*b, C, N·R)
        source = self.edges.source(torch.arange(self.edges.nodes, device=back.device))
        where = ((last - back.long()).clamp(min=0) + len(self.rows) * source).flatten(-len(shape))
        batch = torch.broadcast_shapes(flat.shape[:-2], where.shape[:-1])
        where = where.unsqueeze(-2).expand(*batch, flat.shape[-2], where.shape[-1])
        return flat.expand(*batch, *flat.shape[-2:]).gather(-1, where).unflatten(-1, shape)


@dataclass(frozen=True)
class Link:
    """A coupling bound to what it reads, of each group of nodes, and to the inputs that it enters.

    With `delays` it reads the past; with `hold` it is evaluated at the start of a step and held over its stages.
    """

    send: Callable[[Tensor, Any], tuple[Tensor, ...]]
    receive: Callable[[Tensor, tuple[Tensor, ...], Any], Tensor]
    p: Any
    weights: Tensor  # (*b, *edges), [to, from]; where all pairs of different nodes are alike, (*b, 1, 1)
    edges: AllPairs | Edges
    source: tuple[int | None, ...]  # what each group of nodes sends, a state or `OUTPUT`; None: nothing
    target: tuple[int, ...]  # the inputs that it enters
    alike: bool = False
    delays: Tensor | None = None  # (*b, *edges) in ms
    nearest: bool = False  # delays are rounded to whole steps
    longest: float | None = None  # ms that are reserved for delays
    hold: bool = False
    pair: Callable[[Tensor, Tensor, Any], tuple[Tensor, ...]] | None = None  # in place of `send`
    settled: tuple[Tensor, ...] | None = None  # all on which it depends which pairs are connected and what delays are
    mask: Tensor | None = None  # (N, N): where a weight, or its gradient, may be other than 0; None: anywhere

    @property
    def connected(self) -> Tensor | None:
        """The pairs whose weight, or its gradient, may be other than 0 in some of a batch, (N, N); None: all edges."""
        if isinstance(self.edges, Edges) or (self.weights.requires_grad and self.mask is None):
            return None
        pairs = present(self.weights)
        return pairs if self.mask is None else pairs | self.mask

    def sent(self, signal: Tensor) -> Tensor:
        """The channels that a node sends, (*b, C, N)."""
        return torch.stack(torch.broadcast_tensors(*self.send(signal, self.p)), -2)

    def __call__(self, signal: Tensor, past: Past | None = None, c: float = 0.0) -> Tensor:
        """What arrives at every node at a fraction `c` of the step, where the signal is this, (*b, N)."""
        if self.pair is not None:
            return self.receive(signal, self._of_pairs(self.pair, signal), self.p)
        sent = self.sent(signal)
        if past is not None:
            sums = self.edges.total(self.weights.unsqueeze(-1 - self.edges.axes) * past.arriving(sent, c))
        elif self.alike:
            sums = self.weights * (sent.sum(-1, keepdim=True) - sent)
        else:
            sums = self.edges.product(self.weights, sent)
        return self.receive(signal, sums.unbind(-2), self.p)

    def _of_pairs(self, pair: Callable[..., tuple[Tensor, ...]], signal: Tensor) -> tuple[Tensor, ...]:
        """The sum of each channel over all who send, (*b, N)."""
        edges = self.edges
        p = type(self.p)._make(edges.to(value) if value.ndim else value for value in self.p)  # of who receives
        return tuple(edges.total(self.weights * one) for one in pair(edges.to(signal), edges.source(signal), p))

    def lags(self, dt: float) -> Tensor:
        """The delays in steps, (*b, *edges)."""
        assert self.delays is not None
        if self.nearest and torch.is_grad_enabled() and self.delays.requires_grad:
            raise ValueError(
                "delays that are rounded to whole steps have no gradient: interpolate linearly, or search without "
                "gradients, under torch.no_grad()."
            )
        return self._in_steps(self.delays, dt)

    def _in_steps(self, delays: Tensor, dt: float) -> Tensor:
        return torch.floor(delays / dt + 0.5) if self.nearest else delays / dt

    def look(self, question: Hashable, find: Callable[[], T]) -> T | None:
        """What `find` finds in weights and delays: once, where they are settled.

        None where nobody may look: inside torch.compile, in a CUDA graph, and at values that are not settled on a GPU.
        """
        if self.settled is None and waits(self.weights):
            return None
        return look(question, self.settled or self._own, find)

    @property
    def _own(self) -> tuple[Tensor, ...]:
        """The values of this run alone that say which pairs are connected and when what they send arrives."""
        return tuple(value for value in (self.delays, self.weights, self.mask) if value is not None)

    def shortest(self, dt: float) -> float | None:
        """The shortest delay of the pairs that are connected, in steps, or None where nobody may look."""
        return self.look(("shortest", dt), partial(self._shortest, dt))

    def _shortest(self, dt: float) -> float:
        lags = self.lags(dt).detach()
        connected = self.connected
        return float((lags if connected is None else torch.where(connected, lags, torch.inf)).min())

    def reach(self, dt: float) -> int:
        """How many steps of the past are needed, 0 without delays. Raises `ValueError` for delays beyond `longest`.

        Nobody looks whether delays that learn on a GPU are: what they deliver is no number then.
        """
        if self.delays is None:
            return 0
        if self.longest is None:
            found = look(("longest", dt), self.settled or (self.delays,), partial(self._longest, dt))
            if found is None:
                where = "torch.compile and in CUDA graphs, which do not see them"
                raise ValueError(f"delays that are free need max_delay= inside {where}.")
            return int(found) + 1
        if torch.compiler.is_compiling():
            known = (self.delays.detach() <= self.longest).all()
            torch.ops.aten._assert_async.msg(known, "a delay is no number or beyond max_delay: allow more.")
        self.look("within", self._check)
        return int(self.longest / dt + 0.5 * self.nearest) + 1

    def _longest(self, dt: float) -> float:
        assert self.delays is not None
        self._check()
        return float(self._in_steps(self.delays.detach().max(), dt))

    def _check(self) -> None:
        """Raise a `ValueError` for delays that are not finite or beyond `longest`."""
        assert self.delays is not None
        late = self.delays.detach()
        if is_nonfinite(late):
            raise ValueError(f"a delay must be finite, got {report(late, ~late.isfinite())}, in ms.")
        if self.longest is not None and truth((beyond := late > self.longest).any()):
            raise ValueError(
                f"a delay is {report(late, beyond)}, in ms, beyond max_delay={self.longest:g} ms: allow more."
            )

    def past(self, history: Tensor, dt: float) -> Past | None:
        """The past in which the signal was `history`, (H, *b, N), before now; None without delays."""
        if self.delays is None:
            return None
        self._check()  # which `reach` leaves to kernels on a GPU
        reach = self.reach(dt)
        return Past(self.sent(history[len(history) - reach :]), self.lags(dt), reach, self.edges)

    @property
    def sources(self) -> set[int]:
        """The states that it reads, and `OUTPUT` if it does."""
        return {source for source in self.source if source is not None}

    @property
    def batches(self) -> list[tuple[int, ...]]:
        """The batch axes of every leaf."""
        pairs = (self.weights, *(() if self.delays is None else (self.delays,)))
        return [*(value.shape[:-1] for value in self.p), *(value.shape[: -self.edges.axes] for value in pairs)]

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        """Every tensor it depends on: the parameters of its equations, weights, delays."""
        return (*self.p, self.weights, *(() if self.delays is None else (self.delays,)))

    def holding(self, *leaves: Tensor) -> "Link":
        """The same link with other leaves."""
        own, (weights, *delays) = leaves[: len(self.p)], leaves[len(self.p) :]
        return replace(self, p=type(self.p)(*own), weights=weights, delays=delays[0] if delays else None, settled=None)

    @property
    def labels(self) -> tuple[str, ...]:
        """What users call the leaves."""
        return (*self.p._fields, "weights", *(() if self.delays is None else ("delays",)))
