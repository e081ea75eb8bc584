"""Terms that compare one quantity of two series, and what a distance between two quantities is."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

from torch import Tensor

from torchmass.naming import lookup
from torchmass.objectives.norms import rms
from torchmass.objectives.objective import Term
from torchmass.objectives.signals import matched, refuse_where

Distance = Callable[[Tensor, Tensor], Tensor]


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


def rmse_of(*dims: int) -> Distance:
    """The root-mean-square difference over these axes."""

    def rmse(p: Tensor, q: Tensor) -> Tensor:
        p, q = matched(p, q)
        return rms(p - q, *dims)

    return rmse


def relative_of(*dims: int) -> Distance:
    r"""\(\lVert p - q\rVert / \lVert q\rVert\) over these axes."""

    def relative(p: Tensor, q: Tensor) -> Tensor:
        p, q = matched(p, q)
        size = rms(q, *dims)
        refuse_where(size == 0, "target is 0", "nothing is relative to it")
        return rms(p - q, *dims) / size

    return relative


def complement(similarity: Distance) -> Distance:
    """1 less a similarity that is 1 at best."""
    return lambda p, q: 1 - similarity(p, q)
