"""Compiles kernels for a GPU where there is none, as calls of theirs would; a program, since the tests interpret them.

It prints what each takes of the card as JSON, a line each: `ahead.py HopfStep-float32 JansenRitStep-float64`.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import triton
from agreement import node_of
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.runtime import driver

import torchmass as tm
from torchmass.kernels.fused import call_of, kernel_of, leaves_of
from torchmass.kernels.triton import launch

PTXAS = get_ptxas(90).path


class Hopper:
    """What Triton asks of a driver before it compiles."""

    get_current_device = get_current_stream = staticmethod(lambda *_: 0)
    get_current_target = staticmethod(lambda: GPUTarget("cuda", 90, 32))


def kernels(cls, dtype):
    """The kernels of a run with two noises and an input that moves, and of all of its gradients, with their names."""
    torch.set_default_dtype(dtype)
    sim = tm.Simulator(node_of(cls, 5, noise="two"), 0.05)
    plan = sim._planned(1.0, inputs={next(iter(cls.input_declarations)): torch.rand(20, 5)}, seed=1)
    name = kernel_of(plan, "triton")
    leaves = leaves_of(plan, name)
    call = call_of(plan, name, leaves, "triton")
    with torch.no_grad():
        *found, _, path = launch.forward(call, plan.x0, leaves)
        launch.adjoint(call, leaves, path, found)
    return [(f"{cls.__name__}-{str(dtype)[6:]}-{kernel.name}", kernel) for kernel in compiled]


def resources(kernel):
    """Registers of a thread, what it spills in bytes, and the numbers that the loop over time computes with."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.ptx")
        path.write_text(kernel.asm["ptx"])
        command = [PTXAS, "-v", "--gpu-name", "sm_90a", path, "-o", path.with_suffix(".cubin")]
        said = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr
    find = lambda text: int(re.search(rf"(\d+) {text}", said)[1])
    loop = kernel.asm["ttir"].partition("scf.for")[2]
    numbers = [bits for bits in (32, 64) if re.search(rf"(x|: )f{bits}\b", loop)]
    return {"registers": find("registers"), "spilled": find("bytes spill stores"), "numbers": numbers}


compiled = []
run = triton.JITFunction.run
if __name__ == "__main__":
    driver.set_active(Hopper())
    triton.JITFunction.run = lambda self, **options: compiled.append(run(self, **options | {"warmup": True}))
    launch.is_nonfinite = lambda x: False  # nothing was computed
    for case in sys.argv[1:]:
        model, number = case.split("-")
        compiled.clear()
        for name, kernel in kernels(getattr(tm, model), getattr(torch, number)):
            print(json.dumps({"kernel": name} | resources(kernel)), flush=True)
