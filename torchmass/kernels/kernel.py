"""Kernel: a traced step with what is built from it; each has a name, by which an operator of torch finds it."""

import ctypes
import json
from collections.abc import Sequence
from functools import cache, cached_property
from hashlib import sha256
from types import ModuleType
from typing import Any

import torch

from torchmass.kernels.cpp import build
from torchmass.kernels.cpp.network import network_source
from torchmass.kernels.cpp.single import source
from torchmass.kernels.step.step_code import StepCode
from torchmass.kernels.step.step_graph import StepGraph, StepKind, trace_step
from torchmass.kernels.step.tangent import tangent
from torchmass.kernels.transforms import constant_when_compiled
from torchmass.kernels.triton import modules, network_back, single, stages_back
from torchmass.kernels.triton.statements import TILE

DTYPES = {torch.float32: "float", torch.float64: "double"}
PADDING = 16  # lanes: the width of every vector divides it


class Kernel:
    """The loops of one kind of step, built when they are first needed."""

    def __init__(self, step: StepGraph) -> None:
        self.step = step
        self._codes: dict[tuple[int, ...] | None, StepCode] = {}
        self._libraries: dict[tuple[torch.dtype, tuple[int, ...] | None], ctypes.CDLL] = {}
        self._modules: dict[tuple[torch.dtype, tuple[int, ...] | None, bool], ModuleType] = {}
        self._forward: dict[
            torch.dtype, tuple[str, tuple[str, ...]]
        ] = {}  # sources, of which short runs ask every time

    @cached_property
    def name(self) -> str:
        """A name that says what the kernel computes, the same in every process."""
        step = self.step
        named = [self._text(None, "T"), step.states, step.leaves, list(step.titles.values()), step.pairs]
        return sha256(json.dumps(named).encode()).hexdigest()[:32]

    def code(self, wanted: Sequence[int] | None) -> StepCode:
        """The operations of the forward loop, or of the adjoint for the leaves wanted."""
        key = None if wanted is None else tuple(wanted)
        if key not in self._codes:
            leaves = self.step.leaves
            names = None if key is None else [leaves[i] for i in key if i < len(leaves)]
            self._codes[key] = StepCode(self.step, names)
        return self._codes[key]

    def library(self, dtype: torch.dtype, wanted: Sequence[int] | None = None) -> ctypes.CDLL:
        """The loop for this dtype: from this process, the cache on disk, or compiled now."""
        key = dtype, None if wanted is None else tuple(wanted)
        if key not in self._libraries:
            self._libraries[key] = build.load(*self._source(dtype, wanted))
        return self._libraries[key]

    def module(self, dtype: torch.dtype, wanted: Sequence[int] | None = None, *, is_split: bool = False) -> ModuleType:
        """The same loop in Triton, which compiles it for the device of its first call; or split into launches."""
        key = dtype, None if wanted is None else tuple(wanted), is_split
        if key not in self._modules:
            whole = network_back.source if self.step.links else single.source
            write = stages_back.source if is_split else whole
            self._modules[key] = modules.load(write(self.code(wanted), str(dtype).removeprefix("torch.")))
        return self._modules[key]

    def _source(self, dtype: torch.dtype, wanted: Sequence[int] | None) -> tuple[str, tuple[str, ...]]:
        """The source of a library and the flags that it is compiled with."""
        text = self._text(wanted, DTYPES[dtype])
        return text, build.flags(text, self.code(wanted).is_dear)

    def _text(self, wanted: Sequence[int] | None, number: str) -> str:
        write = network_source if self.step.links else source
        return write(self.code(wanted), number)

    def is_built(self, dtype: torch.dtype, engine: str) -> bool:
        """Whether the forward loop can be had without compiling."""
        if engine == "triton":
            return any(key[:2] == (dtype, None) for key in self._modules)
        if (dtype, None) in self._libraries:
            return True
        if dtype not in self._forward:
            self._forward[dtype] = self._source(dtype, None)
        return build.is_built(*self._forward[dtype])


class Kernels(dict[str, Kernel]):
    """The kernels that this process knows, by name."""

    def __missing__(self, name: str) -> Kernel:
        raise LookupError(
            f"no kernel {name} in this process: a graph that torch.export saved names the kernels of its runs; make "
            "the model that was exported, and run it once, before."
        )


KERNELS = Kernels()


@constant_when_compiled
def kernel_name(*kind: Any) -> str:
    """The name of the kernel of a `StepKind`, traced at the first call. Raises `TraceError`."""
    return _kernel(StepKind(*kind)).name  # apart, since torch.compile passes constants, and no named tuples


@cache
def _kernel(kind: StepKind) -> Kernel:
    kernel = Kernel(trace_step(kind))
    return KERNELS.setdefault(kernel.name, kernel)


@constant_when_compiled
def tile(name: str, wanted: tuple[int, ...], engine: str) -> int:
    """The steps between two states that the adjoint for the leaves wanted asks for."""
    return KERNELS[name].code(wanted).tile if engine == "cpp" else TILE


@constant_when_compiled
def tangent_name(name: str, directions: tuple[str | None, ...]) -> str:
    """The name of the kernel that carries the tangents in these directions too; see `tangent`."""
    return _tangent(name, directions).name


@cache
def _tangent(name: str, directions: tuple[str | None, ...]) -> Kernel:
    kernel = Kernel(tangent(KERNELS[name].step, directions))
    return KERNELS.setdefault(kernel.name, kernel)
