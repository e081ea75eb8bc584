"""A call as Triton runs it: the tensors that it writes, and what its kernels are given.

The device is waited for twice, to see whether a run is finite and whether its gradient is; not while a CUDA graph is
captured, which therefore says nothing of either.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from math import prod
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels.call import Call, refuse_nonfinite_gradient, summed, summed_steps
from torchmass.kernels.kernel import KERNELS, Kernel
from torchmass.kernels.native import laid_out
from torchmass.values import is_nonfinite

# A thread has one lane, since the states, constants and normals of more would not fit its 255 registers; a program has
# four warps, one for each scheduler of a multiprocessor, and few enough that large kernels find room. So each thread
# reads only what it wrote itself, and no barrier is needed.
WARPS = 4
BLOCK = 32 * WARPS
# Products and sums may be one operation, as GCC makes them for the CPU; no loop waits for loads of the next step.
OPTIONS = {"num_warps": WARPS, "num_stages": 1, "enable_fp_fusion": True}

Found = tuple[list[Tensor], Tensor, list[Tensor]]


def forward(call: Call, starts: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    """As `call.forward`."""
    kernel, like = KERNELS[call.kernel], starts[0]
    rows = {k: like.new_empty(call.rows, *call.shape) for k in call.kept}
    ends = [like.new_empty(call.shape) for _ in starts]
    broken = like.new_zeros(1, dtype=torch.int32)
    path = like.new_empty(call.path_size(len(starts)))
    outputs = len(starts) + len(kernel.step.outputs)
    given = _numbered("x0", [start.contiguous() for start in starts]) | _numbered("end", ends)
    given |= _numbered("out", [rows.get(k) for k in range(outputs)])
    given |= {"row": 0, "due": call.transient, "broken": broken, "path": path if call.adjoint else None}
    _launch(kernel.module(like.dtype).forward, call, kernel, leaves, like.device, given)
    return [*rows.values(), *ends, broken, path]


def adjoint(call: Call, leaves: Sequence[Tensor], path: Tensor, given: Sequence[Tensor | None]) -> list[Tensor]:
    """As `call.adjoint`."""
    kernel, states = KERNELS[call.kernel], len(KERNELS[call.kernel].step.states)
    found, arguments = _places(call, kernel, path)
    given = [None if gradient is None else gradient.contiguous() for gradient in given]
    rows = dict(zip(call.kept, given, strict=False))
    arguments |= _numbered("g_out", [rows.get(k) for k in range(states + 1)])
    arguments |= _numbered("g_end", given[len(call.kept) :])
    last = call.rows - 1
    arguments |= {"row": last, "due": call.transient + last * call.every, "path": path}
    module, (starts, sums, each) = kernel.module(path.dtype, call.wanted), found
    _launch(module.adjoint, call, kernel, leaves, path.device, arguments)
    closing = {"row": 0, "due": 0, "parts": arguments["parts"], "sums": sums}
    _launch(module.close, call, kernel, leaves, path.device, closing)
    totals = sums.flatten(1).sum(1).to(path.dtype)
    if is_nonfinite(torch.cat((totals, torch.stack([x.sum() for x in (*starts, *each)])))):  # once more, to see where
        lost = torch.empty(prod(call.shape), dtype=torch.int64, device=path.device)
        _launch(module.adjoint, call, kernel, leaves, path.device, arguments | {"lost": lost})
        refuse_nonfinite_gradient(call, kernel, int(lost.max()), totals)
    by_lane = zip(call.wanted, sums, totals.unbind(), strict=False)  # those that change in time are left over
    by_step = zip(call.wanted[len(sums) :], each, strict=True)
    own = [summed(call, leaves[i], gradient, total) for i, gradient, total in by_lane]
    return [*starts, *own, *(summed_steps(call, leaves[i], steps) for i, steps in by_step)]


def _places(call: Call, kernel: Kernel, path: Tensor) -> tuple[Found, dict[str, Any]]:
    """Where the adjoint puts gradients of starts, of leaves that are constant in time, and of the others."""
    constants = sum(i < len(kernel.step.constants) for i in call.wanted)
    starts = [path.new_empty(call.shape) for _ in kernel.step.states]
    sums = path.new_empty(constants, *call.shape, dtype=torch.float64)
    each = [path.new_empty(call.steps, *call.shape) for _ in call.wanted[constants:]]
    scratch = path.new_empty(call.interval * len(starts) * call.lanes)
    parts = path.new_zeros(kernel.code(call.wanted).sums * call.lanes, dtype=torch.float64)
    places = _numbered("g_x0", starts) | _numbered("each", each) | {"scratch": scratch, "parts": parts, "lost": None}
    return (starts, sums, each), places


def _launch(
    loop: Any, call: Call, kernel: Kernel, leaves: Sequence[Tensor], device: torch.device, given: dict[str, Any]
) -> None:
    constants, lanes = len(kernel.step.constants), prod(call.shape)
    laid = [laid_out(leaf, k >= constants, call.shape) for k, leaf in enumerate(leaves)]
    axes = ("step", "simulation", "node")
    strides = {
        f"leaf_{k}_{axis}": stride for k, (_, *own) in enumerate(laid) for axis, stride in zip(axes, own, strict=True)
    }
    numbers = {
        "lanes": lanes,
        "nodes": call.shape[-1],
        "simulations": call.simulations,
        "steps": call.steps,
        "first_step": call.first_step,
        "first_simulation": call.first_simulation,
        "every": call.every,
        "interval": call.interval,
        "horizon": call.horizon,
        "padded": call.lanes,
        "kept": -(-call.steps // call.interval),
        "cut": (call.steps - 1) // call.horizon * call.horizon if call.horizon else -1,
        "seed": call.seed,
        "dt": call.dt,
    }
    leaf = _numbered("leaf", [view for view, *_ in laid])
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        loop[(-(-lanes // BLOCK),)](**numbers, **strides, **leaf, **given, BLOCK=BLOCK, **OPTIONS)


def _numbered(name: str, tensors: Sequence[Tensor | None]) -> dict[str, Tensor | None]:
    return {f"{name}_{k}": tensor for k, tensor in enumerate(tensors)}
