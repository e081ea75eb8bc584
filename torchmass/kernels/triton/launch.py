"""A call as Triton runs it: the tensors that it writes, and what its kernels are given.

The device is waited for twice, to see whether a run is finite and whether its gradient is; not while a CUDA graph is
captured, which therefore says nothing of either.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import prod
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels.call import Call, refuse_nonfinite_gradient, summed, summed_steps
from torchmass.kernels.cpp.native import laid_out
from torchmass.kernels.kernel import KERNELS, Kernel
from torchmass.kernels.step.step_graph import StepGraph
from torchmass.kernels.triton.statements import BLOCK
from torchmass.values import is_nonfinite

# A thread has one lane, since the states, constants and normals of more would not fit its 255 registers; a program has
# four warps, one for each scheduler of a multiprocessor, and few enough that large kernels find room. So each thread
# reads only what it wrote itself, and no barrier is needed.
WARPS = BLOCK // 32
# Products and sums may be one operation, as GCC makes them for the CPU; no loop waits for loads of the next step.
OPTIONS = {"num_warps": WARPS, "num_stages": 1, "enable_fp_fusion": True}
# With more operations in a step NVIDIA's assembler may give up, and take 32 registers or 48, unless it is told how many
# there are: the gradients of Zerlaut's models then spill less than half. With fewer it leaves room for more programs.
HUGE = 600
REGISTERS = 2**16  # of a multiprocessor

Found = tuple[list[Tensor], Tensor, list[Tensor]]


def forward(call: Call, starts: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    """As `call.forward`."""
    kernel, like = KERNELS[call.kernel], starts[0]
    found, given = recorded(call, kernel, starts)
    path = like.new_empty(call.path_size(len(starts)))
    given |= {"path": path if call.adjoint else None}
    _launch(kernel.module(like.dtype).forward, call, kernel, leaves, like.device, given)
    return [*found, given["broken"], path]


def recorded(call: Call, kernel: Kernel, starts: Sequence[Tensor]) -> tuple[list[Tensor], dict[str, Any]]:
    """The rows and ends that a forward loop writes, and what it is given for them."""
    like = starts[0]
    rows = {k: like.new_empty(call.rows, *call.shape) for k in call.kept}
    ends = [like.new_empty(call.shape) for _ in starts]
    given = numbered("x0", [start.contiguous() for start in starts]) | numbered("end", ends)
    given |= numbered("out", [rows.get(k) for k in range(len(starts) + len(kernel.step.outputs))])
    given |= {"row": 0, "due": call.transient, "broken": like.new_zeros(1, dtype=torch.int32)}
    return [*rows.values(), *ends], given


def adjoint(call: Call, leaves: Sequence[Tensor], path: Tensor, given: Sequence[Tensor | None]) -> list[Tensor]:
    """As `call.adjoint`."""
    kernel = KERNELS[call.kernel]
    found, own = places(call, kernel, path)
    starts, sums, each = found
    own |= given_gradients(call, len(starts), given) | {"path": path}
    loop = kernel.module(path.dtype, call.wanted).adjoint
    launch = lambda given: _launch(loop, call, kernel, leaves, path.device, given)
    launch(own)
    of_leaves = closed(call, kernel, leaves, found, own["parts"])
    refuse_broken(call, kernel, sums, [*starts, *each], own, launch)
    return [*starts, *of_leaves]


def places(call: Call, kernel: Kernel, path: Tensor) -> tuple[Found, dict[str, Any]]:
    """Where the adjoint puts gradients of starts, of leaves that are constant in time, and of the others."""
    labels = kernel.step.constants, kernel.step.leaves  # after which come those of links
    constants, own = (sum(i < len(names) for i in call.wanted) for names in labels)
    starts = [path.new_empty(call.shape) for _ in kernel.step.states]
    sums = path.new_empty(constants, *call.shape, dtype=torch.float64)
    each = [path.new_empty(call.steps, *call.shape) for _ in call.wanted[constants:own]]
    scratch = path.new_empty(0 if kernel.step.links else call.interval * len(starts) * call.lanes)
    parts = path.new_zeros(kernel.code(call.wanted).sums * call.lanes, dtype=torch.float64)
    found = numbered("g_x0", starts) | numbered("each", each) | {"scratch": scratch, "parts": parts, "lost": None}
    return (starts, sums, each), found


def given_gradients(call: Call, states: int, given: Sequence[Tensor | None]) -> dict[str, Any]:
    """The gradients of recorded rows and of ends, and which row is met first."""
    held = contiguous(given)
    rows, last = dict(zip(call.kept, held, strict=False)), call.rows - 1
    found = numbered("g_out", [rows.get(k) for k in range(states + 1)])
    found |= numbered("g_end", held[len(call.kept) : len(call.kept) + states])
    return found | {"row": last, "due": call.transient + last * call.every}


def contiguous(given: Sequence[Tensor | None]) -> list[Tensor | None]:
    """What is given as kernels read it."""
    return [None if gradient is None else gradient.contiguous() for gradient in given]


def closed(call: Call, kernel: Kernel, leaves: Sequence[Tensor], found: Found, parts: Tensor) -> list[Tensor]:
    """The gradients of leaves of nodes in their shapes, from what has been added up of every lane."""
    starts, sums, each = found
    closing = {"row": 0, "due": 0, "parts": parts, "sums": sums}
    _launch(kernel.module(starts[0].dtype, call.wanted).close, call, kernel, leaves, parts.device, closing)
    by_lane = [summed(call, leaves[i], one, one.sum()) for i, one in zip(call.wanted, sums, strict=False)]
    by_step = zip(call.wanted[len(sums) :], each, strict=False)
    return [*by_lane, *(summed_steps(call, leaves[i], steps) for i, steps in by_step)]


def refuse_broken(
    call: Call,
    kernel: Kernel,
    sums: Tensor,
    found: Sequence[Tensor],
    given: dict[str, Any],
    launch: Callable[[dict[str, Any]], None],
) -> None:
    """Raise if a gradient is not finite: the adjoint is launched once more, to see where it broke."""
    totals = sums.flatten(1).sum(1).to(found[0].dtype)
    if is_nonfinite(torch.cat((totals, torch.stack([gradient.sum() for gradient in found])))):
        lost = totals.new_empty(prod(call.shape), dtype=torch.int64)
        launch(given | {"lost": lost})
        refuse_nonfinite_gradient(call, kernel, int(lost.max()), totals)


def _launch(
    loop: Any, call: Call, kernel: Kernel, leaves: Sequence[Tensor], device: torch.device, given: dict[str, Any]
) -> None:
    every = arguments(call, kernel.step, leaves) | given
    launched(loop, (-(-prod(call.shape) // BLOCK),), options(call, kernel, WARPS), every, device)


def arguments(call: Call, step: StepGraph, leaves: Sequence[Tensor]) -> dict[str, Any]:
    """What every kernel is given: numbers, and the leaves of nodes."""
    laid = [laid_out(leaf, k >= len(step.constants), call.shape) for k, leaf in enumerate(leaves[: len(step.leaves)])]
    axes = ("step", "simulation", "node")
    strides = {
        f"leaf_{k}_{axis}": stride for k, (_, *own) in enumerate(laid) for axis, stride in zip(axes, own, strict=True)
    }
    numbers = {
        "lanes": prod(call.shape),
        "nodes": call.shape[-1],
        "simulations": call.simulations,
        "steps": call.steps,
        "first_step": call.first_step,
        "first_simulation": call.first_simulation,
        "every": call.every,
        "interval": call.interval,
        "horizon": call.horizon,
        "kept": -(-call.steps // call.interval),
        "cut": (call.steps - 1) // call.horizon * call.horizon if call.horizon else -1,
        "seed": call.seed,
        "dt": call.dt,
    }
    return numbers | strides | numbered("leaf", [view for view, *_ in laid])


def options(call: Call, kernel: Kernel, warps: int) -> dict[str, Any]:
    """How Triton compiles the kernels of a call."""
    operations = kernel.code(call.wanted if call.adjoint else None).operations
    told = operations > HUGE and not torch.version.hip  # an option of CUDA's alone
    limit = {"maxnreg": min(255, REGISTERS // (32 * warps))} if told else {}
    return OPTIONS | {"num_warps": warps} | limit


def launched(
    loop: Any, programs: tuple[int, ...], how: dict[str, Any], given: dict[str, Any], device: torch.device
) -> None:
    """Run some programs of a kernel."""
    with on(device):
        loop[programs](**given, **how)


def on(device: torch.device) -> AbstractContextManager[Any]:
    """Within, kernels go to the current stream of this device, whichever is the current one."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def numbered(name: str, tensors: Sequence[Tensor | None]) -> dict[str, Tensor | None]:
    """Tensors by their names in a kernel."""
    return {f"{name}_{k}": tensor for k, tensor in enumerate(tensors)}
