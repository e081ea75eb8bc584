"""Coupling: what nodes send each other, when it arrives, and what they make of the weighted sum."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Param, tabled
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
    delays, and eager, since it costs N² evaluations at every stage. An instance is built from its weights, `(N, N)` or
    `(B, N, N)`, and a value for any parameter. Weights may be sparse, of torch or of scipy: duplicates are added up,
    and where there are entries, zeros among them, is the `mask` unless one is given. A number, given with `in_size`, is
    the weight of every pair of different nodes: without delays, sums are then taken over all nodes at once, in O(N).

    The weight is \(w = W \exp(g)\) of `weights` W and `log_gain` g, so that a free g keeps signs and zeros. `mask` is
    True where there may be a connection: W, and delays and distances that are fitted, stay 0 elsewhere. With
    `symmetric` W and g are the same in both directions. The delay is \(d = \) `delays` + `distance` / `speed`, each a
    number or `(N, N)`. What was sent is interpolated linearly between steps, or the delay is rounded to whole steps
    (`interpolation="nearest"`, which has no gradient of delays: a run that asks for it raises); where d is a whole
    number of steps its gradient is that towards longer delays. A delay shorter than the part of a step that has
    passed at a stage reads between the start of the step and the stage. `max_delay`, in ms, reserves room for
    delays that are fitted; longer ones raise. `hold` evaluates the coupling at the start of a step and keeps it
    there, which is of first order. `source` is the state that is sent, or "output"; `target` the input it enters;
    in a network of several models either may be a dict by group.

    Raises `ValueError` for wrong shapes, negative delays, speeds ≤ 0, a speed without distances, and weights where
    there is no connection.
    """

    in_size: int
    mask: Tensor | None
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
        given = as_value("weights", weights, torch.empty(()) if like is None else like)
        self.alike = not given.ndim and in_size is not None  # one weight for all pairs of different nodes
        given = given.reshape(1, 1) if self.alike else given
        if given.ndim < 2 or given.shape[-1] != given.shape[-2]:
            raise ValueError(
                f"weights must be square, (*b, N, N) with [to, from], or a number with in_size; got shape "
                f"{tuple(given.shape)}."
            )
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation must be {' or '.join(map(repr, INTERPOLATIONS))}, got {interpolation!r}.")
        if max_delay is not None and not 0 <= max_delay < float("inf"):
            raise ValueError(f"max_delay must be ≥ 0 ms and finite, got {max_delay}.")
        self.source, self.target, self.hold, self.symmetric = source, target, hold, symmetric
        self.nearest, self.max_delay = interpolation == "nearest", max_delay
        mask = pattern(weights) if mask is None else pattern(mask) if is_sparse(mask) else mask
        kept = None if mask is None else torch.as_tensor(mask, dtype=torch.bool, device=given.device)
        if kept is not None and kept.shape != given.shape[-2:]:
            raise ValueError(f"mask must be {tuple(given.shape[-2:])} as the weights, got {tuple(kept.shape)}.")
        values = {name: value for name, value in values.items() if value is not None}
        super().__init__(given.shape[-1] if in_size is None else in_size, like=like, weights=given, **values)
        self.register_buffer("mask", kept)
        if "speed" in values and "distance" not in values:
            raise ValueError("speed delays nothing without distance=, in mm, of each connection: give it, or delays=.")
        self._check_pairs()

    def _size(self, declaration: Param) -> int | None:
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
            if self.symmetric and value.ndim and not torch.equal(value, value.mT):
                raise ValueError(f"{name} must equal its transpose where symmetric=True; it differs.")

    def assign(self, **values: Any) -> Self:
        """Give parameters new values, checked like the constructor's; returns self."""
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
        return (value + value.mT) / 2 if self.symmetric and name in ("weights", "log_gain") else value

    def strengths(self) -> Tensor:
        """The weights as they are used, (*b, N, N), or (*b, 1, 1) where all pairs are alike."""
        return self.weights * torch.exp(self.log_gain) if self._is_set("log_gain") else self.weights

    def lags(self) -> Tensor | None:
        """The delay of each connection in ms, (*b, N, N); None where there are none."""
        if not (self._is_set("delays") or self._is_set("distance")):
            return None
        lags = self.delays + self.distance / (self.speed.unsqueeze(-1) if self.speed.ndim else self.speed)
        return lags.expand(*lags.shape[:-2], self.in_size, self.in_size)

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
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._look()

    def _learning(self) -> Tensor | None:
        """Where the gradient of a strength may be other than 0, (N, N); None: anywhere."""
        if "weights" in self._free:
            return self.mask if self.mask is None or not self.symmetric else self.mask | self.mask.mT
        if "log_gain" in self._free and not self.weights.requires_grad:
            return present(self.weights)
        return None

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
            source=source,
            target=target,
            alike=alike,
            delays=lags,
            nearest=self.nearest,
            longest=self._reserved(),
            hold=self.hold,
            mask=None if self.alike else self._learning(),
        )

    @staticmethod
    def send(x: Tensor, p: Any) -> tuple[Tensor, ...]:
        """The channels a node sends."""
        raise NotImplementedError

    @staticmethod
    def pair(x: Tensor, y: Tensor, p: Any) -> tuple[Tensor, ...]:
        """In place of `send`: what a node whose signal is x, (*b, N, 1), makes of others', y, (*b, 1, N)."""
        raise NotImplementedError

    @staticmethod
    def receive(x: Tensor, sums: tuple[Tensor, ...], p: Any) -> Tensor:
        """The input a node receives."""
        raise NotImplementedError
