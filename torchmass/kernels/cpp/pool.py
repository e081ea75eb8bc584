"""Pool: large memory that is taken again when nobody has it any more.

Fresh memory costs the system 1–3 µs a page of 4 KiB, which for what a run writes down can be as much as the run. The C
library gives what is freed back, and takes it anew.
"""

import mmap
import sys
from collections.abc import Sequence
from math import prod
from threading import Lock

import torch
from torch import Tensor

LEAST, MOST = 2**18, 2**28  # bytes: of one tensor, and of all that is kept
FREE = 2  # references to what nobody else has: the pool's, and that of the one who counts

_kept: list[mmap.mmap] = []  # the one taken last at the end
_lock = Lock()


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """As `torch.empty`, of memory of the same size that was used before, where there is some."""
    size = prod(shape) * dtype.itemsize
    if not LEAST <= size <= MOST:
        return torch.empty(*shape, dtype=dtype)
    with _lock:
        memory = _free(size) or mmap.mmap(-1, size)
        _kept.append(memory)
        while sum(map(len, _kept)) > MOST:
            del _kept[0]  # whoever has it keeps it
        return torch.frombuffer(memory, dtype=dtype).view(*shape)


def _free(size: int) -> mmap.mmap | None:
    for k in range(len(_kept)):
        if len(_kept[k]) == size and sys.getrefcount(_kept[k]) == FREE:
            return _kept.pop(k)
    return None
