"""The step through `torch.compile`, called once a step: time is never unrolled (10 steps take 17–60 s to compile)."""

from functools import cache
from typing import Any

import torch
from torch import Tensor

from torchmass.dynamics import step
from torchmass.integrators import Values
from torchmass.kernels import eager
from torchmass.kernels.plan import Plan


@cache
def _compiled_step() -> Any:
    return torch.compile(step, dynamic=False)


def run(plan: Plan) -> tuple[dict[str, Tensor], Values]:
    """As `eager.run`, each step one compiled call."""
    return eager.run(plan, _compiled_step())
