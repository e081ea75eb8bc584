"""The step through `torch.compile`, called once a step: time is never unrolled (10 steps take 17–60 s to compile)."""

from functools import cache
from typing import Any

import torch

from torchmass.dynamics import step
from torchmass.kernels import eager
from torchmass.kernels.plan import Outcome, Plan


@cache
def _compiled_step() -> Any:
    return torch.compile(step, dynamic=False)


def run(plan: Plan) -> Outcome:
    """As `eager.run`, each step one compiled call."""
    return eager.run(plan, _compiled_step())
