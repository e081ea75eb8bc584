"""How much memory do long runs take? The peak above the process before the call, each in a process of its own."""

import argparse
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import fresh
import machine

MEGA = 1e6  # bytes
QUICK = 1000  # how many times fewer steps
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Job:
    """A long run of 80 nodes in float32, with its gradient or without."""

    title: str
    model: str
    steps: int
    every: int
    monitor: str
    most: float  # MB
    gradient: bool = False


JOBS = {
    "gradient": Job(
        'gradient, 1,000,000 steps, Jansen–Rit, monitors=["E"], sample_every=100, checkpoint="sqrt"',
        *("jansen_rit", 1_000_000, 100, "E", 500, True),
    ),
    "hopf": Job("forward, 1,000 samples of 10,000,000 steps, Hopf", "hopf", 10_000_000, 10_000, "x", 100),
    "jansen_rit": Job(
        "forward, 1,000 samples of 10,000,000 steps, Jansen–Rit", "jansen_rit", 10_000_000, 10_000, "E", 100
    ),
}


def measure(job: Job, quick: bool) -> dict[str, Any]:
    """The peak of a long run; a short one has loaded all libraries."""
    import torch
    from cases import CASES
    from with_torch import simulator

    import torchmass as tm

    options: dict[str, Any] = {"monitors": [job.monitor], "sample_every": job.every}
    if job.model == "jansen_rit":
        options["inputs"] = 220.0
    if job.gradient:
        if "checkpoint" not in inspect.signature(tm.Simulator.run).parameters:
            return {"status": "left out: torchmass's run has no checkpoint= yet"}
        options["checkpoint"] = "sqrt"
    kind = f"{job.model} 80 gradient" if job.gradient else f"{job.model} 80"
    sim = simulator(next(case for case in CASES if case.key == kind), "fused")

    def run(steps: int) -> None:
        with torch.set_grad_enabled(job.gradient):
            series = sim.run(steps * sim.dt, **options)[job.monitor]
            if job.gradient:
                series.square().mean().backward()

    run(2 * job.every)
    return peak(lambda: run(job.steps // QUICK if quick else job.steps))


def peak(call: Callable[[], Any]) -> dict[str, Any]:
    """The peak of a call above what there was before, in MB, and the seconds it took."""
    if not CLEAR.exists():
        return {"status": "left out: only Linux says how much memory a process has had at most"}
    CLEAR.write_text("5")  # from now on, a new peak
    before, start = _megabytes("VmRSS"), perf_counter()
    kept = call()
    seconds, most = perf_counter() - start, _megabytes("VmHWM")
    del kept
    return {"seconds": seconds, "above": most - before, "before": before}


def _megabytes(name: str) -> float:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024 / MEGA


def main(options: argparse.Namespace) -> None:
    """Measure in fresh processes, print markdown, write JSON."""
    from report import markdown

    described = machine.describe(options.threads)
    found = {name: fresh.measured(__file__, name, options) for name in JOBS}
    head = ["work, 80 nodes", "peak above the process", "must be at most", "reached", "time"]
    quick = f" (quick: {QUICK} times fewer steps)" if options.quick else ""
    table = markdown(head, [[job.title + quick, *_cells(job, found[name])] for name, job in JOBS.items()])
    print(f"{machine.sentence(described)}\n\n{table}")
    machine.write(options, {"machine": described, "most": {n: job.most for n, job in JOBS.items()}, "runs": found})


def _cells(job: Job, found: dict[str, Any]) -> list[str]:
    if "above" not in found:
        return [found["status"], f"{job.most:.0f} MB", "not measured", ""]
    reached = "yes" if found["above"] <= job.most else "**no**"
    return [f"{found['above']:.1f} MB", f"{job.most:.0f} MB", reached, f"{found['seconds']:.3g} s"]


if __name__ == "__main__":
    chosen = fresh.arguments(__file__, __doc__).parse_args()
    machine.pin(chosen.threads)
    if chosen.measure:
        print(json.dumps(measure(JOBS[chosen.measure], chosen.quick)))
    else:
        main(chosen)
