"""The gradient carried forward: tangents of a few values go through the loop with the states, and nothing is kept.

What is stored does not grow with the number of steps, only with that of the recorded rows.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels.autograd import Final, FusedRun
from torchmass.kernels.call import Call, summed
from torchmass.kernels.kernel import KERNELS, tangent_name

MOST = 8  # tangents


def forward_gradient(call: Call, starts: Sequence[Tensor], leaves: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """As `FusedRun`: rows, ends, whether all is finite, and an empty path. Raises `ValueError` for too many values."""
    step, states = KERNELS[call.kernel].step, len(starts)
    moving = [k for k, start in enumerate(starts) if start.requires_grad] + [states + i for i in call.wanted]
    timed = [step.leaves[i] for i in call.wanted if i >= len(step.constants)]
    if len(moving) > MOST or timed:
        found = f"input {timed[0].removeprefix('u_')} changes in time" if timed else f"there are {len(moving)}"
        raise ValueError(f"gradient='forward' is for up to {MOST} starts and parameters; {found}. Use 'reverse'.")
    return _Forward.apply(call, tuple(moving), states, *starts, *leaves)[: len(call.kept) + states + 2]


class _Forward(torch.autograd.Function):
    """A run with the tangents of its rows and ends in the direction of every value in `moving`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(call: Call, moving: tuple[int, ...], states: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        directions = tuple("" if i < states else KERNELS[call.kernel].step.leaves[i - states] for i in moving)
        zero, one = torch.zeros_like(tensors[0]), torch.ones_like(tensors[0])
        starts = [*tensors[:states], *(one if i == k else zero for i in moving for k in range(states))]
        all_states, rows = states * (1 + len(moving)), len(call.kept)
        kept = [k + d * states if k < states else all_states + d for d in range(1 + len(moving)) for k in call.kept]
        along = call._replace(kernel=tangent_name(call.kernel, directions), kept=tuple(kept), wanted=(), adjoint=False)
        found = FusedRun.apply(along, all_states, *starts, *tensors[states:])
        ends = found[len(kept) : len(kept) + all_states]
        return (*found[:rows], *ends[:states], *found[-2:], *found[rows : len(kept)], *ends[states:])

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.call, ctx.moving, ctx.states = inputs[:3]
        count = len(ctx.call.kept) + ctx.states
        ctx.save_for_backward(*inputs[3:], *output[count + 2 :])
        ctx.mark_non_differentiable(*output[count:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        rows, states, count = len(ctx.call.kept), ctx.states, len(ctx.needs_input_grad) - 3
        tensors, tangents = ctx.saved_tensors[:count], ctx.saved_tensors[count:]
        found: list[Tensor | None] = [None] * count
        for d, i in enumerate(ctx.moving):
            along = [*tangents[d * rows :][:rows], *tangents[len(ctx.moving) * rows + d * states :][:states]]
            total = torch.zeros_like(tensors[0], dtype=torch.float64)
            for k, (gradient, tangent) in enumerate(zip(gradients, along, strict=False)):
                if gradient is not None:
                    share = (gradient * tangent).double()
                    total = total + (share.sum(0) if k < rows else share)
            found[i] = total.to(tensors[0].dtype) if i < states else summed(ctx.call, tensors[i], total, total.sum())
        return (None, None, None, *(None if g is None else _Last.apply(g, *tensors) for g in found))


class _Last(Final):
    """A gradient that is not to be differentiated: its tangents hold no graph, so that the result would be wrong."""

    generate_vmap_rule = True

    @staticmethod
    def forward(gradient: Tensor, *tensors: Tensor) -> Tensor:
        return gradient.clone()
