"""Team: the threads that torch keeps. A run takes these: its own would compete with them while they wait for work."""

import ctypes
import os
from functools import cache
from pathlib import Path

import torch

PROCESS = os.getpid()


def team() -> int:
    """The address of the function by which torch's OpenMP has work done by its threads; 0 where there is none.

    A process that was forked off has none of its parent's threads, and OpenMP would wait for them for ever.
    """
    return _address() if os.getpid() == PROCESS else 0


@cache
def _address() -> int:
    if not torch.backends.openmp.is_available():
        return 0
    for library in (Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*"):
        try:  # looked up from there it is the one that torch itself calls, whatever other OpenMP is loaded
            return ctypes.cast(ctypes.CDLL(str(library)).GOMP_parallel, ctypes.c_void_p).value or 0
        except (OSError, AttributeError):
            continue
    return 0
