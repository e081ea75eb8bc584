"""A series of a result as a recording of MNE, in SI units."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from torchmass.packages import require

SI: Mapping[str, tuple[str, float]] = {  # by unit: the type of channel in MNE, and how much one is in its SI unit
    "V": ("eeg", 1.0),
    "mV": ("eeg", 1e-3),
    "µV": ("eeg", 1e-6),
    "T": ("mag", 1.0),
    "pT": ("mag", 1e-12),
    "fT": ("mag", 1e-15),
    "": ("misc", 1.0),
    "Hz": ("misc", 1.0),
}


def signals(values: Tensor, ts: Tensor, names: Sequence[str], unit: str | None) -> Any:
    """A series (T, N) as a RawArray, (T, B, N) as an EpochsArray of B epochs; `ts`, (T,), in ms."""
    mne = require("mne", "to_mne", "mne")
    if unit is None or unit not in SI:
        raise ValueError(
            f"to_mne knows the units {', '.join(map(repr, SI))}, not {unit!r}; say what the series is in, as unit='mV'."
        )
    if values.ndim not in (2, 3) or values.shape[-1] != len(names):
        raise ValueError(f"MNE takes (T, N) or (T, B, N) with N={len(names)}, got shape {tuple(values.shape)}.")
    if len(ts) < 2:
        raise ValueError(f"a sampling rate needs at least 2 rows, got {len(ts)}.")
    kind, scale = SI[unit]
    spacing = float(ts[-1] - ts[0]) / (len(ts) - 1)  # ms
    info = mne.create_info([*names], round(1000 / spacing, 9), kind, verbose="error")
    data = scale * values.detach().cpu().double().movedim(0, -1).numpy()  # (N, T) or (B, N, T)
    make = mne.io.RawArray if values.ndim == 2 else mne.EpochsArray
    return make(data, info, verbose="error")
