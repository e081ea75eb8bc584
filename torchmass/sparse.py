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


def coalesced(value: Any, like: Tensor) -> Tensor:
    """The same entries in torch's COO layout, sorted, duplicates added up; numbers of scipy are then as `like`."""
    if isinstance(value, Tensor):
        held = value.to_sparse()
        return (held.to_dense().to_sparse() if held.dense_dim() else held).coalesce()
    held = value.tocoo()
    places = torch.stack([torch.as_tensor(place, dtype=torch.int64) for place in (held.row, held.col)])
    values = torch.as_tensor(held.data, dtype=like.dtype)
    return torch.sparse_coo_tensor(places, values, held.shape, check_invariants=True).coalesce().to(like.device)


def without_diagonal(value: Tensor) -> Tensor:
    """A matrix, (*b, N, N), with a diagonal of 0, or where it is sparse and coalesced, with no entries there."""
    if not is_sparse(value):
        return value * (1 - torch.eye(value.shape[-1]).to(value))
    places = value.indices()
    kept = places[-2] != places[-1]
    return torch.sparse_coo_tensor(
        places[:, kept], value.values()[kept], value.shape, check_invariants=False, is_coalesced=True
    )


def pattern(value: Any, like: Tensor) -> Tensor:
    """The pairs that have an entry in a sparse matrix, be it 0, (N, N); of a batch, in any member."""
    held = coalesced(value, like).detach()
    found = torch.zeros(held.shape[-2:], dtype=torch.bool, device=held.device)
    found[held.indices()[-2:].unbind()] = True
    return found
