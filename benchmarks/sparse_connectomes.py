"""What does a sparse connectome take before the loop? Memory and time to build a network, and of runs of one step."""

import json
from collections.abc import Callable
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

import fresh
import machine
from memory import peak

SIZES = {"1,000": (1000, 50), "4,000": (4000, 100), "20,000": (20_000, 100)}  # nodes, connections to each
RUNS, DELAY = 5, 5.0  # ms at most


def measure(nodes: int, degree: int) -> dict[str, Any]:
    """The time to build a network and of a run of one step, and the peak above what there was before the connectome."""
    import torch

    import torchmass as tm

    def connectome(nodes: int, degree: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        source = torch.randint(nodes, (nodes * degree,), generator=generator)
        ends = torch.stack((torch.arange(nodes).repeat_interleave(degree), source))
        weights = torch.rand(nodes * degree, generator=generator) / degree
        return torch.sparse_coo_tensor(ends, weights, (nodes, nodes), check_invariants=True).coalesce()

    def run(net: tm.Network) -> None:
        x = tm.Simulator(net, dt=0.1, backend="fused").run(0.1, seed=0)["x"]
        if x.requires_grad:
            x.sum().backward()

    def seconds(call: Callable[[], Any]) -> float:
        taken = []
        for _ in range(RUNS):
            start = perf_counter()
            call()
            taken.append(perf_counter() - start)
        return median(taken)

    build = lambda conn, **late: tm.Network(tm.HopfStep(conn.shape[0]), conn, k=0.1, **late)
    late = lambda conn: build(conn, delays=DELAY * conn / conn.values().max())
    for make in (build, late):
        for free in ((), ("weights",)):  # kernels are built, and libraries loaded
            run(make(connectome(100, 4)).free(*free))
    made: list[Any] = []
    peaks = {"build": peak(lambda: made.append(build(connectome(nodes, degree))))}
    (net,), conn = made, connectome(nodes, degree)
    times = {"build": seconds(lambda: build(conn))}
    for kind in ("", "late "):
        net = late(conn) if kind else net
        for name, free in (("run", ()), ("gradient", ("weights",))):
            net.free(*free)
            peaks[kind + name] = peak(partial(run, net))
            times[kind + name] = seconds(partial(run, net))
    before = peaks["build"]["before"]
    return {k: {"seconds": times[k], "peak": one["before"] + one["above"] - before} for k, one in peaks.items()}


def main(options: Any) -> None:
    """Measure in fresh processes, print markdown, write JSON."""
    from report import markdown

    described = machine.describe(options.threads)
    found = {name: fresh.measured(__file__, name, options) for name in SIZES}
    one = ["run of one step", "with the gradient of all weights"]
    head = ["nodes, connections to each", "build", *one, *(f"with delays, {name}" for name in one)]
    rows = [[f"{name}, {SIZES[name][1]}", *_cells(found[name])] for name in SIZES]
    print(f"{machine.sentence(described)}\n\n{markdown(head, rows)}")
    machine.write(options, {"machine": described, "runs": found})


def _cells(found: dict[str, Any]) -> list[str]:
    if "status" in found:
        return [found["status"], *[""] * 4]
    return [f"{part['seconds'] * 1000:.3g} ms, {part['peak']:.0f} MB" for part in found.values()]


if __name__ == "__main__":
    chosen = fresh.arguments(__file__, __doc__).parse_args()
    machine.pin(chosen.threads)
    if chosen.measure:
        nodes, degree = SIZES[chosen.measure]
        print(json.dumps(measure(nodes // 10 if chosen.quick else nodes, degree // 10 if chosen.quick else degree)))
    else:
        main(chosen)
