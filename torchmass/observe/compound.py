"""Compound: an observer whose parameters are those of its parts."""

from collections.abc import Iterable
from typing import Any, Self

from torchmass.bounds import Bounds
from torchmass.naming import refuse
from torchmass.observe.observer import Observer
from torchmass.parametrised import Parametrised


class Compound(Observer):
    """An observer made of parts: `free`, `fix` and `assign` find the part that has a parameter of that name.

    A name that several parts have raises `ValueError`, one that none has `UnknownNameError`.
    """

    def parts(self) -> Iterable[Parametrised]:
        raise NotImplementedError

    def free(self, *names: str, **bounds: tuple[float, float] | Bounds) -> Self:
        """Make values of the parts trainable; returns self."""
        for name in names:
            self._owner(name).free(name)
        for name, limits in bounds.items():
            self._owner(name).free(**{name: limits})
        return self

    def fix(self, *names: str) -> Self:
        """Undo `free`; returns self."""
        for name in names:
            self._owner(name).fix(name)
        return self

    def assign(self, **values: Any) -> Self:
        """Give parameters of the parts new values; returns self."""
        for name, value in values.items():
            self._owner(name).assign(**{name: value})
        return self

    def _owner(self, name: str) -> Parametrised:
        leaves = [leaf for part in self.parts() for leaf in (part.parts() if isinstance(part, Compound) else (part,))]
        found = [leaf for leaf in leaves if name in leaf.declarations]
        if not found:
            refuse(type(self).__name__, "parameter", name, [known for leaf in leaves for known in leaf.declarations])
        if len(found) > 1:
            several = " and ".join(type(leaf).__name__ for leaf in found)
            raise ValueError(f"{name!r} is a parameter of both {several}: name it on the one that is meant.")
        return found[0]
