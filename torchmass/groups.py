"""Groups: the nodes of a network with several models."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from inspect import ismethod
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from torchmass.columns import Columns, chosen
from torchmass.declare import Input, State, renamed
from torchmass.drives import Drive
from torchmass.dynamics import Dynamics
from torchmass.links import HISTORY, Link
from torchmass.mixture import Mixture, mixture, sending
from torchmass.model import NeuralMass
from torchmass.naming import lookup
from torchmass.partition import Part, partition
from torchmass.start import DrawnStart
from torchmass.system import System

PROCESS = "noise_"  # begins the name of a process in a state
MOST_SHOWN = 10  # indices of a group


class Group(NamedTuple):
    """Nodes of one model."""

    name: str
    model: NeuralMass
    own: Columns
    noise: Columns  # the same, with 0 for the nodes of other groups

    @property
    def processes(self) -> list[str]:
        """The noise with a memory, as the model calls it."""
        return list(self.model.states)[len(self.model.state_declarations) :]

    def called(self, name: str) -> str:
        """What the network calls a state or an input of the model."""
        return f"{self.name}_{name}"

    def called_process(self, name: str) -> str:
        """What the network calls one of the processes."""
        return f"{PROCESS}{self.called(name.removeprefix(PROCESS))}"


class Groups(System):
    """N nodes in groups, each of a model of its own.

    `parts` is a dict of a model and the indices of its nodes by the name of the group, or a list of these, whose names
    are those of the models (`hopf`, or `hopf_1` and `hopf_2`). What a group has is `<group>_<name>`, of its nodes in
    the order of its indices; its noise with a memory is the state `noise_<group>_<what it drives>`.

    Raises `TypeError` for what is no model with indices, and `ValueError` unless every index from 0 to N − 1 occurs
    once, and for mixed dtypes or devices.
    """

    group: Tensor  # (N,), the number of each node's group
    places: Tensor  # (N,), which of the nodes of its group each is
    order: Tensor  # (N,), the nodes of the first group, then of the second, and so on

    def __init__(self, parts: Mapping[str, Part] | Sequence[Part]) -> None:
        super().__init__()
        groups = partition(parts)
        self.models = nn.ModuleDict({name: model for name, (model, _) in groups.items()})
        order = torch.cat([nodes for _, nodes in groups.values()])
        self.in_size = len(order)
        units = {model.output_unit for model, _ in groups.values()}
        self.output_unit = units.pop() if len(units) == 1 else None
        group, places = torch.empty(self.in_size), torch.empty_like(order)
        for k, (_, nodes) in enumerate(groups.values()):
            group[nodes], places[nodes] = float(k), torch.arange(len(nodes))
        self.register_buffer("group", group.to(self.like), persistent=False)
        self.register_buffer("places", places.to(self.like.device), persistent=False)
        self.register_buffer("order", order.to(self.like.device), persistent=False)

    @property
    def by_name(self) -> Mapping[str, NeuralMass]:
        """The model of each group."""
        return {name: model for name, model in self.models.items() if isinstance(model, NeuralMass)}

    @property
    def members(self) -> list[Group]:
        """The groups."""
        found: list[Group] = []
        nodes = self.order.split([model.in_size for model in self.by_name.values()])
        for k, ((name, model), own) in enumerate(zip(self.by_name.items(), nodes, strict=True)):
            places = torch.where(self.group == k, self.places, 0)
            columns = Columns(own, places, group=name)
            found.append(Group(name, model, columns, replace(columns, idle=0.0)))
        return found

    @property
    def nodes(self) -> Mapping[str, Tensor]:
        """The indices of the nodes of each group."""
        return {group.name: group.own.nodes for group in self.members}

    @property
    def columns(self) -> Mapping[str, Columns]:
        """The nodes of each state, input, process and history of a state."""
        found: dict[str, Columns] = {}
        for group in self.members:
            names = [group.called(name) for name in (*group.model.state_declarations, *group.model.inputs)]
            found |= dict.fromkeys([*names, *(HISTORY + name for name in names)], group.own)
            found |= dict.fromkeys(map(group.called_process, group.processes), group.noise)
        return found

    @property
    def states(self) -> Mapping[str, State]:
        """The states of each group, then the processes of each."""
        groups = self.members
        own = {g.called(name): state for g in groups for name, state in g.model.state_declarations.items()}
        own |= {g.called_process(name): g.model.states[name] for g in groups for name in g.processes}
        return {name: renamed(state, name) for name, state in own.items()}

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The inputs of each group."""
        own = {group.called(name): port for group in self.members for name, port in group.model.inputs.items()}
        return {name: renamed(port, name) for name, port in own.items()}

    @property
    def ports(self) -> tuple[str, ...]:
        """The port of each group; none where one has none."""
        groups = self.members
        found = tuple(group.called(group.model.port) for group in groups if group.model.port is not None)
        return found if len(found) == len(groups) else ()

    @property
    def like(self) -> Tensor:
        """A tensor with the dtype and device of the nodes."""
        return next(iter(self.by_name.values())).like

    def starts(self) -> dict[str, Tensor | Distribution]:
        """The start of every state, as its model has it."""
        states: dict[str, Tensor | Distribution] = {}
        processes: dict[str, Tensor | Distribution] = {}
        for group in self.members:
            for number, (name, start) in enumerate(group.model.starts().items()):
                process = name not in group.model.state_declarations
                columns = group.noise if process else group.own
                spread = columns.spread(start) if isinstance(start, Tensor) else DrawnStart(start, columns, number)
                (processes if process else states)[group.called_process(name) if process else group.called(name)] = (
                    spread
                )
        return states | processes

    def dynamics(self) -> Dynamics:
        """The equations of all groups, of which each node follows its own."""
        drives: list[Drive] = []
        groups = self.members
        mixed, parts = self._mixture(), [g.model.dynamics() for g in groups]
        memory = mixed.first_state[-1]  # where processes begin
        for k, (group, part) in enumerate(zip(groups, parts, strict=True)):
            drives += (mixed.drive(k, drive, memory, group.own, group.noise) for drive in part.drives)
            memory += len(group.processes)
        values = (group.own.spread(value) for group, part in zip(groups, parts, strict=True) for value in part.p)
        return Dynamics(
            derivative=self.derivative if self._learned else mixed.derivative,
            output=mixed.output,
            States=mixed.States,
            Inputs=mixed.Inputs,
            p=mixed.Params(self.group, *values),
            bounds=tuple(bounds for part in parts for bounds in part.bounds),
            drives=tuple(drives),
        )

    @property
    def _learned(self) -> bool:
        """Whether the derivative of a group is a method, which calls modules of its model."""
        return any(map(ismethod, (model.derivative for model in self.by_name.values())))

    def _mixture(self) -> Mixture:
        groups = tuple((name, type(model)) for name, model in self.by_name.items())
        derivatives = tuple(model.derivative for model in self.by_name.values())
        return Mixture(groups, derivatives) if self._learned else mixture(groups)

    def derivative(self, s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        """The derivatives of all states where that of a group is a method: one itself, of which no kernel is made."""
        return self._mixture().derivative(s, u, p)

    def limited(self, link: Link) -> Link:
        """The link, which nodes of a group without a source send nothing through."""
        if None not in link.source:
            return link
        if link.pair is not None:
            raise ValueError("a coupling that defines pair reads every group: give each a source, or define send.")
        one = torch.ones_like(self.group)
        return sending(link, chosen(self.group, [None if source is None else one for source in link.source]))

    @property
    def noise(self) -> Mapping[str, nn.Module]:
        """The processes of all groups, by what they drive."""
        return {g.called(name): process for g in self.members for name, process in g.model.noise.items()}

    def attach(self, noise: Mapping[str, Any]) -> Self:
        """Drive states and inputs, named `<group>_<name>`, with a process each; returns self."""
        known = {
            group.called(name): (group.model, name)
            for group in self.members
            for name in (*group.model.state_declarations, *group.model.inputs)
        }
        for name, process in noise.items():
            model, driven = lookup("the network", "state or input for noise", name, known)
            model.attach({driven: process})
        return self

    def __repr__(self) -> str:
        lines = (f"  {group.name} at {_brief(group.own.nodes.tolist())}: {group.model!r}\n" for group in self.members)
        return f"Groups(\n{''.join(lines)})"


def _brief(nodes: Sequence[int]) -> str:
    """The indices of a group, the first of them where there are many."""
    if len(nodes) > 2 and list(nodes) == list(range(nodes[0], nodes[-1] + 1)):
        return f"{nodes[0]} to {nodes[-1]}"
    return ", ".join(map(str, nodes if len(nodes) <= MOST_SHOWN else [*nodes[:MOST_SHOWN], "…"]))
