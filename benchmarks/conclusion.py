"""What a benchmark of many engines and cases comes to: its last tables, and the file with every run."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import machine
from harness import as_json
from report import Measured, summary, verdicts
from requirements import Requirement, judge


def conclude(
    options: argparse.Namespace, described: dict[str, Any], measured: Measured, requirements: Sequence[Requirement]
) -> None:
    """Print all medians and what must be reached, as markdown, and write JSON."""
    judged = [judge(requirement, measured) for requirement in requirements]
    print(f"{machine.sentence(described)}\n\nMedian, in brackets the first call.\n\n{summary(measured)}\n")
    if judged:
        print(verdicts(judged) + ("\nA quick run decides nothing.\n" if options.quick else ""), flush=True)
    machine.write(
        options,
        {
            "machine": described,
            "cases": [as_json(case, rows) for case, rows in measured],
            "must_reach": [asdict(verdict) for verdict in judged],
        },
    )
