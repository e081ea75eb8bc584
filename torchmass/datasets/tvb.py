"""What the package tvb-data ships for The Virtual Brain: connectomes, and the gains of EEG and MEG."""

import bz2
from pathlib import Path

from torchmass.datasets.connectome import Connectome
from torchmass.datasets.projection import Projection
from torchmass.packages import shipped

REGIONS = (66, 68, 76, 96, 192)
MAPPED = (76, 192)  # where the package says to which region each vertex of its cortex belongs

EEG = {  # by the electrodes that have a number: the gain from vertices, and the names, each followed by x, y, z
    62: ("projection_eeg_62_surface_16k.mat", "eeg_unitvector_62.txt.bz2"),
    63: ("projection_eeg_65_surface_16k.npy", "eeg_brainstorm_65.txt"),
}
MEG = ("projection_meg_276_surface_16k.npy", "meg_brainstorm_276.txt")  # names, each followed by two points


def tvb_connectome(regions: int = 76) -> Connectome:
    """A connectome of The Virtual Brain, from the package tvb-data, with 66, 68, 76, 96 or 192 regions.

    Weights are in arbitrary units. Those of 66 and 68 are the same in both directions, as from diffusion imaging; those
    of 76, 96 and 192, from 0 to 3, are directed. Most regions have a weight to themselves: see `without_self`. Labels
    begin with r or l; in 96 they end with _R or _L. In 192, r and l stand on the opposite sides of those in 76, at the
    same centres, and 22 links between different regions are 0 mm long. In 76, rCC and
    lCC have no link to others; in 192, six regions of each side hear of no other, and CAUD and CC send to none.

    Raises `ValueError` for another number, `ImportError` without tvb-data, `FileNotFoundError` without the file in it.
    """
    _one_of("connectomes", regions, REGIONS)
    return Connectome.from_tvb_zip(shipped("tvb_data", "connectivity", f"connectivity_{regions}.zip"))


def tvb_eeg_projection(regions: int = 76, electrodes: int = 63) -> Projection:
    """The gain from the 76 or 192 regions of `tvb_connectome` to 62 or 63 electrodes, from the package tvb-data.

    The package holds the gain from 16384 vertices of a cortex, in no stated unit and against no stated reference:
    compare shapes, not amplitudes. This is its mean over the vertices of each region, where The Virtual Brain takes the
    sum. A region without vertices, as 116 of the 192, gets 0. The 63 are of 65 electrodes, of which IO1 and IO2 have no
    number in the file and are left out; they agree with the labels of 76 on left and right, those of 192 are the other
    way round. The 62 are of another head model, to which the 63 are not comparable; they agree with the labels of 192,
    and those of 76 are the other way round.

    Raises `ValueError` for another number, `ImportError` without tvb-data, `FileNotFoundError` without a file in it.
    """
    if electrodes not in EEG:
        raise ValueError(f"tvb-data has gains to {' or '.join(map(str, EEG))} electrodes, got {electrodes!r}.")
    return _projection(*EEG[electrodes], regions)


def tvb_meg_projection(regions: int = 76) -> Projection:
    """The gain from the 76 or 192 regions of `tvb_connectome` to 248 magnetometers, from the package tvb-data.

    Otherwise as that of the EEG. Of the 276 channels, 28 have no number in the file and are left out: reference
    sensors, triggers, the electrodes of eyes and heart. Places of the sensors are not read: those in the package do not
    lie around a head.

    Raises `ValueError` for another number, `ImportError` without tvb-data, `FileNotFoundError` without a file in it.
    """
    return _projection(*MEG, regions)


def _projection(gains: str, sensors: str, regions: int) -> Projection:
    """The gain of each region to the sensors that have a number, from the files of vertices and of names."""
    _one_of("region mappings", regions, MAPPED)
    labels = tvb_connectome(regions).labels
    gain = shipped("tvb_data", "projectionMatrix", gains)
    mapping = shipped("tvb_data", "regionMapping", f"regionMapping_16k_{regions}.txt")
    names = [line.split()[0] for line in _text(shipped("tvb_data", "sensors", sensors)).splitlines()]
    return Projection.from_tvb(gain, mapping, labels=labels, sensors=names)


def _one_of(what: str, regions: int, known: tuple[int, ...]) -> None:
    if regions not in known:
        raise ValueError(
            f"tvb-data has {what} of {', '.join(map(str, known))} regions, got {regions!r}; take one of them."
        )


def _text(path: Path) -> str:
    return (bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes()).decode()
