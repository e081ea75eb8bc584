"""Engine: a way to compute a case, and the work it makes of one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cases import Arrays, Case


class LeftOutError(Exception):
    """An engine does not take part; the message says why."""


@dataclass(frozen=True)
class Work:
    """`call` is what is timed, and returns when all of it is computed; `read` makes arrays of what it returned."""

    call: Callable[[], Any]
    read: Callable[[Any], Arrays]


@dataclass(frozen=True)
class Engine:
    """A way to compute a case: `build` sets it up and returns the work: its series, and its gradient if asked for.

    `build` returns None for a case the engine does not do, and raises `ImportError` or `LeftOutError` where it could
    not.
    """

    name: str
    build: Callable[[Case], Work | None]
