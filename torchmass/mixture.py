"""Mixture: the equations of several models as those of one, of which each node follows its own."""

from collections import namedtuple
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from torchmass.columns import Columns, chosen
from torchmass.drives import Drive, OUDrive, WhiteDrive
from torchmass.links import Link
from torchmass.model import NeuralMass


@dataclass(frozen=True)
class Mixture:
    r"""Groups of nodes with a model each: every node has the states of all, and those of the others' do not move.

    A node computes the equations of every model, those of other groups at their defaults, and takes its own. Neither
    values nor gradients of the others reach it, not even a NaN. Its parameters begin with `group`, the number of each
    node's group. States, inputs and parameters are named `<group>_<name>`.
    """

    groups: tuple[tuple[str, type[NeuralMass]], ...]
    derivatives: tuple[Callable[[Any, Any, Any], tuple[Tensor, ...]], ...]  # of the models, methods of some

    def _named(self, names: Callable[[type[NeuralMass]], Sequence[str]]) -> list[str]:
        return [f"{group}_{name}" for group, cls in self.groups for name in names(cls)]

    @cached_property
    def States(self) -> Any:
        """The named tuple of the states."""
        return namedtuple("States", self._named(lambda cls: cls.States._fields))

    @cached_property
    def Inputs(self) -> Any:
        """The named tuple of the inputs."""
        return namedtuple("Inputs", self._named(lambda cls: cls.Inputs._fields))

    @cached_property
    def Params(self) -> Any:
        """The named tuple of the parameters."""
        return namedtuple("Params", ["group", *self._named(lambda cls: cls.Params._fields)])

    @cached_property
    def first_state(self) -> list[int]:
        """The place of the first state of each group, and the number of states."""
        return list(accumulate((len(cls.States._fields) for _, cls in self.groups), initial=0))

    @cached_property
    def first_input(self) -> list[int]:
        """The place of the first input of each group, and the number of inputs."""
        return list(accumulate((len(cls.Inputs._fields) for _, cls in self.groups), initial=0))

    def states_of(self, k: int, s: Sequence[Any]) -> Any:
        """The states of group `k`."""
        return self.groups[k][1].States(*s[self.first_state[k] : self.first_state[k + 1]])

    def _each(self, s: Any, p: Any) -> Iterator[tuple[Tensor, type[NeuralMass], Any, Any]]:
        """Which nodes each group has, its model, its states and its parameters; of other nodes, the defaults."""
        first = 1
        for k, (_, cls) in enumerate(self.groups):
            mine, last = p.group == k, first + len(cls.Params._fields)
            own = zip(cls.state_declarations.values(), self.states_of(k, s), strict=True)
            states = cls.States(*(torch.where(mine, value, state.start) for state, value in own))
            held = zip(cls.Params._fields, p[first:last], strict=True)
            values = (torch.where(mine, value, cls.declarations[name].default) for name, value in held)
            yield mine, cls, states, cls.Params(*values)
            first = last

    def derivative(self, s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        """The derivatives of all states, per ms: of other nodes', 0."""
        slopes: list[Tensor] = []
        for k, (mine, cls, states, values) in enumerate(self._each(s, p)):
            inputs = u[self.first_input[k] : self.first_input[k + 1]]
            own = cls.Inputs(*(torch.where(mine, value, 0.0) for value in inputs))
            slopes += (torch.where(mine, slope, 0.0) for slope in self.derivatives[k](states, own, values))
        return tuple(slopes)

    def output(self, s: Any, p: Any) -> Tensor:
        """The output of each node's own model."""
        return chosen(p.group, [cls.output(states, values) for _, cls, states, values in self._each(s, p)])

    def drive(self, k: int, drive: Drive, memory: int, own: Columns, noise: Columns) -> Drive:
        """The noise of group `k` as one of all nodes; `memory` is the place of the first process of the group."""
        cls = self.groups[k][1]
        beyond = drive.source - len(cls.States._fields)  # among the inputs
        source = (
            self.first_state[k] + drive.source if beyond < 0 else self.first_state[-1] + self.first_input[k] + beyond
        )
        moved = replace(drive, source=source, stream=drive.draws, sigma=noise.spread(drive.sigma))
        if isinstance(moved, OUDrive):
            place = memory + moved.place - len(cls.States._fields)
            return replace(moved, tau=own.spread(moved.tau), place=place)
        if isinstance(moved, WhiteDrive) and moved.g is not None:
            return replace(moved, g=OfGroup(self, k, moved.g))
        return moved


@cache
def mixture(groups: tuple[tuple[str, type[NeuralMass]], ...]) -> Mixture:
    """The one mixture of these groups: kernels are found by the functions of which they are made."""
    return Mixture(groups, tuple(cls.derivative for _, cls in groups))


@dataclass(frozen=True)
class OfGroup:
    """What noise is multiplied with, as a function of the states of one group."""

    mixture: Mixture
    group: int
    g: Callable[[Any], Any]

    def __call__(self, s: Any) -> Any:
        return self.g(self.mixture.states_of(self.group, s))


@dataclass(frozen=True)
class Sent:
    """What a coupling sends, where the parameter `sends` is 1; where it is 0, nothing."""

    send: Callable[[Any, Any], tuple[Any, ...]]

    def __call__(self, x: Any, p: Any) -> tuple[Any, ...]:
        return tuple(torch.where(p.sends > 0, one, 0.0) for one in self.send(x, p))


def sending(link: Link, sends: Tensor) -> Link:
    """The link, through which the nodes where `sends` is 0 send nothing."""
    return replace(link, send=Sent(link.send), p=_with_sends(type(link.p))(*link.p, sends))


@cache
def _with_sends(params: Any) -> Any:
    return namedtuple("Params", [*params._fields, "sends"])
