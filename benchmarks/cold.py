"""How long does the first run of a model take, never built and built before? Jansen-Rit, 80 nodes, 10 steps."""

import argparse
import json
import resource
import statistics
import tempfile
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import fresh
import machine

TARGETS = {"cold": 2.0, "cached": 0.05}  # seconds that the first call may take beyond a warm one
STEPS, WARM_CALLS, REPETITIONS = 10, 21, 5
PARTS = ("first", "forward", "backward", "compiler", "warm")


def measure(kind: str) -> dict[str, Any]:
    """The first forward and backward run in this process, which has imported torch and built the model, and others.

    The compiler's time is that of its processes. `trace` only traces the step.
    """
    from cases import CASES
    from with_torch import simulator

    case = next(case for case in CASES if case.key == "jansen_rit 80 gradient")
    sim = simulator(case, "fused")
    if kind == "trace":
        return _trace(sim)
    started = _children()
    forward, backward = _call(sim)
    compiler = _children() - started
    warm = statistics.median(sum(_call(sim)) for _ in range(WARM_CALLS))
    return dict(zip(PARTS, (forward + backward - warm, forward, backward, compiler, warm), strict=True))


def _call(sim: Any) -> tuple[float, float]:
    """Seconds for the run and for its gradient."""
    start = perf_counter()
    loss = sim.run(STEPS * sim.dt, monitors=["output"], inputs=220.0)["output"].square().mean()
    middle = perf_counter()
    loss.backward()
    return middle - start, perf_counter() - middle


def _trace(sim: Any) -> dict[str, Any]:
    try:
        from torchmass.kernels.step.step_graph import StepKind, trace_step

        start = perf_counter()
        trace_step(StepKind.of(sim.model.dynamics(), sim.method))
    except (ImportError, AttributeError, TypeError) as reason:  # the inside of the library, which may change
        return {"status": f"not timed: {reason}"}
    return {"trace": perf_counter() - start}


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main(options: argparse.Namespace) -> None:
    """Measure in fresh processes, print markdown, write JSON."""
    described = machine.describe(options.threads)
    runs: dict[str, list[dict[str, Any]]] = {"cold": [], "cached": [], "trace": []}
    for _ in range(1 if options.quick else REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("cold", "cached"):  # the one fills the cache of the other
                runs[kind].append(fresh.measured(__file__, kind, options, TORCHMASS_CACHE=folder))
            runs["trace"].append(fresh.measured(__file__, "trace", options, TORCHMASS_CACHE=folder))
    print(f"{machine.sentence(described)}\n\n{_table(runs)}")
    machine.write(options, {"machine": described, "targets": TARGETS, "runs": runs})


def _table(runs: dict[str, list[dict[str, Any]]]) -> str:
    from report import markdown

    body = [[kind, *_cells(kind, runs[kind]), f"{1e3 * TARGETS[kind]:.0f} ms"] for kind in TARGETS]
    head = ["cache", "first call beyond a warm one", "its forward", "its backward", "compiler", "warm call"]
    table = markdown([*head, "reached", "must be at most"], body)
    return f"{table}\nTracing the step: {_median(runs['trace'], 'trace')}.\n"


def _cells(kind: str, found: Sequence[dict[str, Any]]) -> list[str]:
    first = [run["first"] for run in found if "first" in run]
    reached = "not timed" if not first else "yes" if statistics.median(first) <= TARGETS[kind] else "**no**"
    return [*(_median(found, part) for part in PARTS), reached]


def _median(found: Sequence[dict[str, Any]], part: str) -> str:
    from report import duration

    values = [run[part] for run in found if part in run]
    return duration(statistics.median(values)) if values else found[0]["status"]


if __name__ == "__main__":
    chosen = fresh.arguments(__file__, __doc__).parse_args()
    machine.pin(chosen.threads)
    if chosen.measure:
        print(json.dumps(measure(chosen.measure)))
    else:
        main(chosen)
