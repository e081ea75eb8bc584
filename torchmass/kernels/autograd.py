"""The call of a generated kernel as one node of torch's graph: forward, and its exact discrete adjoint backward."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels import build, cpp
from torchmass.kernels.plan import Plan
from torchmass.kernels.step_graph import StepGraph

# one 64-byte vector: with two, Jansen–Rit's adjoint runs out of registers (80 nodes, 10,000 steps: 28 ms, not 19)
LANES = {torch.float32: ("float", 16), torch.float64: ("double", 8)}


class _RunStruct(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_int64) for name in ("lanes", "padded", "nodes", "steps", "first_step", "first_simulation")),
        *((name, ctypes.c_int64) for name in ("transient", "every")),
        ("seed", ctypes.c_uint64),
        ("dt", ctypes.c_double),
    ]


@dataclass(frozen=True)
class Call:
    """One call of a kernel: what it runs, in what shape."""

    plan: Plan
    step: StepGraph
    kept: tuple[int, ...]  # the states that are kept, by place; the output comes after the last
    wanted: tuple[int, ...] | None  # the leaves whose gradient is wanted; None without any gradient

    @property
    def shape(self) -> torch.Size:
        """(*b, N)."""
        return self.plan.x0[0].shape

    def run(self) -> _RunStruct:
        """The numbers of the run, as the kernel takes them."""
        plan, lanes, block = self.plan, self.shape.numel(), LANES[self.plan.x0[0].dtype][1]
        padded = -(-lanes // block) * block
        numbers = (lanes, padded, self.shape[-1], plan.steps, plan.first_step, plan.first_simulation)
        return _RunStruct(*numbers, plan.transient, plan.every, plan.seed or 0, plan.dt)

    def library(self) -> ctypes.CDLL:
        """The kernel, built or from the cache."""
        return _library(self.step, self.plan.x0[0].dtype, self.wanted)


@cache
def _library(step: StepGraph, dtype: torch.dtype, wanted: tuple[int, ...] | None) -> ctypes.CDLL:
    names = None if wanted is None else tuple(step.leaves[i] for i in wanted)
    return build.load(cpp.source(step, *LANES[dtype], names))


class FusedRun(torch.autograd.Function):
    """Rows, ends and the path from the starts and the leaves; the path is kept for the adjoint alone."""

    @staticmethod
    def forward(call: Call, *tensors: Tensor) -> tuple[Tensor, ...]:
        plan, count = call.plan, len(call.plan.names)
        x0, like = [value.contiguous() for value in tensors[:count]], tensors[0]
        leaf, stride, kept = _leaves(call, tensors[count:])
        rows = [torch.empty(len(plan.rows), *call.shape, dtype=like.dtype) for _ in call.kept]
        out = [dict(zip(call.kept, rows, strict=True)).get(k) for k in range(count + 1)]
        end = [torch.empty(call.shape, dtype=like.dtype) for _ in plan.names]
        size = 0 if call.wanted is None else plan.steps * count * call.run().padded
        path = torch.empty(size, dtype=like.dtype)
        pointers = (
            leaf,
            stride,
            _pointers(x0),
            _pointers(out),
            _pointers(end),
            ctypes.c_void_p(path.data_ptr() if size else None),
        )
        call.library().forward(ctypes.byref(call.run()), *pointers)
        del kept
        return (*rows, *end, path)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.call, tensors, count = inputs[0], inputs[1:], len(inputs[0].plan.names)
        ctx.save_for_backward(*tensors[count:], *output[-1 - count :])
        ctx.mark_non_differentiable(output[-1])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        if torch.is_grad_enabled():  # create_graph=True, which torch.func.grad sets too
            raise RuntimeError("the fused adjoint has no derivative of its own: use backend='eager' for create_graph.")
        call, plan, shape, count = ctx.call, ctx.call.plan, ctx.call.shape, len(ctx.call.plan.names)
        leaves, end, path = ctx.saved_tensors[: -1 - count], ctx.saved_tensors[-1 - count : -1], ctx.saved_tensors[-1]
        given = [None if g is None else g.contiguous() for g in gradients]
        rows = dict(zip(call.kept, given, strict=False))
        g_out, g_end = [rows.get(k) for k in range(count + 1)], given[len(call.kept) : len(call.kept) + count]
        g_x0 = [torch.empty(shape, dtype=path.dtype) for _ in plan.names]
        timed = [_timed(leaves[i], i, call) for i in call.wanted]
        sums = [torch.zeros(shape, dtype=torch.float64) for _ in timed]
        each = [torch.empty(plan.steps, *shape, dtype=path.dtype) if t else None for t in timed]
        leaf, stride, kept = _leaves(call, leaves)
        pointers = (
            ctypes.c_void_p(path.data_ptr()),
            _pointers(end),
            _pointers(g_out),
            _pointers(g_end),
            _pointers(g_x0),
            _pointers(sums),
            _pointers(each),
        )
        call.library().adjoint(ctypes.byref(call.run()), leaf, stride, *pointers)
        del kept
        found: list[Tensor | None] = [None] * len(leaves)
        for i, total, steps in zip(call.wanted, sums, each, strict=True):
            found[i] = (
                (total if steps is None else steps)
                .sum_to_size(_padded(leaves[i], i, call))
                .reshape_as(leaves[i])
                .to(path.dtype)
            )
        return (None, *g_x0, *found)


def _timed(leaf: Tensor, i: int, call: Call) -> bool:
    return call.step.leaves[i].startswith("u_") and leaf.shape[0] > 1


def _padded(leaf: Tensor, i: int, call: Call) -> tuple[int, ...]:
    """The shape of a leaf with the axes of the run that it lacks as ones."""
    if not call.step.leaves[i].startswith("u_"):
        return (1,) * (len(call.shape) - leaf.ndim) + tuple(leaf.shape)
    inner = (1,) * (len(call.shape) + 1 - leaf.ndim) + tuple(leaf.shape[1:])
    return (leaf.shape[0], *inner) if leaf.shape[0] > 1 else inner


def _leaves(call: Call, leaves: Sequence[Tensor]) -> tuple[Any, Any, list[Tensor]]:
    """Where each leaf lies and how far apart its steps, simulations and nodes are; nothing is expanded in memory."""
    views, strides = [], []
    for i, leaf in enumerate(leaves):
        axes = leaf if call.step.leaves[i].startswith("u_") else leaf.unsqueeze(0)
        inner = axes.reshape(axes.shape[0], *(1,) * (len(call.shape) + 1 - axes.ndim), *axes.shape[1:])
        view = inner.expand(-1, *call.shape).reshape(axes.shape[0], -1, call.shape[-1])
        views.append(view)
        strides += [view.stride(0) if view.shape[0] > 1 else 0, view.stride(1), view.stride(2)]
    return _pointers(views), (ctypes.c_int64 * max(1, len(strides)))(*strides), views


def _pointers(tensors: Sequence[Tensor | None]) -> Any:
    return (ctypes.c_void_p * max(1, len(tensors)))(*(None if t is None else t.data_ptr() for t in tensors))
