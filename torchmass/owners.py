"""Owners: which part of a network has a value, from what users call it."""

from collections.abc import Mapping

from torchmass.coupling import Coupling
from torchmass.model import NeuralMass
from torchmass.naming import refuse

Owner = Coupling | NeuralMass


def owner(name: str, couplings: Mapping[str, Coupling], models: Mapping[str, NeuralMass]) -> tuple[Owner, str]:
    """What has a value called `name`, or `<coupling>.<name>` or `<group>.<name>`, and its name there.

    The only coupling and the only model are called "". Raises `UnknownNameError` where none has it, `ValueError` where
    several have.
    """
    part, _, own = name.rpartition(".")
    parts: list[tuple[str, str, Owner]] = [
        *(("the coupling", held, coupling) for held, coupling in couplings.items()),
        *(("the group" if held else "the node", held, model) for held, model in models.items()),
    ]
    found = [one for one in parts if part in ("", one[1]) and own in one[2].declarations]
    if not found:
        known = [f"{held}.{value}".lstrip(".") for _, held, one in parts for value in one.declarations]
        refuse("Network", "parameter", name, known)
    if len(found) > 1:
        kinds, last = " and ".join(f"{kind} {held}".strip() for kind, held, _ in found), found[-1][1]
        raise ValueError(
            f"{own!r} is a parameter of both {kinds}: name it on net.coupling or net.node, or "
            f"'{last or '<coupling>'}.{own}'."
        )
    return found[0][2], own
