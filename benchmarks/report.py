"""Measured rows as markdown: a table per case, and one table of all medians."""

from collections.abc import Sequence

from cases import Case
from harness import Row
from requirements import Verdict

Measured = Sequence[tuple[Case, Sequence[Row]]]


def table(case: Case, rows: Sequence[Row]) -> str:
    """One case: what each engine took."""
    head = ["engine", "first call", "median", "min–max", "runs", "ratio", "largest difference"]
    base = rows[0].median if rows else None
    return f"### {case.title}\n\n" + markdown(head, [_cells(row, base) for row in rows])


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


def _brief(row: Row | None) -> str:
    if row is None:
        return "—"
    if row.median is None or row.first_call is None:
        return row.status
    flag = "" if row.agrees else " DIFFERS"
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
