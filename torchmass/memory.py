"""Memory: what an observer keeps of a run that has ended, for the one that continues it."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from torch import Tensor

Carry = tuple[Any, ...]  # tensors, and tuples of them


@dataclass(frozen=True)
class Memory:
    """What an observer of this `kind`, which has seen so many samples `dt` ms apart, carries to the next one."""

    kind: str
    dt: float
    samples: int
    carry: Carry

    def detach(self) -> "Memory":
        """The same, cut from the graph."""
        return replace(self, carry=_each(self.carry, Tensor.detach))

    def to(self, *args: Any, **options: Any) -> "Memory":
        """The same elsewhere; counts stay where and what they are."""
        return replace(self, carry=_each(self.carry, lambda x: x.to(*args, **options) if x.ndim else x))

    def told(self, names: Iterator[str]) -> tuple[str, dict[str, Tensor]]:
        """All of it as a text and the tensors that it calls by `names`, as a file keeps them."""
        named: dict[str, Tensor] = {}

        def name(tensor: Tensor) -> str:
            found = next(names)
            named[found] = tensor
            return found

        return json.dumps(vars(self) | {"carry": _each(self.carry, name)}), named

    @classmethod
    def of(cls, text: str, named: Mapping[str, Tensor]) -> Self:
        """The opposite of `told`."""
        held = json.loads(text)
        return cls(**{**held, "carry": _each(held["carry"], named.__getitem__)})


def _each(carry: Any, function: Callable[[Any], Any]) -> Any:
    """A carry of what a function makes of each entry."""
    return tuple(_each(x, function) if isinstance(x, tuple | list) else function(x) for x in carry)
