"""Measured rows as markdown: a table per case, and one table of all medians."""

from collections.abc import Sequence

from engine import Task
from harness import Row
from requirements import Verdict

Measured = Sequence[tuple[Task, Sequence[Row]]]


def table(case: Task, rows: Sequence[Row]) -> str:
    """One case: what each engine took."""
    head = ["engine", "first call", "median", "min–max", "runs", "ratio", "largest difference"]
    base = next((row.median for row in rows if row.median is not None), None)
    body = [_cells(row, base) for row in rows]
    if any(row.memory is not None for row in rows):
        head, body = [*head, "memory"], [[*cells, _megabytes(row)] for cells, row in zip(body, rows, strict=True)]
    return f"### {case.title}\n\n" + markdown(head, body)


def summary(measured: Measured) -> str:
    """All cases: medians, with the first call in brackets."""
    names = list(dict.fromkeys(row.engine for _, rows in measured for row in rows))
    body = []
    for case, rows in measured:
        by_name = {row.engine: row for row in rows}
        body.append([case.title, *(_brief(by_name.get(name)) for name in names)])
    return markdown(["work", *names], body)


def verdicts(judged: Sequence[Verdict]) -> str:
    """What must be reached: the ratio in every work, and whether that is enough."""
    body = []
    for verdict in judged:
        ratios = [f"{work}: {ratio:.3g}" for work, ratio in verdict.ratios.items()]
        missing = [f"{work}: {reason}" for work, reason in verdict.missing.items()]
        word = {True: "yes", False: "**no**", None: next(iter(verdict.missing.values()), "")}[verdict.reached]
        body.append([verdict.requirement, "; ".join(ratios + missing), word])
    return markdown(["Must reach", "measured", "reached"], body)


def _cells(row: Row, base: float | None) -> list[str]:
    agreement = "" if row.agrees is None else f"{max(row.difference.values()):.1e} {'OK' if row.agrees else 'DIFFERS'}"
    first = "" if row.first_call is None else duration(row.first_call)
    if row.median is None:
        return [row.engine, first, row.status, "", "0", "", agreement]
    spread = f"{duration(min(row.times))}–{duration(max(row.times))}"
    runs = f"{len(row.times)}" if row.batch == 1 else f"{len(row.times)} × {row.batch}"
    ratio = f"{row.median / base:.2g}" if base else ""
    return [row.engine, first, duration(row.median), spread, runs, ratio, agreement]


def _megabytes(row: Row) -> str:
    return "" if row.memory is None else f"{row.memory:,.0f} MB"


def _brief(row: Row | None) -> str:
    if row is None:
        return "—"
    if row.median is None or row.first_call is None:
        return row.status
    flag = " DIFFERS" if row.agrees is False else ""
    return f"{duration(row.median)} ({duration(row.first_call)}){flag}"


def markdown(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def duration(seconds: float) -> str:
    """Three digits and a unit."""
    if seconds < 1e-3:
        return f"{1e6 * seconds:.3g} µs"
    return f"{1e3 * seconds:.3g} ms" if seconds < 0.9995 else f"{seconds:.3g} s"
