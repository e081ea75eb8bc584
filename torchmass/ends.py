"""Ends of a coupling: which states it reads and which inputs it enters, from what users call them."""

from collections.abc import Mapping

from torchmass.links import OUTPUT
from torchmass.model import NeuralMass
from torchmass.naming import lookup, refuse

Models = Mapping[str, NeuralMass]  # of each group of nodes
End = str | Mapping[str, str] | None  # a name that every group has, or one for each group that takes part


def sources(models: Models, given: End) -> tuple[int | None, ...]:
    """The place of the state, or `OUTPUT`, that each group sends, by default its first state; None for one left out."""
    found: list[int | None] = []
    taking_part, first = _by_group(models, given), 0
    for group, model in models.items():
        found.append(_source(model, taking_part[group], first) if group in taking_part else None)
        first += len(model.state_declarations)
    return tuple(found)


def targets(models: Models, given: End) -> tuple[int, ...]:
    """The places of the inputs, by default the ports, of the groups that receive."""
    found: list[int] = []
    taking_part, first = _by_group(models, given), 0
    for group, model in models.items():
        if group in taking_part:
            found.append(first + _target(model, taking_part[group]))
        first += len(model.inputs)
    return tuple(found)


def _by_group(models: Models, given: End) -> Mapping[str, str | None]:
    if not isinstance(given, Mapping):
        return dict.fromkeys(models, given)
    for group in given:
        lookup("the network", "group", group, models)
    return given


def _source(model: NeuralMass, name: str | None, first: int) -> int:
    if name is None:
        return first
    if name == "output" and name not in model.state_declarations:
        return OUTPUT
    lookup(model.label, "state", name, model.state_declarations)
    return first + list(model.state_declarations).index(name)


def _target(model: NeuralMass, name: str | None) -> int:
    name = name or model.port
    if name is None:
        refuse(model.label, "input for a network", name, model.inputs)
    lookup(model.label, "input", name, model.inputs)
    return list(model.inputs).index(name)
