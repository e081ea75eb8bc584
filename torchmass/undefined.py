"""What is not defined: an error that says where, or NaN for the one member of a batch that it is true of."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

_TOLERANT: ContextVar[tuple[bool, bool]] = ContextVar("tolerant", default=(False, False))  # of runs, of gradients


@contextmanager
def tolerant(on: bool = True, gradients: bool | None = None) -> Iterator[None]:
    """Within, a run that diverges goes on and what is not defined is NaN; without, they raise.

    So is a gradient that is not finite, unless `gradients` says otherwise. For populations, of which single members may
    fail: what is wrong for all of them, as a shape, raises all the same.
    """
    if torch.compiler.is_compiling():  # a compiled function sees no context
        yield
        return
    token = _TOLERANT.set((on, on if gradients is None else gradients))
    try:
        yield
    finally:
        _TOLERANT.reset(token)


def tolerated() -> bool:
    """Whether this is within `tolerant`."""
    return tolerance()[0]


def tolerance() -> tuple[bool, bool]:
    """Whether runs that diverge, and whether gradients that do are tolerated here."""
    return (False, False) if torch.compiler.is_compiling() else _TOLERANT.get()


def defined(x: Tensor, undefined: Tensor, complaint: str, reason: str) -> Tensor:
    """x itself. Raises a `ValueError` with the first index at which `undefined`, which broadcasts with x, is true.

    Where values cannot be seen, or failures are tolerated, x is NaN there instead: no number means nothing.
    """
    seen = None if tolerated() else truth(undefined.any())
    if seen:
        where = f" at index {undefined.nonzero()[0].tolist()}" if undefined.ndim else ""
        raise ValueError(f"{complaint}{where}: {reason}.")
    return torch.where(undefined, torch.nan, x) if seen is None else x


def is_hidden(x: Tensor) -> bool:
    """Whether nobody may look at values: inside torch.compile, and while a CUDA graph is captured."""
    return torch.compiler.is_compiling() or (x.is_cuda and torch.cuda.is_current_stream_capturing())


def truth(condition: Tensor) -> bool | None:
    """Whether a boolean scalar is true; None where its value cannot be seen, as inside vmap."""
    if is_hidden(condition):
        return None
    try:
        return bool(condition)
    except RuntimeError:  # inside vmap a value belongs to many members and has no truth of its own
        return None


def known_false(condition: Tensor) -> bool:
    """Whether a boolean scalar is False; False itself where its value cannot be seen."""
    return truth(condition) is False
