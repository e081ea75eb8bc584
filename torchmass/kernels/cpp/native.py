"""Native: a call as the generated code takes it, one structure of numbers and pointers."""

import ctypes
from array import array
from collections.abc import Callable, Iterable, Sequence
from math import prod

from torch import Tensor


class Run(ctypes.Structure):
    """`Run` in include/run.h."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("lanes", "nodes", "simulations", "steps", "first_step")),
        *((name, ctypes.c_int64) for name in ("first_simulation", "transient", "every", "interval", "horizon")),
        *((name, ctypes.c_int64) for name in ("threads", "early")),
        ("seed", ctypes.c_uint64),
        ("dt", ctypes.c_double),
        *((name, ctypes.c_void_p) for name in ("leaf", "stride", "x0", "out", "end", "broken", "path")),
        *((name, ctypes.c_void_p) for name in ("g_out", "g_end", "g_x0", "sums", "each", "scratch", "lost", "team")),
        *((name, ctypes.c_void_p) for name in ("weights", "lags", "apart", "zeros", "before", "before_apart", "reach")),
        *((name, ctypes.c_void_p) for name in ("connections", "counts")),
        ("tails", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("tail_of", "tail_rows", "tail", "g_tail")),
        *((name, ctypes.c_void_p) for name in ("g_weights", "g_lags", "g_before")),
    ]


class Native:
    """A `Run` with everything that it points to; its lists lie one after the other in one array."""

    def __init__(self, *numbers: int, seed: int, dt: float) -> None:
        self.run = Run(*numbers)
        self.run.seed, self.run.dt = seed & (2**64 - 1), dt
        self._table: list[int] = []
        self._places: dict[str, int] = {}
        self._held: list[object] = []

    def point(self, **tensors: Sequence[Tensor | None] | Tensor) -> None:
        """Set pointers, to tensors or to lists of them."""
        for name, value in tensors.items():
            self._held.append(value)
            if isinstance(value, Tensor):
                setattr(self.run, name, value.data_ptr())
            else:
                self.list(name, (0 if tensor is None else tensor.data_ptr() for tensor in value))

    def list(self, name: str, words: Iterable[int]) -> None:
        """Set a pointer to a list of addresses or numbers."""
        self._places[name] = len(self._table)
        self._table += words

    def size(self, library: ctypes.CDLL) -> int:
        """How many numbers a simulation of a network writes down for its adjoint."""
        self._place()
        library.record_size.restype = ctypes.c_int64
        return int(library.record_size(ctypes.byref(self.run), ctypes.c_bool(True)))

    def call(self, function: Callable[..., object]) -> None:
        """Call the generated code."""
        self._place()
        function(ctypes.byref(self.run))

    def _place(self) -> None:
        self._array = array("q", (*self._table, 0))
        base, _ = self._array.buffer_info()
        for name, place in self._places.items():
            setattr(self.run, name, base + 8 * place)


def laid_out(leaf: Tensor, timed: bool, shape: tuple[int, ...]) -> tuple[Tensor, int, int, int]:
    """A leaf, and how far apart its steps, simulations and nodes are; expanded in memory only if it must be."""
    if leaf.numel() == 1:
        return leaf, 0, 0, 0
    sizes, strides = list(leaf.shape), list(leaf.stride())
    per_step = strides[0] if timed else 0
    if timed:
        sizes, strides = sizes[1:], strides[1:]
    batch = [(size, stride) for size, stride in zip(sizes[:-1], strides[:-1], strict=True) if size > 1]
    if not batch or (len(batch) == 1 and batch[0][0] == prod(shape[:-1])):
        per_node = strides[-1] if sizes and sizes[-1] > 1 else 0
        return leaf, per_step, batch[0][1] if batch else 0, per_node
    axes = leaf if timed else leaf.unsqueeze(0)
    inner = axes.reshape(axes.shape[0], *(1,) * (len(shape) + 1 - axes.ndim), *axes.shape[1:])
    view = inner.expand(-1, *shape).reshape(axes.shape[0], -1, shape[-1])
    return view, view.stride(0) if timed else 0, view.stride(1), view.stride(2)
