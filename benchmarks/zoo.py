"""How many steps of a node does each model make in a second, forward and with the gradient of all its parameters?"""

import argparse
import statistics
from collections.abc import Callable
from time import perf_counter
from typing import Any

import fresh
import machine

NODES, STEPS, REPETITIONS = 80, 10_000, 9


def measure(cls: Any, steps: int, repetitions: int) -> dict[str, float]:
    """Millions of steps of a node in a second, Heun in float32: medians of whole calls, as a user makes them."""
    import torch

    import torchmass as tm

    dt, fixed, freed = cls.usual_dt, cls(NODES), cls(NODES)
    freed.free(
        *(name for name in cls.Params._fields if bool(freed.declarations[name].bounds.inside(freed.value(name))))
    )
    quiet, learning = (tm.Simulator(node, dt, backend="fused") for node in (fixed, freed))
    parameters = list(freed.parameters())

    def forward() -> Any:
        return quiet.run(steps * dt, monitors=["output"])["output"]

    def gradient() -> Any:
        series = learning.run(steps * dt, monitors=["output"])["output"]
        loss = torch.linalg.vector_norm(series).square() / series.numel()
        return torch.autograd.grad(loss, parameters)

    work = {"forward": forward, "gradient": gradient}
    return {name: NODES * steps / _median(call, repetitions) / 1e6 for name, call in work.items()}


def _median(call: Callable[[], Any], repetitions: int) -> float:
    """Seconds of a call, after one that builds the kernels."""
    call()
    times = []
    for _ in range(repetitions):
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return statistics.median(times)


def main(options: argparse.Namespace) -> None:
    """Measure every model of the catalogue, print markdown, write JSON."""
    import torch
    from report import markdown

    import torchmass as tm

    torch.set_num_threads(options.threads)
    described = machine.describe(options.threads)
    effort = (STEPS // 100, 1) if options.quick else (STEPS, REPETITIONS)
    models = [info for info in tm.list_models() if issubclass(info.cls, tm.NeuralMass)]  # networks are not fused yet
    chosen = [info for info in models if options.only in info.name]
    found = {info.name: measure(info.cls, *effort) for info in chosen}
    rows = [[name, *(f"{speeds[kind]:.0f}" for kind in ("forward", "gradient"))] for name, speeds in found.items()]
    title = f"{NODES} nodes, {effort[0]:,} steps, Heun, float32; millions of steps of a node in a second"
    print(f"{machine.sentence(described)}\n\n{title}:\n\n{markdown(['model', 'forward', 'with gradient'], rows)}")
    machine.write(options, {"machine": described, "nodes": NODES, "steps": effort[0], "millions": found})


if __name__ == "__main__":
    parser = fresh.arguments(__file__, __doc__)
    parser.add_argument("--only", default="", help="only the models whose name contains this")
    chosen = parser.parse_args()
    machine.pin(chosen.threads)
    main(chosen)
