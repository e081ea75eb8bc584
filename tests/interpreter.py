"""Triton's interpreter, in which kernels run where there is no GPU. It must be asked for before Triton is imported."""

import os

import numpy as np
import torch

if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")

from triton.runtime.interpreter import (
    GridExecutor,
    InterpretedFunction,
    InterpreterOptions,
    _patch_lang,
    interpreter_builder,
)

prepared = set[int]()  # modules whose functions see the interpreter's language


def call(self, *args, **options):
    """As the method that it takes the place of, which prepares at every call anew: for 2 ms, where a sum takes 0.1."""
    if id(self.fn.__globals__) not in prepared:
        prepared.add(id(self.fn.__globals__))
        _patch_lang(self.fn)
    return self.rewrite()(*args, **options)


InterpretedFunction.__call__ = call
# a card warns of no overflow
GridExecutor.__call__ = np.errstate(all="ignore")(GridExecutor.__call__)
interpreter_builder.options = InterpreterOptions(sanitize_overflow=False)  # nor looks for it, which takes half the time
