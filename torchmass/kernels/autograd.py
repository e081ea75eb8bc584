"""A run of a kernel as one node of torch's graph, whose gradient is the exact discrete adjoint; and its vmap."""

from collections.abc import Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels import operator
from torchmass.kernels.call import Call
from torchmass.kernels.kernel import KERNELS, tangent_name
from torchmass.kernels.transforms import is_transformed
from torchmass.undefined import tolerance, tolerant

SECOND = "the fused adjoint has no derivative of its own: use backend='eager' for second derivatives."


class FusedRun(torch.autograd.Function):
    """Rows, ends and the path from the starts and the leaves; the path is for the adjoint alone."""

    @staticmethod
    def forward(call: Call, states: int, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(operator.forward(call, tensors[:states], tensors[states:]))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.call, ctx.states, path, ctx.tolerance = inputs[0], inputs[1], output[-1], tolerance()
        ctx.save_for_backward(*inputs[2 + ctx.states :], path)
        ctx.save_for_forward(*inputs[2:])
        ctx.mark_non_differentiable(*output[-2:])
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        if not ctx.call.adjoint:
            raise RuntimeError(SECOND)
        *leaves, path = ctx.saved_tensors
        again = torch.is_grad_enabled() or is_transformed()  # somebody may differentiate this, or map over it
        work = FusedAdjoint.apply if again else FusedAdjoint.forward
        with tolerant(*ctx.tolerance):  # as the run was: gradients are computed later, of a GPU in another thread
            found = work(ctx.call, len(leaves), *leaves, path, *gradients[:-2])
        by_leaf = dict(zip(ctx.call.wanted, found[ctx.states :], strict=True))
        return (None, None, *found[: ctx.states], *(by_leaf.get(i) for i in range(len(leaves))))

    @staticmethod
    def vmap(  # pyright: ignore[reportIncompatibleMethodOverride]
        info: Any, in_dims: Any, call: Call, states: int, *tensors: Tensor
    ) -> Any:
        """A vmap is a larger batch."""
        size, dims = info.batch_size, in_dims[2:]
        starts = [_leading(t, d, size) for t, d in zip(tensors[:states], dims[:states], strict=True)]
        leaves = [_widened(call, i, t, d) for i, (t, d) in enumerate(zip(tensors[states:], dims[states:], strict=True))]
        *found, broken, path = FusedRun.apply(call._replace(shape=(size, *call.shape)), states, *starts, *leaves)
        # every member is shown the one path there is, so that the adjoint knows that it holds them all
        return (*found, broken, path.expand(size, -1)), (*[1] * len(call.kept), *[0] * states, None, 0)

    @staticmethod
    def jvp(ctx: Any, _: Any, __: Any, *moving: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """The tangent of the run: a run of its own, of a step with more states."""
        call, states, tensors = ctx.call, ctx.states, ctx.saved_tensors
        tangents = [_tangent(call, i - states, t, m) for i, (t, m) in enumerate(zip(tensors, moving, strict=True))]
        starts, leaves, constants = tensors[:states], tensors[states:], len(KERNELS[call.kernel].step.constants)
        moved = tangents[states:]
        both = [*leaves[:constants], *moved[:constants], *leaves[constants:], *moved[constants:]]
        kept = tuple(k + states if k < states else 2 * states + 1 for k in call.kept)
        along = call._replace(kernel=tangent_name(call.kernel, (None,)), kept=kept, wanted=(), adjoint=False)
        *found, _, _ = FusedRun.apply(along, 2 * states, *starts, *tangents[:states], *both)
        return (*found[: len(kept)], *found[len(kept) + states :], None, None)


FusedRun.forward.__signature__ = signature(FusedRun.forward)  # which torch would find out in every run


def recorded(keys: Any, *args: Any) -> list[Tensor]:
    """The operator where torch records what is done: in the graphs of torch.compile and torch.export, which show it."""
    call, starts, leaves = Call(*args[:-2]), *args[-2:]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*starts, *leaves)):
        return list(FusedRun.apply(call, len(starts), *starts, *leaves))
    return torch.ops.torchmass.forward.default.redispatch(keys & torch._C._after_autograd_keyset, *args)


