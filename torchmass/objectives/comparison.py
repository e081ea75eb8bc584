"""Terms that compare one quantity of two series, or what a function of one's own makes of them."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from torch import Tensor

from torchmass.naming import lookup
from torchmass.objectives.distance import Distance
from torchmass.objectives.objective import Term


@dataclass(frozen=True, repr=False, kw_only=True)
class Comparison(Term):
    """The `distance`, by name, between a quantity of the prediction and the same quantity of the target."""

    distances: ClassVar[Mapping[str, Distance]] = {}

    distance: str
    is_precomputed: bool = field(default=False, repr=False)

    def __post_init__(self) -> None:
        lookup(type(self).__name__, "distance", self.distance, self.distances)

    @abstractmethod
    def quantity(self, x: Tensor) -> Tensor:
        """What is compared, of a series (T, *b, N)."""

    def precomputed(self) -> Self:
        """The same for a target that is the quantity itself, a recorded FC (N, N) for instance, not a series."""
        return replace(self, is_precomputed=True)

    def compare(self, p: Tensor, q: Tensor) -> Tensor:
        """The loss of a prediction and a target, (*b)."""
        return self.distances[self.distance](self.quantity(p), q if self.is_precomputed else self.quantity(q))

    def __repr__(self) -> str:
        return super().__repr__() + (".precomputed()" if self.is_precomputed else "")


@dataclass(frozen=True, repr=False)
class Custom(Term):
    """A function of one's own of two series (prediction, target), with a loss (*b), as a term."""

    function: Callable[[Any, Any], Tensor]

    def compare(self, p: Tensor, q: Tensor) -> Tensor:
        """The loss of a prediction and a target, (*b)."""
        return self.function(p, q)
