"""Times one piece of work on several engines, turn by turn, and checks that they computed the same."""

import gc
import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
from engine import Arrays, Engine, LeftOutError, Task, TaskT, Work

TOLERANCE = 1e-3  # of the largest relative difference over the checked steps
ONCE_MORE = 5.0  # seconds: a call that is expected to take less is made once before it is timed
SHORT, FILLED = 5e-3, 2e-2  # calls that take less than the one are timed in batches that take the other, in seconds


@dataclass
class Row:
    """What one engine did on one case; times in seconds."""

    engine: str
    status: str = "ok"  # or why there are no times
    first_call: float | None = None  # set-up and the first call of the checked steps, compilation included
    warm_up: float | None = None  # the first call at full length, compilation included
    expected: float | None = None  # what a call at full length then takes, about
    batch: int = 1  # calls in a row that were timed together; every time is that of one call
    times: list[float] = field(default_factory=list)
    difference: dict[str, float] = field(default_factory=dict)  # to the first engine, by series
    agrees: bool | None = None
    memory: float | None = None  # MB, the peak above the process, where it is measured

    @property
    def family(self) -> str:
        """The engine without its variant: that of "library (variant)" is "library"."""
        return self.engine.partition(" (")[0]

    @property
    def median(self) -> float | None:
        """The median of the counted runs."""
        return statistics.median(self.times) if self.times else None


@dataclass(frozen=True)
class Effort:
    """How long to measure: up to `repetitions` runs, `budget` seconds per engine, no run expected over `patience`."""

    repetitions: int = 15
    budget: float = 15.0
    patience: float = 60.0
    batches: bool = True  # of calls that are short
    least: int = 3  # counted runs beyond the budget, unless one run exceeds it


def measure(case: TaskT, engines: Sequence[Engine[TaskT]], effort: Effort) -> list[Row]:
    """One row per engine that does the case; the first engine is the one the others are compared with."""
    reference: Arrays | None = None
    rows: list[Row] = []
    running: list[tuple[Row, Work]] = []
    for engine in engines:
        row = Row(engine.name)
        try:
            prepared = _prepare(engine, case, row, effort)
        except (ImportError, LeftOutError) as reason:
            row.status = f"missing: pip install {engine.package}" if isinstance(reason, ImportError) else str(reason)
            rows.append(row)
            continue
        if prepared is None:
            continue
        rows.append(row)
        checked, work = prepared
        if checked:
            reference = reference or checked
            row.difference = {name: relative(checked[name], reference[name], name) for name in reference}
            row.agrees = all(difference < TOLERANCE for difference in row.difference.values())
        if work is not None:
            running.append((row, work))
    _repeat(running, effort)
    return rows


def _prepare(engine: Engine[TaskT], case: TaskT, row: Row, effort: Effort) -> tuple[Arrays, Work | None] | None:
    """The checked steps, and the work at full length, run once; no work if it would take too long."""
    short = case.shortened()
    start = perf_counter()
    check = engine.build(short)
    if check is None:
        return None
    found = check.call()
    row.first_call = perf_counter() - start
    checked = check.read(found)
    if not engine.timed:
        row.status = "only compared with"
        return checked, None
    row.expected = _timed(check.call) * case.steps / short.steps
    if row.expected > effort.patience:
        row.status = f"left out: one call would take about {row.expected:.0f} s"
        return checked, None
    work = check if short == case else engine.build(case)
    assert work is not None
    row.warm_up = row.first_call if work is check else _timed(work.call)
    if row.expected <= 1:
        row.expected = min(_timed(work.call) for _ in range(3))
    row.batch = math.ceil(FILLED / row.expected) if row.expected < SHORT and effort.batches else 1
    return checked, work


def _repeat(running: list[tuple[Row, Work]], effort: Effort) -> None:
    """A B C A B C …, so that a drift of the machine hits all engines alike."""
    for _ in range(effort.repetitions):
        for row, work in running:
            if _wants_more([time * row.batch for time in row.times], effort):
                short = row.expected is not None and row.expected < ONCE_MORE
                row.times.append(_timed(work.call, row.batch, short))


def _wants_more(times: list[float], effort: Effort) -> bool:
    if sum(times) < effort.budget:
        return True
    return len(times) < effort.least and max(times) < effort.budget


def _timed(call: Callable[[], Any], batch: int = 1, short: bool = False) -> float:
    """Seconds that one of `batch` calls in a row takes.

    Garbage is collected before, and what is left is kept from the collector, which would else walk through it now and
    then while the call runs. A collection empties the processor's caches, and the engine before has left threads that
    wait for more: a call before a short one, or before a batch, is not counted.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    if batch > 1 or short:
        call()
    start = perf_counter()
    for _ in range(batch):
        call()
    return (perf_counter() - start) / batch


def relative(value: np.ndarray, reference: np.ndarray, name: str) -> float:
    """The largest difference, relative to the largest magnitude of a series and to each entry of a gradient."""
    if value.shape != reference.shape:
        return float("inf")
    difference, size = np.abs(value - reference.astype(np.float64)), np.abs(reference)
    worst = np.max(difference / np.maximum(size, 1e-30) if name == "gradient" else difference / np.max(size))
    return float(worst) if np.isfinite(worst) else float("inf")


def as_json(case: Task, rows: Sequence[Row]) -> dict[str, Any]:
    """A case and its rows, every repetition included."""
    said = asdict(case) | {"title": case.title, "key": case.key}  # type: ignore[call-overload]
    return {"case": said, "rows": [asdict(row) | {"median": row.median} for row in rows]}
