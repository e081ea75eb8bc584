"""Compiles kernels for a GPU where there is none, as runs would; a program, since the tests interpret them.

It prints what each takes of the card, and of the compiler's time, as JSON, a line each:
`ahead.py HopfStep-float32 JansenRitStep-float64 HopfStep-float32-network`; with `-split` a program has some nodes.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage

import torch
import triton
from agreement import node_of
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.runtime import driver

import torchmass as tm
from torchmass.kernels.triton import launch, modules, tiles

PTXAS = get_ptxas(90).path
N = 5
told = set[str]()


class Hopper:
    """What Triton asks of a driver before it compiles."""

    get_current_device = get_current_stream = staticmethod(lambda *_: 0)
    get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))


def differentiate(case):
    """A run with two noises and an input that moves, and the gradients of all that is free, with nothing computed."""
    model, number, *network = case.split("-")
    torch.set_default_dtype(getattr(torch, number))
    system = node_of(getattr(tm, model), N, noise="two")
    inputs = {next(iter(system.input_declarations)): torch.rand(20, N)}
    tiles.MOST = 1 if "split" in network else 2048
    if network:
        delays = torch.linspace(0.02, 9.0, N * N).reshape(N, N)  # some shorter than a step
        system = tm.Network(system, torch.rand(N, N), delays=delays, coupling="additive", k=0.1)
        system.coupling.free("k", "weights", "delays")
    sim = tm.Simulator(system, 0.05, backend="triton")
    run = sim.run(1.0, inputs=inputs, seed=1, allow_nonfinite=True)
    found = sum(value.sum() for value in (*run.values(), *run.state.values()))
    torch.autograd.grad(found, list(sim.parameters()), materialize_grads=True)


def compiled(self, *args, **options):
    """Compile in place of a run."""
    before = processor_time()
    kernel = run(self, *args, **options | {"warmup": True})
    seconds, name = round(processor_time() - before, 2), f"{case}-{self.__name__}"
    if name not in told:
        told.add(name)
        print(json.dumps({"kernel": name, "seconds": seconds} | resources(kernel)), flush=True)
    return kernel


def processor_time():
    """Seconds of user time, the assembler's included."""
    return sum(getrusage(who).ru_utime for who in (RUSAGE_SELF, RUSAGE_CHILDREN))


def resources(kernel):
    """Registers of a thread, what it spills in bytes, and the numbers that the loop over time computes with."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.ptx")
        path.write_text(kernel.asm["ptx"])
        command = [PTXAS, "-v", "--gpu-name", "sm_90a", path, "-o", path.with_suffix(".cubin")]
        said = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr
    find = lambda text: int(re.search(rf"(\d+) {text}", said)[1])
    loop = re.split(r"scf.for %(?!_ )", kernel.asm["ttir"], maxsplit=1)[1:]  # not the loops of `load` and `store`
    numbers = [bits for bits in (32, 64) if re.search(rf"(x|: )f{bits}\b", "".join(loop))]
    return {"registers": find("registers"), "spilled": find("bytes spill stores"), "numbers": numbers}


if __name__ == "__main__":
    driver.set_active(Hopper())
    run, triton.JITFunction.run = triton.JITFunction.run, compiled
    modules.interprets, launch.is_nonfinite = lambda: True, lambda x: False  # nothing is computed
    for case in sys.argv[1:]:
        differentiate(case)
