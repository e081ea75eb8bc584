"""What does a GPU make of networks in batches? torchmass, torch eager and JAX on one card, and the card's own limits.

`--quick` runs tiny networks, without a GPU in Triton's interpreter: does it all still run?
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

REPETITIONS, LONG = 3, 100_000  # of more steps than these there is one
EAGER_STEPS = 100  # which take as long each, however many there are
PUBLISHED = 5.6 * 60  # s: cuBNM's headline on an A100, in double


def main(options: argparse.Namespace) -> None:
    """Measure, print markdown, write JSON."""
    if options.quick:
        os.environ.setdefault("TRITON_INTERPRET", "1")
    import torch
    from gpu_cases import CASES
    from report import duration, markdown

    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not options.quick:
        raise SystemExit("there is no GPU here: --quick runs tiny networks in Triton's interpreter.")
    card = torch.cuda.get_device_name() if device == "cuda" else "no GPU: Triton's interpreter"
    limits = {str(dtype)[6:]: ceilings(device, dtype) for dtype in (torch.float32, torch.float64)}
    print(f"{machine.sentence(machine.describe(options.threads))} {card}.\n")
    rows = [row_of(case.quick() if options.quick else case, device, limits) for case in CASES]
    head = ["work", "first call", "median", "node-steps/s", "of products", "of copies", "eager", "JAX"]
    share, took = "{:.2g} %".format, lambda time: time if isinstance(time, str) else duration(time)
    table = [
        [
            *(row["title"], duration(row["first"]), duration(row["median"]), f"{row['node_steps']:.3g}"),
            *(share(100 * row["of_products"]), share(100 * row["of_copies"]), duration(row["eager"]), took(row["jax"])),
        ]
        for row in rows
    ]
    print(markdown(head, table))
    judged = [] if options.quick else requirements(rows)
    said = "A quick run decides nothing." if options.quick else markdown(["Must reach", "measured", "reached"], judged)
    print(said, flush=True)
    found = {"machine": machine.describe(options.threads), "card": card, "ceilings": limits, "cases": rows}
    machine.write(options.json, found | {"must_reach": judged})


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


def row_of(case: "GpuCase", device: str, limits: dict[str, Any]) -> dict[str, Any]:
    """One case: what it took, and what of the card's limits its sums alone are."""
    import gpu_jax

    backend = "fused" if device == "cuda" else "triton"
    repetitions = 1 if case.steps > LONG or device == "cpu" else REPETITIONS
    first, *times = timed(case.work(device, backend, case.steps), repetitions)
    few, median = min(case.steps, EAGER_STEPS), statistics.median(times)
    eager = min(timed(case.work(device, "eager", few), 1)) * case.steps / few
    limit, read = limits[str(case.dtype)[6:]], case.dtype.itemsize if case.longest else 0
    row = {"title": case.title, "first": first, "median": median, "times": times, "eager": eager}
    row |= {"node_steps": case.node_steps / median, "jax": gpu_jax.seconds(case, timed)}
    row |= {"of_products": 2 * case.terms / median / limit["operations"]}
    row |= {"of_copies": read * case.terms / median / limit["bytes"]}
    if case.simulations == 1 and device == "cuda":
        row["cpu"] = min(timed(case.work("cpu", "fused", case.steps)))
    return row


def requirements(rows: list[dict[str, Any]]) -> list[list[str]]:
    """What must be reached on an H200."""
    single, double, gradient, batch, _, one, _ = rows
    jax, cpu = batch["jax"], one.get("cpu")
    slower = jax / batch["median"] if isinstance(jax, float) else None
    claims = [
        ("headline in float32 ≤ 60 s", single["median"], single["median"] <= 60),
        ("headline in float64 ≤ 180 s", double["median"], double["median"] <= 180),
        (f"published: {PUBLISHED:.0f} s (A100, double), times", PUBLISHED / double["median"], None),
        (
            "its gradient ≤ 4 × forward",
            gradient["median"] / single["median"],
            gradient["median"] <= 4 * single["median"],
        ),
        ("JAX takes ≥ 10 × as long for the batch with delays", slower, None if slower is None else slower >= 10),
        ("one network ≤ 3 × the CPU's time", cpu and one["median"] / cpu, cpu and one["median"] <= 3 * cpu),
    ]
    word = {True: "yes", False: "**no**", None: ""}
    return [[text, "" if value is None else f"{value:.3g}", word[reached]] for text, value, reached in claims]


if __name__ == "__main__":
    chosen = fresh.arguments(__file__, __doc__).parse_args()
    main(chosen)
