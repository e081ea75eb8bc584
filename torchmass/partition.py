"""Partition: which node belongs to which group, as users say it, checked."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from torchmass.integrators import MAP
from torchmass.model import NeuralMass
from torchmass.naming import check_called

Part = tuple[NeuralMass, Any]  # a model and the indices of its nodes


def partition(parts: Mapping[str, Part] | Sequence[Part]) -> dict[str, tuple[NeuralMass, Tensor]]:
    """The model of each group and the indices of its nodes, by name.

    Raises `TypeError` for what is no model with indices, and `ValueError` unless each of N nodes has one group.
    """
    if not isinstance(parts, (Mapping, Sequence)) or isinstance(parts, str):
        kind = type(parts).__name__
        raise TypeError(f"Network needs a model such as HopfStep(in_size=80), or models with indices, got {kind}.")
    named = parts if isinstance(parts, Mapping) else dict(zip(_names(parts), parts, strict=True))
    groups = {name: _checked(name, part) for name, part in named.items()}
    if not groups:
        raise ValueError("a network needs at least one group of nodes.")
    _check_indices(torch.cat([nodes for _, nodes in groups.values()]).tolist())
    _check_models({name: model for name, (model, _) in groups.items()})
    return groups


def _names(parts: Sequence[Part]) -> list[str]:
    """The names of the models in lower case, numbered where there are several of one."""
    plain = [_snake(type(part[0]).__name__) if isinstance(part, tuple) and part else "group" for part in parts]
    return [f"{name}_{plain[: k + 1].count(name)}" if plain.count(name) > 1 else name for k, name in enumerate(plain)]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.removesuffix("Step")).lower()


def _checked(name: str, part: Any) -> tuple[NeuralMass, Tensor]:
    check_called("group", name)
    if not (isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], NeuralMass)):
        raise TypeError(f"the group {name} must be a model and its indices, as (HopfStep(in_size=2), [0, 3]).")
    model, given = part
    nodes = torch.as_tensor(given if isinstance(given, Tensor) else list(given), device="cpu")
    if nodes.dtype not in (torch.int64, torch.int32) or nodes.shape != (model.in_size,):
        raise ValueError(
            f"the indices of the group {name} must be {model.in_size} whole numbers, one for each node of its "
            f"{model.label}, got {given!r}."
        )
    return model, nodes.long()


def _check_indices(indices: Sequence[int]) -> None:
    counts, size = Counter(indices), len(indices)
    wrong = {
        "missing": [i for i in range(size) if i not in counts],
        "twice": sorted(i for i, count in counts.items() if count > 1),
        "out of range": sorted(i for i in counts if not 0 <= i < size),
    }
    if any(wrong.values()):
        found = "; ".join(f"{', '.join(map(str, places))} {what}" for what, places in wrong.items() if places)
        raise ValueError(f"the indices of the groups must be 0 to {size - 1}, each in one group: {found}.")


def _check_models(models: Mapping[str, NeuralMass]) -> None:
    kinds = {name: (model.like.dtype, str(model.like.device)) for name, model in models.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{name} is {dtype} on {device}" for name, (dtype, device) in kinds.items())
        raise ValueError(f"the groups must have one dtype and device: {found}; convert them with .to(...).")
    if maps := [name for name, model in models.items() if MAP in model.methods]:
        raise ValueError(f"{', '.join(maps)} steps by itself, as a map: it cannot be one of several groups of nodes.")
    names = Counter(f"{group}_{name}" for group, model in models.items() for name in (*model.states, *model.inputs))
    if twice := [name for name, count in names.items() if count > 1]:
        raise ValueError(f"two groups would both have {', '.join(twice)}: give one of them another name.")
