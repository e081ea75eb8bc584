"""What observers see of a run while it goes on: which series, from where on, and when their rows end."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from torchmass.kernels.plan import Plan
from torchmass.memory import Carry, Memory
from torchmass.monitors import OUTPUT, resolve
from torchmass.naming import refuse
from torchmass.observe.chain import Chain
from torchmass.observe.observer import Observer
from torchmass.result import Quantity


@dataclass(frozen=True)
class Watch:
    """An observer at work: the series of the run that it sees, what it remembers of it, and what it has said."""

    observer: Observer
    series: str
    dt: float  # ms between the samples that it sees
    carry: Carry | None = None
    before: int = 0  # samples that it saw before this run
    rows: tuple[Tensor, ...] = ()
    values: Mapping[str, Tensor] = field(default_factory=dict)  # of the observer as the run began

    def fed(self, carry: Carry | None, z: Tensor) -> tuple[Carry, Tensor]:
        """What the observer makes of the next stretch.

        It may be computed again long after the run, when `torch.func.functional_call` has put other values back.
        """
        return functional_call(_Feed(self.observer), dict(self.values), (carry, z, self.dt))

    def quantity(self, seen: Quantity) -> Quantity:
        """What its rows are, of a series that is `seen`."""
        return self.observer.quantity(seen, self.dt)

    def found(self) -> Tensor:
        """All rows, or what is known at the end."""
        assert self.carry is not None  # a run has a row at least
        whole = self.observer.finish(self.carry)
        return torch.cat(self.rows) if whole is None else whole

    def times(self, plan: Plan) -> Tensor | None:
        """When each row ends, (R,) in ms, float64; None where rows are not in time."""
        spacing = self.observer.spacing(self.dt)
        if spacing is None:
            return None
        each = round(spacing / self.dt)  # samples
        first = plan.first_step + plan.transient + 1 + (each - 1 - self.before % each) * plan.every
        rows = torch.arange(sum(map(len, self.rows)), dtype=torch.float64, device=plan.x0[0].device)
        return (first + rows * each * plan.every) * plan.dt

    @property
    def kind(self) -> str:
        """What the observer is, by its class, and by those of its members."""
        members = self.observer if isinstance(self.observer, Chain) else [self.observer]
        return " then ".join(type(one).__name__ for one in members)

    def memory(self, plan: Plan) -> Memory:
        """What it remembers of the run, for another to go on from."""
        assert self.carry is not None
        return Memory(self.kind, self.dt, self.before + len(plan.rows), self.carry)


class _Feed(nn.Module):
    """An observer as a function of a stretch."""

    def __init__(self, observer: Observer) -> None:
        super().__init__()
        self.observer = observer

    def forward(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        return self.observer.feed(carry, z, dt=dt)


def watching(plan: Plan, observe: Any, before: Mapping[str, Memory]) -> tuple[Plan, dict[str, Watch]]:
    """The plan that records what observers see, and the observers by name; those of `before` go on."""
    dt, found, sights = plan.dt * plan.every, {}, {}
    for name, observer in _named(observe).items():
        if not isinstance(observer, Observer):
            raise TypeError(f"observe takes observers, such as tm.BOLDSignal(), got {type(observer).__name__}.")
        if name == "ts" or name in plan.monitors:
            raise ValueError(f"{name!r} is taken in the result: call the observer something else, {{'bold': …}}.")
        if not callable(observer.seen) and observer.seen not in (*plan.names, OUTPUT):
            refuse("the model", "state to observe", observer.seen, [*plan.names, OUTPUT])
        series = f"what {name} sees" if callable(observer.seen) else f"observed {observer.seen}"
        sights[series] = observer.seen
        values = {f"observer.{place}": value for place, value in _values(observer)}
        found[name] = _continued(name, Watch(observer, series, dt, values=values), before.get(name))
    return replace(plan, monitors={**plan.monitors, **resolve(sights, plan.names, plan.dynamics)}), found


def _values(observer: Observer) -> Iterable[tuple[str, Tensor]]:
    return chain(observer.named_parameters(), observer.named_buffers())


def _named(observe: Any) -> Mapping[str, Any]:
    """By the names given, or by those that observers have."""
    if isinstance(observe, Mapping):
        return observe
    observers: Iterable[Any] = [observe] if isinstance(observe, Observer) else observe
    named: dict[str, Any] = {}
    for observer in observers:
        title = getattr(observer, "title", type(observer).__name__)
        if title in named:
            raise ValueError(f"two observers are called {title!r}: name them, observe={{'first': …, 'second': …}}.")
        named[title] = observer
    return named


def _continued(name: str, watch: Watch, before: Memory | None) -> Watch:
    if before is None:
        return watch
    if (before.kind, before.dt) != (watch.kind, watch.dt):
        raise ValueError(
            f"{name!r} was {before.kind} every {before.dt:g} ms in the run that this one continues, "
            f"and is {watch.kind} every {watch.dt:g} ms: give it another name to begin anew."
        )
    return replace(watch, carry=before.carry, before=before.samples)
