"""Coupling: what nodes send each other, when it arrives, and what they make of the weighted sum."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Param, tabled
from torchmass.edges import AllPairs, Edges, mirror
from torchmass.links import Link, present
from torchmass.parametrised import Parametrised
from torchmass.sparse import is_sparse, pattern
from torchmass.values import as_value, report

INTERPOLATIONS = ("linear", "nearest")
DELAYING = {"delays", "distance", "speed"}
MARGIN = 1e-6  # of the longest delay, which may be rounded up on its way to another precision


class Coupling(Parametrised):
    r"""\(u_i = \mathrm{receive}\big(x_i, \sum_j w_{ij}\,\mathrm{send}(x_j(t - d_{ij}))\big)\), `[to, from]`.

    A kind of coupling defines two pure static functions: `send(x, p)` returns one or more channels of a node's signal,
    `receive(x, sums, p)` turns the node's own signal and the weighted sum of each channel into its input. `p` is a
    named tuple of the declared parameters. What does not separate into what each node sends defines `pair(x, y, p)` in
    place of `send`, of a receiver's signal x and a sender's y, \(\sum_j w_{ij}\,\mathrm{pair}(x_i, x_j)\): without
    delays, and eager, since it costs an evaluation for every pair at every stage. An instance is built from its
    weights, `(N, N)` or `(B, N, N)`, and a value for any parameter. A number, given with `in_size`, is the weight of
    every pair of different nodes: without delays, sums are then taken over all nodes at once, in O(N).

    Weights may be sparse, of torch or of scipy, which takes memory of O(E). Then the E pairs with an entry are
    connected (those of any member of a batch; those of `mask` if it is given), zeros among them, and no others;
    duplicates are added up. What connections have, as `coupling.weights` and `raw.weights`, is `(*b, E)`, in the order
    of `coupling.ends`, (2, E), to and from, sorted; it may be given so, or as a matrix, of which delays and gains
    elsewhere are left out, and `coupling.matrix("weights")` is dense. `torch.sparse_coo_tensor(coupling.ends,
    coupling.weights, (N, N))` is sparse again.

    The weight is \(w = W \exp(g)\) of `weights` W and `log_gain` g, so that a free g keeps signs and zeros. `mask` is
    True where there may be a connection: W, and delays and distances that are fitted, stay 0 elsewhere. With
    `symmetric` W and g are the same in both directions, of which sparse ones then both have an entry. The delay is
    \(d = \) `delays` + `distance` / `speed`, each a number or a matrix. What was sent is interpolated linearly between
    steps, or the delay is rounded to whole steps (`interpolation="nearest"`, which has no gradient of delays: a run
    that asks for it raises); where d is a whole number of steps its gradient is that towards longer delays. A delay
    shorter than the part of a step that has passed at a stage reads between the start of the step and the stage.
    `max_delay`, in ms, reserves room for delays that are fitted; longer ones raise. `hold` evaluates the coupling at
    the start of a step and keeps it there, which is of first order. `source` is the state that is sent, or "output";
    `target` the input it enters; in a network of several models either may be a dict by group.

    Raises `ValueError` for wrong shapes, negative delays, speeds ≤ 0, a speed without distances, and weights where
    there is no connection.
    """

    both_ways: ClassVar[bool] = False  # whether the strength of a connection depends on that of the other direction
    in_size: int
    mask: Tensor | None
    ends: Tensor | None
    mirror: Tensor | None
    weights = Param(0.0, "", "Connection strength, [to, from]; the diagonal is used as given.", per="edge")
    log_gain = Param(0.0, "", "Logarithm of a factor of each weight.", per="edge")
    delays = Param(0.0, "ms", "Delay of each connection, besides that of its length.", per="edge", bounds=NONNEGATIVE)
    distance = Param(0.0, "mm", "Length of each connection.", per="edge", bounds=NONNEGATIVE)
    speed = Param(3.0, "mm/ms", "Speed of conduction.", per="all", bounds=POSITIVE)
    k = Param(1.0, "", "Global gain.")

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.__doc__ = tabled(cls)

    def __init__(
        self,
        weights: Any,
        in_size: int | None = None,
        *,
        source: str | Mapping[str, str] | None = None,
        target: str | Mapping[str, str] | None = None,
        mask: Any = None,
        symmetric: bool = False,
        interpolation: str = "linear",
        max_delay: float | None = None,
        hold: bool = False,
        like: Tensor | None = None,
        **values: Any,
    ) -> None:
        like = torch.empty(()) if like is None else like
        given = weights if is_sparse(weights) else as_value("weights", weights, like)
        self.alike = not given.ndim and in_size is not None  # one weight for all pairs of different nodes
        given = given.reshape(1, 1) if self.alike else given
        shape = tuple(given.shape)
        if len(shape) < 2 or shape[-1] != shape[-2]:
            raise ValueError(
                f"weights must be square, (*b, N, N) with [to, from], or a number with in_size; got shape {shape}."
            )
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation must be {' or '.join(map(repr, INTERPOLATIONS))}, got {interpolation!r}.")
        if max_delay is not None and not 0 <= max_delay < float("inf"):
            raise ValueError(f"max_delay must be ≥ 0 ms and finite, got {max_delay}.")
        self.source, self.target, self.hold, self.symmetric = source, target, hold, symmetric
        self.nearest, self.max_delay = interpolation == "nearest", max_delay
        values = {name: value for name, value in values.items() if value is not None}
        super().__init__(shape[-1] if in_size is None else in_size, like=like)
        self.register_load_state_dict_post_hook(_look_again)  # values are parts of a coupling, and loaded after it
        self._connect(weights, mask, shape[-2:], like)
        self._hold({"weights": given, **values}, like)
        if "speed" in values and "distance" not in values:
            raise ValueError("speed delays nothing without distance=, in mm, of each connection: give it, or delays=.")
        self._check_pairs()

    def _connect(self, weights: Any, mask: Any, square: tuple[int, ...], like: Tensor) -> None:
        """Keep which pairs are connected: where weights are sparse, those of a list, else those of a mask, if any."""
        edges = None
        if mask is not None:
            mask = mask if is_sparse(mask) else torch.as_tensor(mask, dtype=torch.bool)
            mask = mask.to(like.device) if isinstance(mask, Tensor) else mask
            if tuple(mask.shape) != square:
                raise ValueError(f"mask must be {square} as the weights, got {tuple(mask.shape)}.")
        if is_sparse(weights):
            edges, mask = Edges.among(weights if mask is None else mask, like, self.symmetric or self.both_ways), None
        self.register_buffer("mask", pattern(mask, like) if is_sparse(mask) else mask)
        self.register_buffer("ends", None if edges is None else edges.ends)
        self.register_buffer("mirror", None if edges is None else edges.mirror, persistent=False)

    @property
    def edges(self) -> AllPairs | Edges:
        """The pairs of nodes that weights and delays are of: all, or where weights were sparse those of a list."""
        ends = self._buffers.get("ends")  # which is not there yet when the defaults are held
        return AllPairs(self.in_size) if ends is None else Edges(self.in_size, ends, self._buffers["mirror"])

    def matrix(self, name: str) -> Tensor:
        """The value of weights, log_gain, delays or distance as a dense matrix, (*b, N, N); or a number as it is."""
        value = self.value(name)
        return self.edges.matrix(value) if value.ndim else value

    def axes_of(self, name: str) -> int:
        """How many axes a value has besides those of a batch, unless it is a number."""
        return self.edges.axes if self.declarations[name].per == "edge" else super().axes_of(name)

    def _admitted(self, name: str, value: Any, like: Tensor) -> Tensor:
        edges = self.edges
        if isinstance(edges, Edges) and self.declarations[name].per == "edge":
            value = edges.given(self._label(name), value, like, alone=name == "weights")
        return super()._admitted(name, value, like)

    def _size(self, declaration: Param) -> int | None:
        if declaration.per == "edge" and isinstance(self.edges, Edges):
            return None  # `Edges.given` has looked
        return 1 if self.alike and declaration.name == "weights" else self.in_size

    @property
    def pairwise(self) -> bool:
        """Whether it is a function of pairs of signals."""
        return type(self).pair is not Coupling.pair

    def _check_pairs(self) -> None:
        if self.pairwise and self.lags() is not None:
            raise ValueError(
                f"{type(self).__name__} defines pair, which has no delays; write it as a send, or as more."
            )
        weights = self.weights.detach()
        if self.mask is not None and bool((wrong := (weights != 0) & ~self.mask).any()):
            raise ValueError(f"weights must be 0 where the mask has no connection, got {report(weights, wrong)}.")
        for name in ("weights", "log_gain"):
            value = self.value(name)
            if self.symmetric and value.ndim and not torch.equal(value, self.edges.transposed(value)):
                raise ValueError(f"{name} must equal its transpose where symmetric=True; it differs.")

    def assign(self, **values: Any) -> Self:
        """Give parameters new values, checked like the constructor's; returns self."""
        given = values.get("weights", ())
        if not self.alike and self.ends is None and (isinstance(given, (int, float)) or getattr(given, "ndim", 1) == 0):
            raise ValueError(
                f"{self._label('weights')} must be (*b, N, N) with [to, from] and N={self.in_size}, got a number, "
                "which does not say which pairs are connected: give a matrix, or make the coupling from a number."
            )
        super().assign(**values)
        self._check_pairs()
        return self

    def _taking_part(self, name: str) -> Tensor | None:
        return self.mask if name in ("weights", "delays", "distance") else None

    def value(self, name: str) -> Tensor:
        """The value of a declared parameter in natural units; a free one is 0 where there is no connection."""
        value = super().value(name)
        if name not in self._free or not value.ndim:
            return value
        if (part := self._taking_part(name)) is not None:
            value = value * part
        if not self.symmetric or name not in ("weights", "log_gain"):
            return value
        return (value + self.edges.transposed(value)) / 2

    def strengths(self) -> Tensor:
        """The weights as they are used, (*b, *edges), or (*b, 1, 1) where all pairs are alike."""
        return self.weights * torch.exp(self.log_gain) if self._is_set("log_gain") else self.weights

    def lags(self) -> Tensor | None:
        """The delay of each connection in ms, (*b, *edges); None where there are none."""
        edges = self.edges
        lags = self.delays if self._is_set("delays") else None
        if self._is_set("distance"):
            taken = self.distance / (edges.to(self.speed) if self.speed.ndim else self.speed)
            lags = taken if lags is None else lags + taken
        if lags is None or 0 in edges.shape:
            return None
        return lags.expand(*lags.shape[: -edges.axes], *edges.shape)

    def _hold(self, values: Mapping[str, Any], like: Tensor) -> None:
        super()._hold(values, like)
        self._look()

    def _look(self) -> None:
        """Keep what is asked of values where torch.compile sees none: which are nothing, and the longest delay."""
        held = self.fixed._buffers.items()
        self._unset = {name for name, value in held if value is not None and not value.ndim and not value}
        lags = self.lags()
        self._longest = 0.0 if lags is None else float(lags.detach().max()) * (1 + MARGIN)

    def _reserved(self) -> float | None:
        """The ms that are reserved for delays; inside torch.compile, which does not see values, those of fixed ones."""
        if self.max_delay is None and torch.compiler.is_compiling() and not self._free.keys() & DELAYING:
            return self._longest
        return self.max_delay

    def fix(self, *names: str) -> Self:
        """Undo `free`: keep the present values as fixed ones; returns self."""
        super().fix(*names)
        self._look()
        return self

    def _is_set(self, name: str) -> bool:
        return name in self._free or name not in self._unset

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        if (ends := state_dict.get(f"{prefix}ends")) is not None:  # there may be others, or more
            self.register_buffer("ends", torch.empty_like(ends, device=self.like.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if self.ends is not None and (self.symmetric or self.both_ways):
            self.mirror = mirror(self.ends)

    def _learning(self) -> Tensor | None:
        """Where the gradient of a strength may be other than 0, (N, N); None: anywhere."""
        if "weights" in self._free:
            return self.mask if self.mask is None or not self.symmetric else self.mask | self.mask.mT
        if "log_gain" in self._free and not self.weights.requires_grad:
            return present(self.weights)
        return None

    def _settled(self, weights: Tensor) -> tuple[Tensor, ...] | None:
        """The tensors on which it depends which pairs are connected and what delays are; None where that is learned.

        Weights that learn may be 0 or not, which is seen of them alone where nothing else says what is connected.
        """
        learned = {name for name in self._free if self.declarations[name].per != "node"}
        known = self.mask is not None or self.ends is not None or weights.requires_grad
        if learned & DELAYING or (learned - {"log_gain"} and not known):
            return None
        held = (*self.fixed._buffers.values(), self.mask, self.ends)
        return tuple(tensor for tensor in held if tensor is not None)

    def link(self, source: tuple[int | None, ...], target: tuple[int, ...]) -> Link:
        """The coupling from the state at this place, in each group of nodes, to the inputs at these places."""
        weights, lags = self.strengths(), self.lags()
        alike = self.alike and lags is None and not self.pairwise
        if self.alike and not alike:
            weights = weights * (1 - torch.eye(self.in_size, dtype=weights.dtype, device=weights.device))
        return Link(
            send=self.send,
            pair=self.pair if self.pairwise else None,
            receive=self.receive,
            p=self.values(),
            weights=weights,
            edges=self.edges,
            source=source,
            target=target,
            alike=alike,
            delays=lags,
            nearest=self.nearest,
            longest=self._reserved(),
            hold=self.hold,
            mask=None if self.alike or self.ends is not None else self._learning(),
            settled=self._settled(weights),
        )

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The channels a node sends."""
        raise NotImplementedError

    @staticmethod
    def pair(x: Tensor, y: Tensor, p: Any) -> tuple[Tensor, ...]:
        """In place of `send`: what a node whose signal is x makes of that of another, y, for all pairs at once."""
        raise NotImplementedError

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """The input a node receives."""
        raise NotImplementedError


def _look_again(coupling: Coupling, _: object) -> None:
    coupling._look()
