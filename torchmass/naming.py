"""Errors about names: what was asked for, what exists, and the nearest match."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import NoReturn, TypeVar

from torch import nn

T = TypeVar("T")
TAKEN = frozenset({"noise", "history", *dir(nn.ModuleDict())})  # what a name of a part of a network would hide


class UnknownNameError(TypeError, ValueError):
    """A name that does not exist: a wrong keyword (TypeError) or a wrong string (ValueError)."""


def refuse(owner: str, kind: str, name: object, known: Iterable[str]) -> NoReturn:
    """Raise an `UnknownNameError` that lists what `owner` has and suggests the nearest name."""
    names = list(known)
    near = [other for other in names if other.lower() == str(name).lower()]
    near += get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "."
    listing = f" It has {', '.join(names)}." if names else f" It has no {kind} at all."
    raise UnknownNameError(f"{owner} has no {kind} {name!r}{hint}{listing}")


def check_called(kind: str, name: object) -> None:
    """Raise a `ValueError` unless one of several modules may be called so: `<name>.<value>` are its values."""
    fits = isinstance(name, str) and name.isidentifier() and not name.startswith("_")
    if not fits or name in TAKEN:
        raise ValueError(
            f"a {kind} cannot be called {name!r}: it must be an identifier without a leading underscore, and neither "
            "an attribute of torch.nn.ModuleDict nor 'noise' or 'history'; choose another name."
        )


def lookup(owner: str, kind: str, name: str, table: Mapping[str, T]) -> T:
    """`table[name]`, or an `UnknownNameError` with a suggestion."""
    if name not in table:
        refuse(owner, kind, name, table)
    return table[name]
