"""Recording: a measured time series with its sampling interval and the names of its regions."""

import csv
from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from torchmass.packages import require, shipped

NUISANCE = ("WM", "Vent", "Brain")  # white matter, ventricles and whole brain, in raw scanner units: not regions


@dataclass(frozen=True, eq=False)
class Recording:
    """A time series `data`, (T, N), one sample every `tr` ms, of the regions `labels`.

    Raises `ValueError` when the shapes or the names do not fit each other, or when a sample is not finite.
    """

    data: Tensor
    tr: float
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.data.ndim != 2:
            raise ValueError(f"data must be (T, N), time first, got shape {tuple(self.data.shape)}.")
        if self.data.shape[1] != len(self.labels) or len(set(self.labels)) != len(self.labels):
            raise ValueError(f"{self.data.shape[1]} regions need as many different labels, got {self.labels}.")
        if not 0 < self.tr < float("inf"):
            raise ValueError(f"tr must be > 0 ms and finite, got {self.tr}.")
        if not bool(self.data.isfinite().all()):
            sample, region = (~self.data.isfinite()).nonzero()[0].tolist()
            raise ValueError(f"data must be finite; {self.labels[region]} is not at sample {sample}.")

    @property
    def ts(self) -> Tensor:
        """The time of each sample, (T,), in ms from the first."""
        return self.tr * torch.arange(len(self.data), dtype=torch.float64, device=self.data.device)

    def halves(self) -> tuple[Self, Self]:
        """The first and the second half, equally long; the middle sample of an odd number is left out."""
        half = len(self.data) // 2
        return replace(self, data=self.data[:half]), replace(self, data=self.data[len(self.data) - half :])

    def standardised(self) -> Self:
        """The same regions with mean 0 and standard deviation 1 (with T − 1); a constant one raises `ValueError`."""
        deviation, mean = torch.std_mean(self.data, 0)
        constant = [name for name, still in zip(self.labels, (self.data == self.data[0]).all(0), strict=True) if still]
        if constant:
            raise ValueError(f"a constant signal cannot be standardised: {', '.join(constant)}.")
        return replace(self, data=(self.data - mean) / deviation)

    def band_pass(self, low_hz: float, high_hz: float) -> Self:
        """The part between two frequencies: a second-order Butterworth filter, run forward and backward, without phase.

        Raises `ValueError` unless 0 < low < high < the Nyquist frequency.
        """
        nyquist = 500 / self.tr
        if not 0 < low_hz < high_hz < nyquist:
            raise ValueError(
                f"a band needs 0 < low < high < {nyquist:g} Hz (tr={self.tr:g} ms), got {low_hz, high_hz}."
            )
        signal = require("scipy.signal", "band_pass", "data")
        sections = signal.butter(2, (low_hz, high_hz), "bandpass", fs=1000 / self.tr, output="sos")
        passed = signal.sosfiltfilt(sections, self.data.detach().cpu().double().numpy(), axis=0)
        return replace(self, data=torch.as_tensor(passed.copy()).to(self.data))


def nitime_fmri() -> Recording:
    """Resting-state fMRI of 28 regions, 250 samples, one every 1890 ms, as the package nitime ships it.

    Regions are named with L or R for the hemisphere, as in the file. Raises `ImportError` without nitime and
    `FileNotFoundError` where it comes without the file.
    """
    path = shipped("nitime", "data", "fmri_timeseries.csv")
    with path.open(newline="") as file:
        names, *rows = csv.reader(file)
    kept = [i for i, name in enumerate(names) if name not in NUISANCE]
    data = torch.tensor([[float(row[i]) for i in kept] for row in rows])
    return Recording(data, tr=1890.0, labels=tuple(names[i] for i in kept))
