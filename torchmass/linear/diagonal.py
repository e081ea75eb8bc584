"""The Jacobian of what is elementwise over nodes: one small matrix a node, for the price of one node's."""

from collections.abc import Callable

import torch
from torch import Tensor


def diagonal_jacobian(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """∂f_r/∂x_k of every node, (*b, N, R, K), where f is elementwise over nodes, (K, *b, N) to (R, *b, N)."""
    values, pull, *_ = torch.func.vjp(f, x)
    count = len(values)
    units = torch.eye(count).to(values).reshape(count, count, *[1] * (values.ndim - 1))
    rows = [pull(unit.expand(values.shape))[0] for unit in units]
    return torch.stack(rows).movedim((0, 1), (-2, -1))
