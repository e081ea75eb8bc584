"""Where a stimulus acts."""

from typing import Any

import torch
from torch import Tensor

from torchmass.values import report


def regions(in_size: int, which: Any) -> Tensor:
    """1 for the regions `which`, indices or a mask (N,) of booleans, and 0 for the others: (N,), int64.

    `Step(1.0, 100.0, 200.0) * regions(80, [3, 4])` acts on two regions only. Whole numbers, they take the dtype of what
    they multiply. Raises `ValueError` for indices out of range and for a mask of another size.
    """
    which = torch.as_tensor(which)
    if which.dtype == torch.bool:
        if which.shape != (in_size,):
            raise ValueError(f"a mask of {in_size} regions must be ({in_size},), got shape {tuple(which.shape)}.")
        return which.long()
    if which.is_floating_point() and which.numel():  # an empty list is of floating point
        raise ValueError(f"regions must be whole numbers or a mask of booleans, got {which.dtype}.")
    outside = (which < -in_size) | (which >= in_size)
    if bool(outside.any()):
        raise ValueError(f"regions must lie in 0 … {in_size - 1}, got {report(which, outside)}.")
    chosen = torch.zeros(in_size, dtype=torch.int64, device=which.device)
    chosen[which.long()] = 1
    return chosen
