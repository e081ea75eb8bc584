"""Compiles kernels for a GPU where there is none, ahead of time; a program, since the tests have Triton interpret.

It prints, for each of some kernels, its resources as JSON: a line each, for tests/test_triton_compiled.py.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import torch
import triton
from agreement import node_of
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

import torchmass as tm
from torchmass.kernels.fused import call_of, kernel_of, leaves_of
from torchmass.kernels.kernel import KERNELS
from torchmass.kernels.launch import BLOCK, OPTIONS

HOPPER = GPUTarget("cuda", 90, 32)
KINDS = {"broken": "*i32", "lost": "*i64", "parts": "*fp64", "sums": "*fp64"}
CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


def loop_of(cls, dtype, way):
    """The kernel of a model with two noises and an input that moves, for all of its gradients."""
    sim = tm.Simulator(node_of(cls, 5, noise="two"), 0.05)
    plan = sim._planned(1.0, inputs={next(iter(cls.input_declarations)): torch.rand(20, 5)}, seed=1)
    name = kernel_of(plan, "triton")
    leaves = leaves_of(plan, name)
    wanted = call_of(plan, name, leaves, "triton").wanted
    return getattr(KERNELS[name].module(dtype, None if way == "forward" else wanted), way)


def compiled(loop, dtype):
    """The kernel compiled for the card, as for a call that asks for all but the step at which a gradient is lost."""
    number = {torch.float32: "*fp32", torch.float64: "*fp64"}[dtype]
    fixed = {"BLOCK": BLOCK, "lost": None}
    kinds = {p.name: p.annotation_type or KINDS.get(p.name, number) for p in loop.params}
    signature = kinds | dict.fromkeys(kinds.keys() & fixed, "constexpr")
    source = ASTSource(loop, signature, {name: fixed[name] for name in kinds.keys() & fixed})
    return triton.compile(source, target=HOPPER, options=OPTIONS)


def resources(kernel, folder):
    """Registers of a thread, what it spills in bytes, and the numbers that the loop over time computes with."""
    path = Path(folder) / "kernel.cubin"
    path.write_bytes(kernel.asm["cubin"])
    said = subprocess.run([CUOBJDUMP, "-res-usage", path], capture_output=True, text=True, check=True).stdout
    registers, stack, local = (int(re.search(rf"{word}:(\d+)", said)[1]) for word in ("REG", "STACK", "LOCAL"))
    text = kernel.asm["ttir"]
    loop = text[text.index("scf.for") :]
    return {
        "registers": registers,
        "spilled": stack + local,
        "float32": bool(re.search(r"(x|: )f32\b", loop)),
        "float64": bool(re.search(r"(x|: )f64\b", loop)),
    }


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    for case in sys.argv[2:]:
        model, number, way = case.split("-")
        dtype = getattr(torch, number)
        kernel = compiled(loop_of(getattr(tm, model), dtype, way), dtype)
        print(json.dumps({"case": case} | resources(kernel, sys.argv[1])), flush=True)
