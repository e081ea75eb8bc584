"""The catalogue of models, derived from their classes."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from torch import nn

from torchmass import models
from torchmass.horn import HORNSeqLayer, HORNSeqNetwork
from torchmass.jansen_rit_network import JansenRitTR
from torchmass.kuramoto import KuramotoNetwork
from torchmass.model import NeuralMass
from torchmass.wilson_cowan_delayed import WilsonCowanDelayedStep


@dataclass(frozen=True)
class ModelInfo:
    """A model of the catalogue; `more` says that it is a variant."""

    name: str
    category: str
    n_state_vars: int
    use_case: str
    cls: type[nn.Module]
    more: bool


class Catalogue:
    """`list_models()` gives the records; `list_models.to_table()` gives them as text."""

    def __init__(self, classes: Iterable[Any]) -> None:
        self._classes = tuple(sorted(classes, key=lambda cls: cls.more))  # variants last

    def __call__(self, category: str | None = None) -> list[ModelInfo]:
        """The records of all models, or of one category, in the order of the catalogue."""
        infos = [
            ModelInfo(cls.__name__, cls.category, len(cls.state_declarations), cls.use_case, cls, cls.more)
            for cls in self._classes
        ]
        categories = sorted({info.category for info in infos})
        if category is not None and category not in categories:
            raise ValueError(f"category must be one of {', '.join(categories)}; got {category!r}.")
        return [info for info in infos if category in (None, info.category)]

    def to_table(self) -> str:
        """Name, category, number of states and use case of every model, one line each; variants, last, say "more"."""
        rows = [("name", "category", "#states", "use_case", "")]
        rows += [(i.name, i.category, str(i.n_state_vars), i.use_case, "more" if i.more else "") for i in self()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
        )


list_models = Catalogue(
    [value for value in vars(models).values() if isinstance(value, type) and issubclass(value, NeuralMass)]
    + [HORNSeqLayer, HORNSeqNetwork, KuramotoNetwork, JansenRitTR, WilsonCowanDelayedStep]
)
