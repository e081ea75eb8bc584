"""What torch is doing to a run while it runs: the one place that asks for what torch keeps to itself (seen on 2.13)."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor
from torch._C import _functorch  # pyright: ignore[reportAttributeAccessIssue]
from torch.autograd import forward_ad

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])
PLAIN = (Tensor, torch.nn.Parameter, type(None))
DIFFERENTIATES = (_functorch.TransformType.Grad, _functorch.TransformType.Jvp)


def derivatives() -> int:
    """How many derivatives of torch.func are being taken, one of another."""
    stack = _functorch.get_interpreter_stack() or []
    return sum(level.key() in DIFFERENTIATES for level in stack)


def is_transformed() -> bool:
    """Whether torch.func, or forward-mode differentiation, is at work."""
    return torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0


def is_observed(tensors: Iterable[Tensor | None]) -> bool:
    """Whether somebody may want to see what is done to tensors: a compiler, a mode of torch, or a class of theirs."""
    if torch.compiler.is_compiling() or is_transformed() or torch._C._len_torch_dispatch_stack():
        return True
    return any(type(tensor) not in PLAIN for tensor in tensors)


def needs_gradient(tensor: Tensor) -> bool:
    """Whether a gradient may be asked for; a tensor that torch.func wraps does not tell, as in grad of vmap."""
    if torch.compiler.is_compiling():
        return tensor.requires_grad
    return tensor.requires_grad or _functorch.is_functorch_wrapped_tensor(tensor)


def constant_when_compiled(function: FunctionT) -> FunctionT:
    """What `torch.compiler.assume_constant_result` does, which imports all of the compiler to mark the function.

    That doubles the time and memory that `import torchmass` takes.
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]  # pyright: ignore
    return function
