"""Where a system is at rest: a point in the space of its states, with all that its equations need there."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from torchmass.dynamics import Dynamics, batch_shape
from torchmass.history import apart
from torchmass.linear.linear_network import LinearNetwork, linear_network, stack_like, undelayed
from torchmass.system import System
from torchmass.values import as_value, report


@dataclass(frozen=True)
class Point:
    """A system in the state `x`, one (*b, N) for each state of the model, under constant inputs `u`."""

    dynamics: Dynamics
    x: tuple[Tensor, ...]
    u: list[Tensor]
    idle: Tensor  # (N, S): the states, then the processes, that a node does not have

    @cached_property
    def linear(self) -> LinearNetwork:
        """The equations to first order."""
        return linear_network(self.dynamics, self.x, self.u, self.idle)

    @property
    def vector(self) -> Tensor:
        """All states as one vector, (*b, S·N)."""
        return torch.stack(self.x, -2).flatten(-2)

    def at(self, vector: Tensor) -> "Point":
        """The same system in another state, (*b, S·N)."""
        return replace(self, x=vector.unflatten(-1, (len(self.x), -1)).unbind(-2))

    @property
    def quiet(self) -> "Point":
        """The same without noise and delays, which leave points of rest where they are."""
        return replace(self, dynamics=undelayed(self.dynamics), idle=self.idle[:, : len(self.x)])

    @property
    def slopes(self) -> Tensor:
        """How all states move, per ms, (*b, S·N)."""
        slopes = stack_like(self.x[0], self.quiet.dynamics.slopes(self.x, self.u))
        return slopes.movedim(0, -2).flatten(-2)


def point(system: System, state: Mapping[str, Any], inputs: Mapping[str, Any] | None) -> Point:
    """A system in a state, or where it gives none, at the start: where that is drawn, at its declared default."""
    dynamics, names = system.dynamics(), list(system.states)
    for name, value in dynamics.parameters():
        if bool((wrong := value.detach().isnan()).any()):
            raise ValueError(f"{system.label}: {name} is {report(value.detach(), wrong)}; nothing rests where it is.")
    own = names[: len(dynamics.bounds)]
    declared = {name: system.states[name].start for name in own}
    starts = {name: value for name, value in system.starts().items() if isinstance(value, Tensor)}
    drawn = {name: as_value(name, declared[name], system.like) for name in own if name not in starts}
    given = system.spread(system.checked_state(apart(state)[0]))
    values = {**drawn, **starts, **given}
    u = system.checked_inputs(inputs or {})
    x = [values[name] for name in own]
    shape = (*batch_shape(dynamics, *x, *u), system.in_size)
    absent = torch.ones(system.in_size, len(names), dtype=torch.bool, device=system.like.device)
    for s, name in enumerate(names):
        absent[system.columns[name].nodes if name in system.columns else slice(None), s] = False
    return Point(dynamics, tuple(value.expand(shape) for value in x), u, absent)
