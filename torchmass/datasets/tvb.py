"""What the package tvb-data ships for The Virtual Brain: connectomes, and the gain of an EEG."""

from torchmass.datasets.connectome import Connectome
from torchmass.datasets.packages import shipped
from torchmass.datasets.projection import Projection

REGIONS = (66, 68, 76, 96, 192)
MAPPED = (76, 192)  # where the package says to which region each vertex of its cortex belongs


def tvb_connectome(regions: int = 76) -> Connectome:
    """A connectome of The Virtual Brain, from the package tvb-data, with 66, 68, 76, 96 or 192 regions.

    Weights are in arbitrary units. Those of 66 and 68 are the same in both directions, as from diffusion imaging; those
    of 76, 96 and 192, from 0 to 3, are directed. Most regions have a weight to themselves: see `without_self`. Labels
    begin with r or l; in 96 they end with _R or _L. In 192, r and l stand on the opposite sides of those in 76, at the
    same centres, and 22 links between different regions are 0 mm long.

    Raises `ValueError` for another number, `ImportError` without tvb-data, `FileNotFoundError` without the file in it.
    """
    _one_of("connectomes", regions, REGIONS)
    return Connectome.from_tvb_zip(shipped("tvb_data", "connectivity", f"connectivity_{regions}.zip"))


def tvb_eeg_projection(regions: int = 76) -> Projection:
    """The gain from the 76 or 192 regions of `tvb_connectome` to 63 electrodes of an EEG, from the package tvb-data.

    The package holds the gain from 16384 vertices of a cortex, in no stated unit and against no stated reference:
    compare shapes, not amplitudes. This is its mean over the vertices of each region, where The Virtual Brain takes the
    sum. A region without vertices, as 116 of the 192, gets 0. Of the 65 electrodes, IO1 and IO2 have no number in the
    file and are left out. The electrodes agree with the labels of 76 on left and right; those of 192 are the other way
    round.

    Raises `ValueError` for another number, `ImportError` without tvb-data, `FileNotFoundError` without a file in it.
    """
    _one_of("region mappings", regions, MAPPED)
    labels = tvb_connectome(regions).labels
    gain = shipped("tvb_data", "projectionMatrix", "projection_eeg_65_surface_16k.npy")
    mapping = shipped("tvb_data", "regionMapping", f"regionMapping_16k_{regions}.txt")
    names = shipped("tvb_data", "sensors", "eeg_brainstorm_65.txt").read_text().split()[::4]  # each before its x, y, z
    return Projection.from_tvb(gain, mapping, labels=labels, sensors=names)


def _one_of(what: str, regions: int, known: tuple[int, ...]) -> None:
    if regions not in known:
        raise ValueError(
            f"tvb-data has {what} of {', '.join(map(str, known))} regions, got {regions!r}; take one of them."
        )
