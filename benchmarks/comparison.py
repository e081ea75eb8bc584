"""A benchmark that compares engines, case after case: measured in turns, printed as it goes, and concluded."""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import machine

if TYPE_CHECKING:
    from engine import Engine, TaskT
    from harness import Row
    from requirements import Requirement


def compare(
    options: argparse.Namespace,
    cases: "Sequence[TaskT]",
    engines: "Sequence[Engine[TaskT]]",
    requirements: "Sequence[Requirement]" = (),
    measure_more: "Callable[[TaskT, Sequence[Row]], None]" = lambda case, rows: None,
    say_more: "Callable[[TaskT, Row], str]" = lambda case, row: "",
) -> None:
    """Measure, print markdown, write JSON.

    The first engine is the one that others are compared with. `measure_more` adds to the rows of a case before they are
    printed, and `say_more` is a line for each engine that was timed, or nothing.
    """
    import torch
    from conclusion import conclude
    from harness import Effort, measure
    from report import table

    torch.set_num_threads(options.threads)
    described = machine.describe(options.threads)
    effort = Effort(options.repetitions, options.budget)
    if options.quick:
        effort = replace(effort, repetitions=1, batches=False)
    measured = []
    for case in cases:
        rows = measure(case, engines, effort)
        measure_more(case, rows)
        measured.append((case, rows))
        print(table(case, rows), flush=True)
        for row in rows:
            if row.median is not None and (line := say_more(case, row)):
                print(line, flush=True)
    conclude(options, described, measured, requirements)
