"""Compiles the kernels of a delayed network for a GPU where there is none, as `ahead` does, and prints their names."""

import torch
import triton
from ahead import Hopper
from coupled import network
from triton.runtime import driver

import torchmass as tm
from torchmass.kernels.triton import launch, modules

run = triton.JITFunction.run


def compiled(self, *args, **options):
    print(self.__name__)
    return run(self, *args, **options | {"warmup": True})


if __name__ == "__main__":
    driver.set_active(Hopper())
    triton.JITFunction.run = compiled
    modules.interprets, launch.is_nonfinite = lambda: True, lambda x: False  # nothing is computed
    net = network("some shorter than a step", dtype=torch.float32)
    x = tm.Simulator(net, 0.1, backend="triton").run(1.0, seed=3, allow_nonfinite=True)["x"]
    torch.autograd.grad(x.sum(), net.coupling.raw.weights)
