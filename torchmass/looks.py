"""Looks at values: they take time, and on a GPU the host waits for it, so that one is enough until a value changes."""

from collections.abc import Callable, Hashable, MutableMapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from torchmass.undefined import is_hidden

T = TypeVar("T")

FOUND: MutableMapping[Tensor, dict[Hashable, tuple[list[Any], Any]]] = WeakTensorKeyDictionary()


def waits(x: Tensor) -> bool:
    """Whether the host waits for a device when it looks at values."""
    return x.is_cuda


def look(question: Hashable, of: Sequence[Tensor], find: Callable[[], T]) -> T | None:
    """What `find` finds in the values of tensors, which it is asked for once until one of these is another or changes.

    None where nobody may look, and nobody has looked before.
    """
    if torch.compiler.is_compiling():
        return None
    first, *others = of
    found, now = FOUND.setdefault(first, {}), [_version(first), *(part for x in others for part in (x, _version(x)))]
    before, answer = found.get(question, ([], None))
    if len(before) == len(now) and all(map(_same, before, now)):
        return answer
    if is_hidden(first):
        return None
    answer = find()
    found[question] = now, answer
    return answer


def _version(x: Tensor) -> Any:
    """What is another after each change in place."""
    return object() if x.is_inference() else x._version  # nobody counts the changes of the former


def _same(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, int) and one == other)
