"""Values from users: numbers, lists, arrays or tensors, turned into tensors and checked once."""

import math
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import Bounds
from torchmass.declare import Param
from torchmass.sparse import dense
from torchmass.undefined import is_hidden, known_false


def as_value(label: str, value: Any, like: Tensor) -> Tensor:
    """`value` as a tensor with the dtype and device of `like`.

    Numbers, lists and arrays take that dtype; a floating-point tensor keeps its own and must match. What is sparse is
    made dense.
    """
    value = dense(value)
    if not isinstance(value, Tensor):
        try:
            return torch.as_tensor(value, dtype=like.dtype, device=like.device)
        except (TypeError, ValueError, RuntimeError) as error:
            got = type(value).__name__
            got += f": {error}" if isinstance(value, (list, tuple)) else ""  # rows of different length, or no numbers
            raise TypeError(f"{label} must be a number, an array or a tensor, got {got}.") from error
    if value.device != like.device:
        raise ValueError(f"{label} is on {value.device}, the model on {like.device}; move one with .to(...).")
    if value.is_complex():
        raise TypeError(f"{label} must be real, got {value.dtype}; take its real part, or its absolute value.")
    if not value.is_floating_point():
        return value.to(like.dtype)
    if value.dtype != like.dtype:
        raise ValueError(f"{label} is {value.dtype}, the model {like.dtype}; convert one with .to(...).")
    return value


def check_value(label: str, value: Tensor, declaration: Param, in_size: int | None) -> None:
    """Raise a `ValueError` unless `value` has a fitting shape, is finite and within bounds.

    A quantity whose default is infinite may be infinite.
    """
    if in_size is not None:
        check_shape(label, value, declaration.per, in_size)
    if _lies_between(value.detach(), declaration.bounds):
        return
    # what may never end has an infinite default, and may be infinite; clamped, only its NaN is not finite
    finite = value.clamp(-1, 1) if math.isinf(declaration.default) else value
    if is_nonfinite(finite):
        raise ValueError(f"{label} must be finite, got {report(value, ~finite.isfinite())}.")
    admitted = declaration.bounds.admits(value)
    if known_false(admitted.all()):
        unit = f" {declaration.unit}" if declaration.unit else ""
        raise ValueError(f"{label} must be {declaration.bounds}{unit}, got {report(value, ~admitted)}.")


def _lies_between(value: Tensor, bounds: Bounds) -> bool:
    """Whether all entries are known to be finite and within bounds, from the least and the largest of them.

    What may not be on its bounds is left to be looked at in its own precision, to which they are rounded.
    """
    if bounds.strict or not value.numel() or is_hidden(value):
        return False
    try:
        ends = [float(end) for end in value.aminmax()]  # NaN where one is
    except RuntimeError:  # inside vmap, as in `truth`
        return False
    return all(math.isfinite(end) and bounds.low <= end <= bounds.high for end in ends)


def check_shape(label: str, value: Tensor, per: str, in_size: int) -> None:
    """Raise a `ValueError` unless the last axis (axes, for an edge value) fit `in_size` nodes."""
    if per == "edge":
        if value.ndim and value.shape[-2:] != (in_size, in_size):
            raise ValueError(
                f"{label} must be (*b, N, N) with [to, from] and N={in_size}, got shape {tuple(value.shape)}."
            )
    elif per == "sensor":
        if value.ndim < 2 or value.shape[-1] != in_size:
            raise ValueError(f"{label} must be (*b, M, N), M sensors by N={in_size}, got shape {tuple(value.shape)}.")
    elif per == "all":
        if value.ndim and value.shape[-1] != 1:
            raise ValueError(f"{label} must be a number or (B, 1), one for all nodes, got shape {tuple(value.shape)}.")
    elif value.ndim and value.shape[-1] not in (1, in_size):
        raise ValueError(
            f"{label} must be a number, (N,), (B, 1) or (B, N) with N={in_size}, got shape {tuple(value.shape)}."
        )


def whole(label: str, value: Any, least: int = 1) -> int:
    """`value` as an int; raises a `ValueError` unless it is a whole number and at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < least:
        raise ValueError(f"{label} must be a whole number ≥ {least}, got {value!r}.")
    return int(value)


def whole_steps(label: str, ms: float, dt: float, least: int = 0) -> int:
    """A time as a number of steps of `dt`; it may miss a multiple of dt by 1e-6 of a step, no more."""
    if not 0 <= ms < float("inf"):
        raise ValueError(f"{label} must be ≥ 0 ms and finite, got {ms}.")
    steps = round(ms / dt)
    if abs(ms / dt - steps) > 1e-6:
        below = int(ms / dt)
        nearest = f"{below * dt:g} and {(below + 1) * dt:g}"
        raise ValueError(f"{label}={ms:g} ms is no multiple of dt={dt:g} ms; the nearest are {nearest}.")
    if steps < least:
        raise ValueError(f"{label} must be at least {least * dt:g} ms for dt={dt:g} ms, got {ms:g}.")
    return steps


def checked_seed(label: str, value: Any) -> int:
    """`value` as an int; raises a `ValueError` unless it is a whole number from 0 and below 2⁶⁴."""
    seed = whole(label, value, least=0)
    if seed >= 2**64:
        raise ValueError(f"{label} must be below 2⁶⁴, got {seed}.")
    return seed


def report(value: Tensor, wrong: Tensor) -> str:
    """The first wrong entry of `value`, and where it stands."""
    if value.ndim == 0:
        return f"{value.item():g}"
    first = wrong.nonzero()[0].tolist()
    return f"{value[tuple(first)].item():g} at index {first[0] if len(first) == 1 else tuple(first)}"


def is_nonfinite(value: Tensor) -> bool:
    """Whether `value` is known to hold a NaN or an infinity."""
    if torch.compiler.is_compiling():
        return False
    # a sum costs a tenth of looking at every entry (800,000 floats: 0.1 against 2 ms) and shows nearly always the same
    total = value.sum()
    return known_false(total - total == 0) and known_false(value.isfinite().all())
