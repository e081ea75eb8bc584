"""What does a GPU make of networks in batches? torchmass, torch eager and JAX on one card, and the card's own limits.

Rows come in the order of what they are worth, and are printed and written as soon as they are there. Of a run longer
than `--seconds` a part is timed and scaled, which the row says; `--full` times all of it. `--quick` runs tiny networks,
without a GPU in Triton's interpreter: does it all still run?
"""

import argparse
import os
import statistics
from collections.abc import Callable
from time import perf_counter
from typing import TYPE_CHECKING, Any

import fresh
import machine

if TYPE_CHECKING:
    from gpu_cases import GpuCase

REPETITIONS = 3  # of runs that are timed whole
EAGER_STEPS = 100  # which take as long each, however many there are
HEAD = ["work", "timed", "first call", "median", "node-steps/s", "of products", "of copies", "eager", "JAX", "CPU"]


def main(options: argparse.Namespace) -> None:
    """Measure, print markdown, write JSON."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # JAX would take most of the card's memory
    if options.quick:
        os.environ.setdefault("TRITON_INTERPRET", "1")
    import torch
    from gpu_cases import CASES
    from gpu_requirements import requirements
    from report import markdown

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.quick:
        raise SystemExit("there is no GPU here: --quick runs tiny networks in Triton's interpreter.")
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU: Triton's interpreter"
    limits = {str(dtype)[6:]: ceilings(device, dtype) for dtype in (torch.float32, torch.float64)}
    told, rows = machine.describe(options.threads), dict[str, dict[str, Any]]()
    ends = "; ".join(f"{k}: {v['operations']:.3g} operations/s, {v['bytes']:.3g} B/s" for k, v in limits.items())
    print(f"{machine.sentence(told)} {card}. Products and copies: {ends}.\n\n{markdown(HEAD, [])}", end="", flush=True)
    judged = list[list[str]]()
    for key, case in CASES.items():
        row = rows[key] = row_of(case.quick() if options.quick else case, device, limits, options)
        print(markdown(HEAD, [cells(row)]).splitlines()[-1], flush=True)
        found = {"machine": told, "card": card, "ceilings": limits, "cases": rows}
        judged = [] if options.quick else requirements(rows)
        machine.write(options, found | {"must_reach": judged})
    said = "A quick run decides nothing." if options.quick else markdown(["Must reach", "measured", "reached"], judged)
    print(f"\n{said}", flush=True)


def row_of(case: "GpuCase", device: str, limits: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """One case: what it took, and what of the card's limits its sums alone are."""
    import gpu_jax

    tried = attempt(lambda: ours(case, device, options))
    if isinstance(tried, str):
        return {"title": case.title, "failed": tried}
    steps, first, times = tried
    few, limit = min(case.steps, EAGER_STEPS), limits[str(case.dtype)[6:]]
    median = statistics.median(times) * case.steps / steps
    rival = lambda call, scale: attempt(lambda: scale * min(timed(call(), 1)))
    row = {"title": case.title, "steps": case.steps, "timed_steps": steps, "first": first, "times": times}
    row |= {"median": median, "node_steps": case.node_steps / median}
    row |= {"of_products": 2 * case.terms / median / limit["operations"]}
    row |= {"of_copies": (case.dtype.itemsize if case.longest else 0) * case.terms / median / limit["bytes"]}
    row |= {"eager": rival(lambda: case.work(device, "eager", few), case.steps / few)}
    row |= {"jax": attempt(lambda: gpu_jax.seconds(case, timed))}
    has_cpu = case.simulations == 1 and case.pilot == case.steps and device == "cuda" and case.regions < 1000
    return row | {"cpu": rival(lambda: case.work("cpu", "fused", case.steps), 1.0) if has_cpu else "—"}


def ours(case: "GpuCase", device: str, options: argparse.Namespace) -> tuple[int, float, list[float]]:
    """How many steps were timed, what the first call took, and what runs of so many steps did."""
    backend, steps = "fused" if device == "cuda" else "triton", case.pilot
    first, *times = timed(case.work(device, backend, steps), REPETITIONS if device == "cuda" else 1)
    if steps < case.steps:
        most = case.steps if options.full else int(options.seconds / min(times) * steps)
        steps = min(case.steps, max(1, most // case.pilot) * case.pilot)
        times = timed(case.work(device, backend, steps), 0)
    return steps, first, times


def cells(row: dict[str, Any]) -> list[str]:
    """A row as text."""
    from report import duration

    if "failed" in row:
        return [row["title"], row["failed"], *[""] * (len(HEAD) - 2)]
    took = lambda time: time if isinstance(time, str) else duration(time)
    part = "all" if row["timed_steps"] == row["steps"] else f"{row['timed_steps']:,} of {row['steps']:,} steps, scaled"
    shares = (f"{100 * row[limit]:.2g} %" for limit in ("of_products", "of_copies"))
    seconds = (took(row[name]) for name in ("eager", "jax", "cpu"))
    return [row["title"], part, took(row["first"]), took(row["median"]), f"{row['node_steps']:.3g}", *shares, *seconds]


def attempt(measure: Callable[[], Any]) -> Any:
    """What is measured, or why not; memory is given back, for whoever comes next."""
    import torch

    try:
        return measure()
    except Exception as error:  # whatever a rival, or a card without memory, raises
        return f"failed: {str(error).strip().splitlines()[0][:80] if str(error).strip() else type(error).__name__}"
    finally:
        torch.cuda.empty_cache()


def timed(call: Callable[[], Any], repetitions: int = REPETITIONS) -> list[float]:
    """Seconds of the first call and of some more, each until the device has done it all."""
    import torch

    found = []
    for _ in range(1 + repetitions):
        start = perf_counter()
        call()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        found.append(perf_counter() - start)
    return found


def ceilings(device: str, dtype: Any) -> dict[str, float]:
    """What the card does in a second: operations of a matrix product of full accuracy, and bytes copied."""
    import torch

    size = 8192 if device == "cuda" else 256
    a, b = torch.rand(size, size, dtype=dtype, device=device), torch.rand(size, size, dtype=dtype, device=device)
    torch.backends.cuda.matmul.allow_tf32 = False
    product = statistics.median(timed(lambda: torch.mm(a, b), 10)[1:])
    copy = statistics.median(timed(lambda: b.copy_(a), 10)[1:])
    return {"operations": 2 * size**3 / product, "bytes": 2 * a.numel() * a.element_size() / copy}


if __name__ == "__main__":
    chosen = fresh.arguments(__file__, __doc__)
    chosen.add_argument("--seconds", type=float, default=20.0, help="of a run that takes longer, a part is timed")
    chosen.add_argument("--full", action="store_true", help="time all of every run, however long it takes")
    main(chosen.parse_args())
