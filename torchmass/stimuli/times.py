"""Comparing times: an edge belongs to its step in spite of the rounding of times and parameters."""

import math
from typing import Any

import torch
from torch import Tensor

EPS = torch.finfo(torch.float64).eps


def milliseconds(label: str, value: Any) -> float:
    """`value` as a duration in ms; raises a `ValueError` unless it is > 0 and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"{label} must be > 0 ms and finite, got {value}.")
    return float(value)


def slack(t: Tensor, like: Tensor) -> Tensor:
    """How far rounding may have moved a time near `t` from a sum of parameters with the dtype of `like`.

    i·dt and a sum of times are off by 3 units of rounding at most, a free parameter, which is exp(log(x)), by 4 of its
    own dtype: at 10⁵ ms 2·10⁻¹⁰ ms in float64 and 0.05 ms in float32.
    """
    return 4 * (EPS + torch.finfo(like.dtype).eps) * t.abs()


def edge(s: Tensor, rise: Tensor, slack: Tensor) -> Tensor:
    """0 before s = 0, 1 from s = `rise` on and linear between; where `rise` is 0 a jump, whose gradient is 0."""
    smooth = rise > 0
    # s may be -∞, which times the gradient 0 would be NaN: it is clamped before it is divided
    line = (s.clamp(min=0) / torch.where(smooth, rise, 1.0)).clamp(max=1)
    return torch.where(smooth, line, (s >= -slack).to(line.dtype))


def whole_intervals(q: Tensor, slack: Tensor) -> Tensor:
    """The number of whole intervals in `q` intervals, int64: 2.9999999999999996 is 3."""
    nearest = q.detach().round()
    return torch.where((q - nearest).abs() <= slack, nearest, q.detach().floor()).long()
