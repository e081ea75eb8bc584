"""What must be reached on an H200, and whether it was."""

from collections.abc import Callable, Mapping
from typing import Any

PUBLISHED = 5.6 * 60  # s: cuBNM's headline on an A100, in double
TIMES = ("median", "jax", "cpu")  # of a row
Numbers = Mapping[str, Any]
CLAIMS: Mapping[str, tuple[Callable[[Numbers], float], Callable[[float], bool] | None]] = {
    "headline in float32 ≤ 60 s": (lambda t: t["single"], lambda s: s <= 60),
    "headline in float64 ≤ 180 s": (lambda t: t["double"], lambda s: s <= 180),
    f"published: {PUBLISHED:.0f} s (A100, double), times": (lambda t: PUBLISHED / t["double"], None),
    "its gradient ≤ 4 × forward": (lambda t: t["gradient"] / t["single"], lambda times: times <= 4),
    "JAX takes ≥ 10 × as long for the batch with delays": (lambda t: t["batch jax"] / t["batch"], lambda x: x >= 10),
    "one network ≤ 3 × the CPU's time": (lambda t: t["one"] / t["one cpu"], lambda times: times <= 3),
}


def requirements(rows: Mapping[str, dict[str, Any]]) -> list[list[str]]:
    """Each claim, what was measured of it, and whether it holds; empty where something has not been measured."""
    taken = {f"{key} {name}".removesuffix(" median"): row.get(name) for key, row in rows.items() for name in TIMES}
    numbers = {name: time for name, time in taken.items() if isinstance(time, float)}
    found = []
    for text, (measured, holds) in CLAIMS.items():
        try:
            value = measured(numbers)
        except KeyError:
            found.append([text, "", ""])
            continue
        found.append([text, f"{value:.3g}", "" if holds is None else "yes" if holds(value) else "**no**"])
    return found
