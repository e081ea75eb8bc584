"""A run in stretches, of which each goes on where the last one ended.

For a bar that shows how far it is; for observers, so that what they see is there only for a stretch; and to keep less
for the gradient: the states and the past between stretches, from which each is computed again on the way back.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from torchmass.integrators import Values
from torchmass.kernels.finite import refuse_nonfinite
from torchmass.kernels.plan import Outcome, Plan
from torchmass.observe.observer import Carry
from torchmass.observed import Watch
from torchmass.progress import drawn
from torchmass.undefined import tolerance, tolerant

BAR = 100  # stretches of a run with a bar
ROOM, LEAST = 2**20, 512  # numbers of a series that are there at once, and steps of a stretch at the least
KEPT = 2**27  # bytes that a run may keep for its gradient before it is computed again in stretches

Runs = Callable[[Plan], Outcome]


def length_of(plan: Plan, *, observed: bool = False, bar: bool = False) -> int:
    """The steps of a stretch; all of them where there is no reason for stretches."""
    past = max([0, *(len(rows) for rows in plan.histories)])
    lengths = [plan.steps]
    if plan.checkpoint != "none" and plan.dynamics.links and torch.is_grad_enabled():  # single nodes do so in the loop
        short = plan.interval() if plan.checkpoint != "sqrt" else math.isqrt(plan.steps * max(past, 1))
        lengths.append(short)
    if observed and not _kept_at_once(plan):
        lengths.append(max(LEAST, ROOM // plan.x0[0].numel(), 4 * past))
    if bar:
        lengths.append(plan.steps // BAR)
    horizon = plan.grad_horizon or 1  # gradients are cut between stretches too
    return max(2, -(-min(lengths) // horizon) * horizon)


def _kept_at_once(plan: Plan) -> bool:
    """Whether all that the gradient needs has room, so that nothing has to be computed again."""
    numbers = len(plan.x0) + len(plan.monitors) + 3 * len(plan.dynamics.links)  # of a node and step, about
    size = plan.steps * plan.x0[0].numel() * numbers * plan.x0[0].element_size()
    return torch.is_grad_enabled() and size <= KEPT


def in_stretches(
    plan: Plan, run: Runs, length: int, watches: Mapping[str, Watch], *, label: str | None = None
) -> tuple[Outcome, dict[str, Watch]]:
    """What `run(plan)` computes, to the bit, less what only the watches see; and the watches, which have seen it.

    A run that leaves the finite numbers raises, unless that is tolerated. `label` is that of a bar, if there is to be
    one.
    """
    walk = Walk(plan, watches, again=length < plan.steps and torch.is_grad_enabled())
    with nullcontext() if label is None else drawn(plan.steps, label, unit="step", unit_scale=True) as bar:
        for begin, end in _bounds(plan.steps, length):
            walk.go(begin, end, run)
            if bar is not None:
                bar.update(end - begin)
    return walk.outcome(), walk.watches


class Walk:
    """Where a run has come to, and what has been recorded of it."""

    def __init__(self, plan: Plan, watches: Mapping[str, Watch], again: bool) -> None:
        again &= bool(watches) or plan.checkpoint != "none"
        self.plan, self.watches = replace(plan, again=again), dict(watches)
        self.x, self.histories, self.finite = plan.x0, plan.histories, True
        seen = {watch.series for watch in watches.values()}
        self.series: dict[str, list[Tensor]] = {name: [] for name in plan.monitors if name not in seen}

    def go(self, begin: int, end: int, run: Runs) -> None:
        """From step `begin` to step `end`."""
        if begin and self.plan.grad_horizon:
            self.x, self.histories = (tuple(v.detach() for v in values) for values in (self.x, self.histories))
        carries = {name: watch.carry for name, watch in self.watches.items()}
        work = partial(_stretch, _part(self.plan, begin, end), run, tuple(self.series), self.watches, tolerance())
        if self.plan.again:
            work = partial(checkpoint, work, use_reentrant=False, preserve_rng_state=False)
        self.x, self.histories, is_finite, series, seen = work(self.x, self.histories, carries)
        self.finite &= is_finite
        for name, rows in series.items():
            self.series[name].append(rows)
        for name, (carry, rows) in seen.items():
            watch = self.watches[name]
            self.watches[name] = replace(watch, carry=carry, rows=(*watch.rows, rows))

    def outcome(self) -> Outcome:
        """The whole run."""
        series = {name: torch.cat(rows) for name, rows in self.series.items()}
        return Outcome(series, self.x, self.histories, self.finite)


def _stretch(
    plan: Plan,
    run: Runs,
    kept: tuple[str, ...],
    watches: Mapping[str, Watch],
    allowed: tuple[bool, bool],
    x: Values,
    histories: Values,
    carries: Mapping[str, Carry | None],
) -> tuple[Values, Values, bool, dict[str, Tensor], dict[str, tuple[Carry, Tensor]]]:
    """One stretch from where the last one ended: where it ends, what is kept of it, and what observers make of it."""
    plan = replace(plan, x0=x, histories=histories)
    with tolerant(*allowed):  # on the way back too, where the caller's context is left
        found = run(plan)
        if not found.finite and not allowed[0]:
            refuse_nonfinite(plan, found.series, found.ends)
        rows = found.series
        seen = {n: watch.fed(carries[n], rows[watch.series]) for n, watch in watches.items() if watch.series in rows}
    return found.ends, found.histories, found.finite, {name: rows[name] for name in kept if name in rows}, seen


def _bounds(steps: int, length: int) -> Iterator[tuple[int, int]]:
    """The first and the last step of each stretch.

    None is a single step: inputs of one row are taken for constant, and kernels for these round differently.
    """
    begin = 0
    while begin < steps:
        end = steps if begin + length > steps - 2 else begin + length
        yield begin, end
        begin = end


def _part(plan: Plan, begin: int, end: int) -> Plan:
    """The steps from `begin` to `end`; their start is still that of all."""
    first = max(plan.transient, begin + (plan.transient - begin) % plan.every)  # that is recorded
    return replace(
        plan,
        steps=end - begin,
        first_step=plan.first_step + begin,
        transient=first - begin,
        monitors=plan.monitors if first < end else {},
        inputs=tuple(u if u is None or len(u) == 1 else u[begin:end] for u in plan.inputs),
        checkpoint="none" if plan.dynamics.links else plan.checkpoint,
    )
