"""How much memory one call of each engine takes: the peak above what there was before, in a process of its own."""

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import fresh
import memory

if TYPE_CHECKING:
    from engine import Engine, Task, TaskT
    from harness import Row


def add_memory(script: str, case: "Task", rows: "Sequence[Row]", options: argparse.Namespace) -> None:
    """Measure every engine of a case that was timed by `script`, which says what `peak_of` finds when it is asked."""
    for row in rows:
        if row.median is not None:
            row.memory = fresh.measured(script, f"{row.engine}|{case.key}", options).get("above")


def peak_of(asked: str, engines: "Iterable[Engine[TaskT]]", cases: "Iterable[TaskT]") -> str:
    """The peak of one call, as a line of JSON, after a short one that loaded all libraries."""
    name, key = asked.split("|")
    (case,), (engine,) = (c for c in cases if c.key == key), (e for e in engines if e.name == name)
    short, work = engine.build(case.shortened()), engine.build(case)
    assert short is not None
    assert work is not None
    short.call()
    return json.dumps(memory.peak(work.call))
