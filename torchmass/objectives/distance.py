"""Distances between two quantities of the same regions, by the axes that they are over."""

from collections.abc import Callable

from torch import Tensor

from torchmass.objectives.norms import rms
from torchmass.objectives.signals import matched
from torchmass.undefined import defined

Distance = Callable[[Tensor, Tensor], Tensor]


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
        return rms(p - q, *dims) / defined(size, size == 0, "target is 0", "nothing is relative to it")

    return relative


def complement(similarity: Distance) -> Distance:
    """1 less a similarity that is 1 at best."""
    return lambda p, q: 1 - similarity(p, q)
