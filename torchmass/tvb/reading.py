"""Numbers of The Virtual Brain's objects, which hold arrays of one number or of one a region."""

from typing import Any

import torch
from torch import Tensor


def exact(value: Any) -> Tensor:
    """Whatever holds numbers, as a tensor in the precision of The Virtual Brain; a copy, which changes its own."""
    return torch.as_tensor(value, dtype=torch.float64).clone()


def given(value: Any) -> Tensor:
    """The same in torch's default dtype, as models take it."""
    return exact(value).to(torch.get_default_dtype())


class Reader:
    """An object of The Virtual Brain whose attributes are tensors: numbers, or (N,) where each region has its own."""

    def __init__(self, of: Any, nodes: int) -> None:
        self._of, self._nodes = of, nodes

    def __getattr__(self, name: str) -> Tensor:
        value = self.vector(name)
        if len(value) not in (1, self._nodes):
            raise ValueError(
                f"{type(self._of).__name__}.{name} must hold one number or one for each of the {self._nodes} regions, "
                f"got {len(value)}; give it one of these shapes and configure the simulator again."
            )
        return value.reshape(()) if len(value) == 1 else value

    def vector(self, name: str) -> Tensor:
        """All numbers of an attribute, in a row."""
        try:
            return exact(getattr(self._of, name)).flatten()
        except AttributeError as error:
            raise TypeError(
                f"this {type(self._of).__name__} has no {name!r}, as it has in The Virtual Brain 2.10; a class of "
                "another version or of your own must be written as a model of torchmass."
            ) from error
