"""libdevice for Triton's interpreter, which has none: each function is torch's of the same name, on the CPU."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
import triton.language as tl
from triton.runtime.interpreter import TensorHandle


def __getattr__(name: str) -> Callable[..., Any]:
    return partial(_elementwise, getattr(torch, name))


def _elementwise(function: Callable[..., torch.Tensor], *args: Any) -> Any:
    arrays = np.broadcast_arrays(*(arg.handle.data for arg in args))
    data = function(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays)).numpy()
    kind = max((arg.type for arg in args), key=lambda kind: kind.is_block())
    return tl.tensor(TensorHandle(data, kind.scalar), kind)
