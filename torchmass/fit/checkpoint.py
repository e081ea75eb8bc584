"""Checkpoints: a file from which a fit that was killed goes on, to the same result."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Checkpoint:
    """A file of a fit's progress, of one problem.

    It is written beside its place and moved there at once, so that a kill leaves the old or the new one, and it holds
    tensors, numbers and texts only. `problem` says what is fitted and how; a file of another one raises `ValueError`.
    """

    def __init__(self, path: str | os.PathLike[str] | None, every: int, problem: Mapping[str, Any]) -> None:
        self.path, self.every, self.problem = None if path is None else Path(path), every, dict(problem)

    def load(self) -> dict[str, Any] | None:
        """What was kept last; None where there is no file."""
        if self.path is None or not self.path.exists():
            return None
        kept = torch.load(self.path, weights_only=True)
        other = kept["problem"]
        if different := [name for name, value in self.problem.items() if other.get(name) != value]:
            found = "; ".join(f"{name} was {other.get(name)}, is {self.problem[name]}" for name in different)
            raise ValueError(f"{self.path} holds another fit: {found}. Delete it, or name another file.")
        return kept["progress"]

    def same(self, asked: str, now: str) -> None:
        """Raise a `ValueError` unless a search that is told its past once more asks what it asked then."""
        if asked != now:
            raise ValueError(
                f"{self.path} cannot be gone on from: the search asks for other candidates than it did, as another "
                "n_steps or version of its package may make it. Delete it, or name another file."
            )

    def save(self, progress: Mapping[str, Any]) -> None:
        """Keep `progress` in place of what was kept before."""
        if self.path is not None:
            beside = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
            torch.save({"problem": self.problem, "progress": dict(progress)}, beside)
            beside.replace(self.path)


def digest(*parts: Any) -> str:
    """A short text that differs where the modules, tensors, or mappings of these, differ in a bit."""
    found = hashlib.sha256()
    for part in parts:
        _add(found, part)
    return found.hexdigest()[:16]


def _add(found: Any, part: Any) -> None:
    if isinstance(part, nn.Module):
        part = part.state_dict()
    if isinstance(part, Mapping):
        for name, value in part.items():
            found.update(str(name).encode())
            _add(found, value)
    elif isinstance(part, Tensor):
        found.update(f"{part.dtype}{tuple(part.shape)}".encode())
        found.update(part.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    elif isinstance(part, str | int | float | None):
        found.update(repr(part).encode())