operator.LIBRARY.impl("forward", recorded, "Autograd", with_keyset=True)


class Final(torch.autograd.Function):
    """What is not to be differentiated: it raises, where torch would give a derivative that lacks a part."""

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        raise RuntimeError(SECOND)


class FusedAdjoint(Final):
    """The gradients of the starts and of the wanted leaves, from those of rows and ends."""

    @staticmethod
    def forward(call: Call, leaves: int, *tensors: Any) -> tuple[Tensor, ...]:
        return tuple(operator.adjoint(call, tensors[:leaves], tensors[leaves], tensors[leaves + 1 :]))

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """There is none: it would be a second derivative."""
        raise RuntimeError(SECOND)

    @staticmethod
    def vmap(  # pyright: ignore[reportIncompatibleMethodOverride]
        info: Any, in_dims: Any, call: Call, leaves: int, *tensors: Any
    ) -> Any:
        """A larger batch where the run was one; else one adjoint after another over the same path."""
        size, dims = info.batch_size, in_dims[2:]
        if dims[leaves] is None:
            members = [FusedAdjoint.apply(call, leaves, *_member(tensors, dims, i)) for i in range(size)]
            found = tuple(torch.stack(gradients) for gradients in zip(*members, strict=True))
            return found, (0,) * len(found)
        held = list(zip(tensors[:leaves], dims[:leaves], strict=True))
        for i in call.wanted:  # each member has its own gradient of a leaf that all share, too
            held[i] = _leading(*held[i], size), 0
        batched = [_widened(call, i, t, d) for i, (t, d) in enumerate(held)]
        given = [
            None if g is None else _leading(g, d, size).movedim(0, int(k < len(call.kept)))
            for k, (g, d) in enumerate(zip(tensors[leaves + 1 :], dims[leaves + 1 :], strict=True))
        ]
        path = tensors[leaves].select(dims[leaves], 0)
        found = FusedAdjoint.apply(call._replace(shape=(size, *call.shape)), leaves, *batched, path, *given)
        states = len(found) - len(call.wanted)
        narrow = (_narrowed(call, i, g, held[i][0]) for i, g in zip(call.wanted, found[states:], strict=True))
        return (*found[:states], *narrow), (0,) * len(found)


def _tangent(call: Call, leaf: int, value: Tensor, moving: Tensor | None) -> Tensor:
    """The tangent of a start (a negative place) or of a leaf; one that stands still is a zero that broadcasts."""
    if moving is not None:
        return moving
    if leaf < 0:
        return torch.zeros_like(value)
    return value.new_zeros((1, 1) if _is_input(call, leaf) else ())


def _leading(tensor: Tensor, dim: int | None, size: int) -> Tensor:
    """The tensor with the axis of the vmap in front."""
    return tensor.expand(size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)


def _member(tensors: Sequence[Any], dims: Sequence[int | None], i: int) -> list[Any]:
    return [t if d is None else t.select(d, i) for t, d in zip(tensors, dims, strict=True)]


def _widened(call: Call, i: int, leaf: Tensor, dim: int | None) -> Tensor:
    """A leaf with the axis of the vmap before those of the run; after time, where it has time."""
    if dim is None:
        return leaf
    leaf = leaf.movedim(dim, 0)
    if not _is_input(call, i):
        return leaf.reshape(leaf.shape[0], *(1,) * (len(call.shape) + 1 - leaf.ndim), *leaf.shape[1:])
    leaf = leaf.movedim(1, 0)
    return leaf.reshape(*leaf.shape[:2], *(1,) * (len(call.shape) + 2 - leaf.ndim), *leaf.shape[2:])


def _narrowed(call: Call, i: int, gradient: Tensor, leading: Tensor) -> Tensor:
    """The gradient of a widened leaf in the shape that the leaf had, (V, …)."""
    return (gradient.movedim(1, 0) if _is_input(call, i) else gradient).reshape(leading.shape)


def _is_input(call: Call, i: int) -> bool:
    return i >= len(KERNELS[call.kernel].step.constants)
