"""Requirement: a ratio of two medians of one run that must be large, or small, enough."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine import Task
from harness import Row

OURS = "torchmass fused"


@dataclass(frozen=True)
class Requirement:
    """In every work, the time of the engine `over` by that of `under` is at least `bound`, or at most.

    An engine may be a family, of which the fastest counts; `of` may be "memory" instead, its peak.
    """

    text: str
    over: str
    under: str
    works: tuple[str, ...]  # keys of cases
    bound: float
    at_most: bool = False
    against: tuple[str, ...] = ()  # works of `under`, where they are not the same
    of: str = "median"


@dataclass
class Verdict:
    """What a requirement came to in one run."""

    requirement: str
    ratios: dict[str, float] = field(default_factory=dict)  # by work
    missing: dict[str, str] = field(default_factory=dict)  # works without a ratio, and why
    reached: bool | None = None  # None where works are missing


FORWARD = tuple(f"{model} {nodes}" for model in ("hopf", "jansen_rit") for nodes in (1, 80, 1024))
SMALL, LARGE = tuple(w for w in FORWARD if "1024" not in w), tuple(w for w in FORWARD if not w.endswith(" 1"))
GRADIENT = ("jansen_rit 80 gradient",)
REQUIREMENTS = (
    Requirement("forward, 80 and 1024 nodes: ≥ 8 times faster than jitted JAX", "JAX scan", OURS, LARGE, 8),
    Requirement("forward: ≥ 100 times faster than brainmass's Simulator", "brainmass Simulator", OURS, FORWARD, 100),
    Requirement("forward, 1 and 80 nodes: ≥ 500 times faster than torch eager", "bare torch loop", OURS, SMALL, 500),
    Requirement("forward + gradient: ≥ 20 times faster than jitted JAX", "JAX scan", OURS, GRADIENT, 20),
    Requirement("forward + gradient: ≥ 300 times faster than eager", "torchmass eager", OURS, GRADIENT, 300),
    Requirement("forward: ≤ 1.3 times C by hand", OURS, "C by hand", FORWARD, 1.3, at_most=True),
    Requirement("its kernel alone: ≤ 1.3 times C by hand", "torchmass kernel", "C by hand", FORWARD, 1.3, at_most=True),
    Requirement(
        "forward + gradient: ≤ 3.5 times forward", OURS, OURS, GRADIENT, 3.5, at_most=True, against=("jansen_rit 80",)
    ),
)


def judge(requirement: Requirement, measured: Sequence[tuple[Task, Sequence[Row]]]) -> Verdict:
    """Reached if it is in all works; not reached if it is missed in one; else not known."""
    rows = {case.key: found for case, found in measured}
    verdict = Verdict(requirement.text)
    for work, base in zip(requirement.works, requirement.against or requirement.works, strict=True):
        over, under = _fastest(rows.get(work, ()), requirement.over), _fastest(rows.get(base, ()), requirement.under)
        if over is None or under is None:
            verdict.missing[work] = "not run"
            continue
        above, below = (getattr(row, requirement.of) for row in (over, under))
        if above is None or below is None:
            ours = above if requirement.over.startswith("torchmass") else below
            verdict.missing[work] = "no rival here" if ours is not None else "not timed"
        else:
            verdict.ratios[work] = above / below
    bound = requirement.bound
    enough = [ratio <= bound if requirement.at_most else ratio >= bound for ratio in verdict.ratios.values()]
    verdict.reached = False if not all(enough) else None if verdict.missing else True
    return verdict


def _fastest(rows: Sequence[Row], name: str) -> Row | None:
    """The row of an engine, or the fastest one of a family."""
    named = [row for row in rows if name in (row.engine, row.family)]
    return min(named, key=lambda row: math.inf if row.median is None else row.median, default=None)
