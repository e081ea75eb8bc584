"""Sparse matrices, torch's or scipy's: what they are as dense ones, and where they have entries."""

from typing import Any

import torch
from torch import Tensor


def is_sparse(value: Any) -> bool:
    """Whether it is a sparse matrix of torch, in any layout, or of scipy, which need not be installed."""
    if isinstance(value, Tensor):
        return value.layout != torch.strided
    return callable(getattr(value, "tocoo", None))


def dense(value: Any) -> Any:
    """The same values as a tensor or an array, duplicates added up; what is not sparse is left as it is."""
    if not is_sparse(value):
        return value
    return value.to_dense() if isinstance(value, Tensor) else value.toarray()


def pattern(value: Any) -> Tensor | None:
    """The pairs that have an entry, be it 0, (N, N); of a batch, in any member. None for what is not sparse."""
    if not is_sparse(value):
        return None
    if isinstance(value, Tensor):
        held = value.detach().to_sparse()
        held = held.to_dense().to_sparse() if held.dense_dim() else held
        places = held.coalesce().indices()[-2:]
    else:
        held = value.tocoo()
        places = torch.stack([torch.as_tensor(place, dtype=torch.int64) for place in (held.row, held.col)])
    found = torch.zeros(held.shape[-2:], dtype=torch.bool, device=places.device)
    found[places.unbind()] = True
    return found
