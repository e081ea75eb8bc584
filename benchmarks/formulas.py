"""Hopf and Jansen–Rit written once more, with a Heun step, for engines that bring only their array functions."""

from collections.abc import Callable
from typing import Any

States = tuple[Any, ...]


def hopf(s: States, u: Any, p: dict[str, Any], sigmoid: Callable[[Any], Any]) -> States:
    """Slopes of x and y per ms; `u` is added to that of x."""
    x, y = s
    growth = p["a"] - p["beta"] * (x * x + y * y)
    return growth * x - p["w"] * y + u, growth * y + p["w"] * x


def jansen_rit(s: States, u: Any, p: dict[str, Any], sigmoid: Callable[[Any], Any]) -> States:
    """Slopes of M, E, I and their velocities per ms; `u` is p(t)."""
    M, E, I, Mv, Ev, Iv = s
    rate = lambda v: p["s_max"] * sigmoid(p["r"] * (v - p["v0"]))
    dMv = p["Ae"] * p["be"] * rate(E - I) - 2 * p["be"] * Mv - p["be"] ** 2 * M
    dEv = p["Ae"] * p["be"] * (u + p["C"] * p["a2"] * rate(p["C"] * p["a1"] * M)) - 2 * p["be"] * Ev - p["be"] ** 2 * E
    dIv = p["Ai"] * p["bi"] * p["C"] * p["a4"] * rate(p["C"] * p["a3"] * M) - 2 * p["bi"] * Iv - p["bi"] ** 2 * I
    return tuple(1e-3 * slope for slope in (Mv, Ev, Iv, dMv, dEv, dIv))


FIELDS = {"hopf": hopf, "jansen_rit": jansen_rit}
OUTPUTS: dict[str, Callable[[States], Any]] = {"hopf": lambda s: s[0], "jansen_rit": lambda s: s[1] - s[2]}


def heun(field: Callable[[States], States], s: States, dt: float, dw: States | None = None) -> States:
    """One Heun step; `dw` is the noise increment of each state."""
    first = field(s)
    second = field(_moved(s, tuple(dt * k for k in first), dw))
    return _moved(s, tuple(0.5 * dt * (k + l) for k, l in zip(first, second, strict=True)), dw)


def _moved(s: States, by: States, dw: States | None) -> States:
    moved = tuple(x + d for x, d in zip(s, by, strict=True))
    return moved if dw is None else tuple(x + w for x, w in zip(moved, dw, strict=True))
