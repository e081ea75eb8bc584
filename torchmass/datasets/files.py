"""The files that hold a connectome, read as its parts: weights, distances, labels and centres."""

import bz2
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from torchmass.datasets.tables import parse, read_matrix, read_table, to_numbers
from torchmass.packages import require


def straight(centres: Tensor) -> Tensor:
    """The lengths of the straight lines between points, (N, 3) to (N, N)."""
    return (centres[:, None] - centres).norm(dim=-1)


def numbered(count: int) -> tuple[str, ...]:
    """Names for regions that have none."""
    return tuple(f"region_{index}" for index in range(count))


def read_csv(
    weights: str | Path, distances: str | Path | None, labels: Sequence[str] | None, centres: str | Path | None
) -> dict[str, Any]:
    """The parts of a connectome from one text file each; see `Connectome.from_csv`."""
    strengths, name_in_weights = read_matrix(weights)
    lengths, name_in_distances = (None, None) if distances is None else read_matrix(distances)
    points, name_in_centres = (None, None) if centres is None else read_table(centres)[:2]
    if lengths is None and points is None:
        raise ValueError(
            "distances must come from a file, or from centres, as straight lines; for regions that are not apart, "
            "write Connectome(weights, torch.zeros_like(weights), labels)."
        )
    names = [tuple(some) for some in (labels, name_in_weights, name_in_distances, name_in_centres) if some]
    other = next((some for some in names if some != names[0]), None)
    if other is not None:
        raise ValueError(f"labels and files must name the same regions in one order; {names[0]} is not {other}.")
    return {
        "weights": strengths,
        "distances": straight(points) if lengths is None and points is not None else lengths,
        "labels": names[0] if names else numbered(len(strengths)),
        "centres": points,
    }


def read_tvb_zip(path: str | Path) -> dict[str, Any]:
    """The parts of a connectome from a zip of The Virtual Brain; see `Connectome.from_tvb_zip`."""
    try:
        with zipfile.ZipFile(path) as archive:
            texts = {what: _member(archive, what) for what in ("weights", "tract_lengths", "centres", "centers")}
    except zipfile.BadZipFile as error:
        raise ValueError(f"{path} is not a zip file; give one with weights.txt and centres.txt in it.") from error
    weights, lengths, places = texts["weights"], texts["tract_lengths"], texts["centres"] or texts["centers"]
    if weights is None or places is None:
        raise ValueError(f"{path} must hold weights.txt and centres.txt, which names the regions; one is missing.")
    rows = [line.split() for line in places.splitlines() if line.strip()]  # a label, x, y, z, and in some files more
    centres = to_numbers(f"{path}: centres.txt", [row[1:4] for row in rows])
    return {
        "weights": parse(f"{path}: weights.txt", weights).numbers,
        "distances": straight(centres) if lengths is None else parse(f"{path}: tract_lengths.txt", lengths).numbers,
        "labels": tuple(row[0] for row in rows),
        "centres": centres,
    }


def _member(archive: zipfile.ZipFile, what: str) -> str | None:
    """The text of `what`.txt in whichever folder of the archive, which may be compressed once more."""
    for entry in archive.namelist():
        if PurePosixPath(entry).name in (f"{what}.txt", f"{what}.txt.bz2"):
            packed = archive.read(entry)
            return (bz2.decompress(packed) if entry.endswith(".bz2") else packed).decode()
    return None


def write_npz(path: str | Path, labels: tuple[str, ...], tensors: dict[str, Tensor]) -> None:
    """Write the parts of a connectome to just that path."""
    numpy = require("numpy", "save", "data")
    arrays = {name: values.detach().cpu().numpy() for name, values in tensors.items()}
    with Path(path).open("wb") as file:  # numpy appends .npz to a name, but not to an open file
        numpy.savez_compressed(file, labels=numpy.array(labels, dtype=numpy.str_), **arrays)


def read_npz(path: str | Path) -> dict[str, Any]:
    """The parts of a connectome as `write_npz` wrote them; whole numbers become floats, nothing is unpickled."""
    numpy = require("numpy", "from_npz", "data")
    with Path(path).open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError(f"{path} is not an npz file; give one that Connectome.save wrote.")
        arrays = dict(numpy.load(file, allow_pickle=False))
    missing = [name for name in ("weights", "distances", "labels") if name not in arrays]
    if missing:
        raise ValueError(f"{path} has no {' nor '.join(missing)}, it has {', '.join(arrays)}; write it with save.")
    tensors = {name: torch.as_tensor(arrays[name]) for name in ("weights", "distances", "centres") if name in arrays}
    floats = {name: t if t.is_floating_point() else t.to(torch.get_default_dtype()) for name, t in tensors.items()}
    return {"labels": tuple(map(str, arrays["labels"])), **floats}
