"""A long run in stretches, with a bar that shows how far it is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels.plan import Outcome, Plan

STRETCHES = 100


def in_stretches(plan: Plan, run: Callable[[Plan], Outcome], label: str) -> Outcome:
    """What `run(plan)` computes, to the bit, in stretches of which each goes on where the last one ended."""
    series: dict[str, list[Tensor]] = {name: [] for name in plan.monitors}
    found = Outcome({}, plan.x0, plan.histories, finite=True)
    with drawn(plan.steps, label, unit="step", unit_scale=True) as bar:
        for begin, end in _bounds(plan):
            stretch = replace(
                plan,
                x0=found.ends,
                histories=found.histories,
                steps=end - begin,
                first_step=plan.first_step + begin,
                transient=plan.transient if begin == 0 else 0,
                inputs=tuple(u if u is None or len(u) == 1 else u[begin:end] for u in plan.inputs),
            )
            one = run(stretch)
            found = one._replace(finite=found.finite and one.finite)
            for name, rows in one.series.items():
                series[name].append(rows)
            bar.update(end - begin)
    return found._replace(series={name: torch.cat(rows) for name, rows in series.items()})


def _bounds(plan: Plan) -> Iterator[tuple[int, int]]:
    """The first and the last step of each stretch: each begins with a step that is recorded, but for the first.

    None is a single step: inputs of one row are taken for constant, and kernels for these round differently.
    """
    length = -(-max(plan.steps // STRETCHES, 2) // plan.every) * plan.every
    begin, end = 0, plan.transient + length
    while begin < plan.steps:
        end = plan.steps if end > plan.steps - 2 else end
        yield begin, end
        begin, end = end, end + length


def drawn(steps: int, label: str, **options: Any):
    """A bar of so many steps."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress=True draws with tqdm: pip install 'torchmass[fit]'.") from error
    return tqdm(total=steps, desc=label, mininterval=0.2, **options)
