"""Engine: a way to compute a case, and the work it makes of one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

CHECKED_STEPS = 100  # at least, and of most cases
Arrays = dict[str, np.ndarray]


class Task(Protocol):
    """A piece of work to be timed, a frozen dataclass: a `Case` or a `NetworkCase`."""

    @property
    def title(self) -> str:
        """What it is called in tables."""
        ...

    @property
    def key(self) -> str:
        """What requirements call it."""
        ...

    @property
    def steps(self) -> int:
        """How many steps it takes."""
        ...

    def shortened(self) -> Self:
        """The steps in which engines are compared, without noise, of which every engine draws its own."""
        ...


TaskT = TypeVar("TaskT", bound=Task)


class LeftOutError(Exception):
    """An engine does not take part; the message says why."""


@dataclass(frozen=True)
class Work:
    """`call` is what is timed, and returns when all of it is computed; `read` makes arrays of what it returned."""

    call: Callable[[], Any]
    read: Callable[[Any], Arrays]


@dataclass(frozen=True)
class Engine(Generic[TaskT]):
    """A way to compute a case: `build` sets it up and returns the work: its series, and its gradient if asked for.

    `build` returns None for a case the engine does not do, and raises `ImportError` or `LeftOutError` where it could
    not. What `read` returns may be empty: nothing to compare.
    """

    name: str
    build: Callable[[TaskT], Work | None]
    timed: bool = True  # or only there for the others to be compared with
    package: str = "torchmass[bench]"  # to be installed where it is missing
