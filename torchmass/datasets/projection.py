"""Projection: what each sensor records of each region, from files of The Virtual Brain and from MNE."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from torchmass.datasets.files import numbered
from torchmass.packages import require

FIXED = 1  # FIFFV_MNE_FIXED_ORI: one column for each source, along its normal
SI = {"eeg": 1e-3, "mag": 1e6}  # V/(A m) in µV/(nA m), and T/(A m) in fT/(nA m)


@dataclass(frozen=True, eq=False)
class Projection:
    """`gain`, (M, N): how much of the activity of each region in `labels`, N, each sensor in `sensors`, M, records.

    What the sensors record of a run x, (T, N), is `x @ gain.T`, (T, M); `EEGLeadField` and `MEGLeadField` take one.
    Raises `ValueError` unless there is a name for each sensor and each region.
    """

    gain: Tensor
    sensors: tuple[str, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        named = (len(self.sensors), len(self.labels))
        if self.gain.shape != named:
            raise ValueError(f"gain must be {named}, sensors by regions, got shape {tuple(self.gain.shape)}.")

    @classmethod
    def from_tvb(
        cls,
        gain: str | Path,
        region_mapping: str | Path,
        *,
        labels: Sequence[str] | None = None,
        sensors: Sequence[str] | None = None,
    ) -> Self:
        """From the projection file and the region mapping of a cortex of The Virtual Brain, in the unit of the file.

        `gain` is (sensors, vertices), in an `.npy` or, as `ProjectionMatrix`, in a `.mat`; `region_mapping` is a text
        with the region of each vertex, counted from 0, and what follows the vertices in it is left out. The gain of a
        region is the mean over its vertices, where The Virtual Brain takes the sum, and 0 where it has none. Channels
        that record nothing, whose row holds no number, are left out.

        Raises `ValueError` for another kind of file and for names and vertices that do not fit, `ImportError` without
        numpy, or scipy for a `.mat`.
        """
        if Path(gain).suffix not in READERS:
            raise ValueError(f"{gain} must be one of {', '.join(READERS)}.")
        rows = torch.as_tensor(READERS[Path(gain).suffix](gain), dtype=torch.float64)  # (M, V)
        region_of = torch.tensor([int(word) for word in Path(region_mapping).read_text().split()])[: rows.shape[1]]
        regions = int(region_of.max()) + 1 if labels is None else len(labels)
        if len(region_of) != rows.shape[1] or not 0 <= int(region_of.min()) <= int(region_of.max()) < regions:
            raise ValueError(
                f"{region_mapping} must hold a region from 0 to {regions - 1} for each of {rows.shape[1]} vertices."
            )
        names = tuple(f"sensor_{i}" for i in range(len(rows))) if sensors is None else tuple(sensors)
        if len(names) != len(rows):
            raise ValueError(f"{gain} has {len(rows)} sensors, got {len(names)} names.")
        kept = ~rows.isnan().all(1)
        if not bool(rows[kept].isfinite().all()):
            raise ValueError(f"{gain} must hold finite numbers for every sensor that has any.")
        means = region_means(rows[kept], region_of, regions).to(torch.get_default_dtype())
        left = tuple(name for name, keep in zip(names, kept.tolist(), strict=True) if keep)
        return cls(means, left, numbered(regions) if labels is None else tuple(labels))

    @classmethod
    def from_mne(cls, forward: Mapping[str, Any], kind: str, labels: Sequence[Any] | None = None) -> Self:
        """From an `mne.Forward` with fixed orientations: `kind` "eeg", in µV/(nA m), or "mag", in fT/(nA m).

        The regions are the `mne.Label`s in `labels`: the gain of one is the mean over the sources in it, so that its
        dipole moment is spread over them evenly, along their normals. Without `labels` each source is a region.

        Raises `ValueError` for free orientations, for a kind of which the Forward has no channel, and for a label
        without a source; `ImportError` without MNE.
        """
        if kind not in SI:
            raise ValueError(f"kind must be one of {', '.join(map(repr, SI))}, got {kind!r}.")
        if forward["source_ori"] != FIXED:
            raise ValueError("the orientations must be fixed: mne.convert_forward_solution(…, force_fixed=True).")
        picked = require("mne", "from_mne", "mne").pick_types
        chosen = picked(forward["info"], meg=False if kind == "eeg" else kind, eeg=kind == "eeg", exclude=[])
        if not len(chosen):
            raise ValueError(f"the Forward has no channel of kind {kind!r}.")
        gain = SI[kind] * torch.tensor(forward["sol"]["data"][chosen], dtype=torch.float64)  # (M, V)
        sensors = tuple(forward["sol"]["row_names"][i] for i in chosen)
        if labels is None:
            names = tuple(f"source_{i}" for i in range(gain.shape[1]))
        else:
            names = tuple(label.name for label in labels)
            gain = torch.stack([gain[:, _sources(forward["src"], label)].mean(1) for label in labels], 1)
        return cls(gain.to(torch.get_default_dtype()), sensors, names)


def region_means(gain: Tensor, region_of: Tensor, regions: int) -> Tensor:
    """The mean of `gain`, (M, V), over the vertices of each region, (M, regions); 0 for a region that has none.

    `region_of`, (V,), holds the region of each vertex, counted from 0.
    """
    sums = gain.new_zeros(len(gain), regions).index_add(1, region_of, gain)
    return sums / region_of.bincount(minlength=regions).clamp(min=1)


def _npy(path: str | Path) -> Any:
    return require("numpy", "an .npy file", "data").load(path, allow_pickle=False)


def _mat(path: str | Path) -> Any:
    held = require("scipy.io", "a .mat file", "data").loadmat(path)
    if "ProjectionMatrix" not in held:
        raise ValueError(f"{path} must hold ProjectionMatrix, (sensors, vertices).")
    return held["ProjectionMatrix"]


READERS: Mapping[str, Callable[[str | Path], Any]] = {".npy": _npy, ".mat": _mat}


def _sources(hemispheres: Sequence[Mapping[str, Any]], label: Any) -> list[int]:
    """Which of the sources, those of the left hemisphere before those of the right, a label holds."""
    side, inside = {"lh": 0, "rh": 1}[label.hemi], set(label.vertices.tolist())
    before = len(hemispheres[0]["vertno"]) if side else 0
    found = [before + i for i, vertex in enumerate(hemispheres[side]["vertno"].tolist()) if vertex in inside]
    if not found:
        raise ValueError(f"no source lies in the label {label.name!r}; leave it out, or take a finer source space.")
    return found
