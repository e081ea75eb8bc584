"""What a fit minimises: losses of (prediction, target) that are added with weights and still tell their terms apart."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Self

from torch import Tensor

from torchmass.naming import lookup
from torchmass.objectives.signals import refuse_missing

Series = Tensor | Mapping[str, Tensor]


class Objective(ABC):
    """A loss of (prediction, target), 0 at best: `(0.7 * FC() + 0.3 * FCD(window=60))(prediction, target)`, (*b).

    Both are series (T, *b, N), or mappings of series such as a run's result, of which `of("bold")` picks one; a target
    has no batch axes, or such as broadcast. An objective is a value: those of the same terms and weights are equal.
    What cannot be compared raises a `ValueError` that says where. Under `torch.func.vmap`, where values cannot be seen,
    a member of the batch whose loss is not defined (because a signal stands still) has NaN, and no other has.
    """

    @property
    @abstractmethod
    def weights(self) -> Mapping["Term", float]:
        """The weight of each term in the sum."""

    @abstractmethod
    def of(self, prediction: str, target: str | None = None) -> "Objective":
        """The same, reading this series of mappings; `target` only where it has another name there."""

    def __call__(self, prediction: Series, target: Series) -> Tensor:
        """The sum of the terms with their weights, (*b)."""
        first, *others = [weight * term.loss(prediction, target) for term, weight in self.weights.items()]
        return sum(others, start=first)

    def terms(self, prediction: Series, target: Series) -> dict[str, Tensor]:
        """Each term's own value by its name, (*b), without its weight: what to log."""
        return {repr(term): term.loss(prediction, target) for term in self.weights}

    def total(self, terms: Mapping[str, Tensor]) -> Tensor:
        """The sum of what `terms` gives, with the weights."""
        first, *others = [weight * terms[repr(term)] for term, weight in self.weights.items()]
        return sum(others, start=first)

    def __mul__(self, weight: float) -> "Objective":
        if isinstance(weight, bool) or not isinstance(weight, Real):
            return NotImplemented
        if not 0 < weight < math.inf:
            raise ValueError(f"the weight of {self!r} must be > 0 and finite, got {weight}.")
        return Sum({term: float(weight) * own for term, own in self.weights.items()})

    __rmul__ = __mul__

    def __add__(self, other: "Objective") -> "Objective":
        return combine(self, other) if isinstance(other, Objective) else NotImplemented


@dataclass(frozen=True)
class Sum(Objective):
    """Terms, each with its weight."""

    parts: Mapping["Term", float]

    @property
    def weights(self) -> Mapping["Term", float]:
        """The weight of each term in the sum."""
        return self.parts

    def of(self, prediction: str, target: str | None = None) -> Objective:
        """The same, where the terms that have not been told theirs read this series."""
        told = [weight * (term if term.series else term.of(prediction, target)) for term, weight in self.parts.items()]
        return combine(*told)

    def __repr__(self) -> str:
        return " + ".join(f"{term}" if weight == 1 else f"{weight:g} * {term}" for term, weight in self.parts.items())


@dataclass(frozen=True, repr=False, kw_only=True)
class Term(Objective):
    """One loss; what is no default shows in its name."""

    series: tuple[str, str] | None = field(default=None, repr=False)  # of the prediction and of the target

    @property
    def weights(self) -> Mapping["Term", float]:
        """This term, once."""
        return {self: 1.0}

    def of(self, prediction: str, target: str | None = None) -> Self:
        """The same, reading this series of mappings; `target` only where it has another name there."""
        return replace(self, series=(prediction, prediction if target is None else target))

    def loss(self, prediction: Series, target: Series) -> Tensor:
        """The value without weight, (*b)."""
        p, q = self._read(0, prediction), self._read(1, target)
        refuse_missing("target", q)
        return self.compare(p, q)

    @abstractmethod
    def compare(self, p: Tensor, q: Tensor) -> Tensor:
        """The loss of a prediction and a target, (*b)."""

    def _read(self, index: int, series: Series) -> Tensor:
        role = ("prediction", "target")[index]
        if isinstance(series, Tensor):
            return series
        if not isinstance(series, Mapping):
            raise TypeError(f"{role} must be a tensor or a mapping of tensors, got {type(series).__name__}.")
        if self.series is None:
            raise ValueError(f"{role} has the series {', '.join(series)}: say which one is meant, {self!r}.of(name).")
        return lookup(f"the {role}", "series", self.series[index], series)

    def __repr__(self) -> str:
        values = [(entry, getattr(self, entry.name)) for entry in fields(self) if entry.repr]
        changed = ", ".join(f"{entry.name}={value!r}" for entry, value in values if value != entry.default)
        names = dict.fromkeys(self.series or ())  # one, where both have the same
        return f"{type(self).__name__}({changed})" + (f".of({', '.join(map(repr, names))})" if names else "")


def combine(*objectives: Objective) -> Objective:
    """The sum of objectives: `combine(0.7 * FC(), 0.3 * FCD())` is `0.7 * FC() + 0.3 * FCD()`.

    The weights of equal terms add up. Raises `TypeError` for what is no objective: `Custom(function)` makes it one.
    """
    weights: dict[Term, float] = {}
    for objective in objectives:
        if not isinstance(objective, Objective):
            raise TypeError(f"{objective!r} is no objective: a function of (prediction, target) is one in Custom(…).")
        for term, weight in objective.weights.items():
            weights[term] = weights.get(term, 0.0) + weight
    if not weights:
        raise TypeError("combine takes at least one objective.")
    return Sum(weights)
