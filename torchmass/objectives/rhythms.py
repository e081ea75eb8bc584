"""The objectives of rhythms: spectra and synchrony. Options are keywords; every distance is 0 at best."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from torchmass.objectives.comparison import Comparison
from torchmass.objectives.connectivity import fc_correlation, fc_rmse
from torchmass.objectives.distance import complement, relative_of, rmse_of
from torchmass.objectives.spectrum import (
    band_power,
    band_spectrum,
    log_spectral_distance,
    peak_frequency,
    relative_spectral_distance,
    spectral_centroid,
    spectral_shape_distance,
)
from torchmass.objectives.synchrony import envelope_correlation, kuramoto_order, metastability, phase, phase_locking


@dataclass(frozen=True, repr=False, kw_only=True)
class PSD(Comparison):
    """The power density at frequencies in [low, high) Hz, but for 0: `"log"` (dB), `"relative"` or `"shape"`.

    `dt` is the time between two samples in ms, of both series; `nperseg` is as in `power_spectral_density`, and needed
    where one series is shorter than that.
    """

    distances: ClassVar = {
        "log": log_spectral_distance,
        "relative": relative_spectral_distance,
        "shape": spectral_shape_distance,
    }
    distance: str = "log"
    dt: float
    low: float = 0.0
    high: float | None = None
    nperseg: int | None = None

    def quantity(self, x: Tensor) -> Tensor:
        """The power density at the frequencies that are compared, (F, *b, N)."""
        _, power = band_spectrum(x, self.dt, self.low, self.high, self.nperseg)
        return power[1:] if self.low == 0 else power  # each segment's mean is removed: nothing is left at 0 Hz


@dataclass(frozen=True, repr=False, kw_only=True)
class BandPower(Comparison):
    """`band_power` of each region in [low, high) Hz: `"relative"`, by the norm over regions, or `"rmse"`."""

    distances: ClassVar = {"relative": relative_of(-1), "rmse": rmse_of(-1)}
    distance: str = "relative"
    dt: float
    low: float
    high: float | None
    nperseg: int | None = None

    def quantity(self, x: Tensor) -> Tensor:
        """The power of each region in the band, (*b, N)."""
        return band_power(x, self.dt, self.low, self.high, self.nperseg)


@dataclass(frozen=True, repr=False, kw_only=True)
class PeakFrequency(Comparison):
    """`peak_frequency` of each region in [low, high) Hz: `"rmse"` over regions, in Hz."""

    distances: ClassVar = {"rmse": rmse_of(-1)}
    distance: str = "rmse"
    dt: float
    low: float
    high: float | None
    nperseg: int | None = None

    def quantity(self, x: Tensor) -> Tensor:
        """The frequency of each region's peak, (*b, N)."""
        return peak_frequency(x, self.dt, self.low, self.high, self.nperseg)


@dataclass(frozen=True, repr=False, kw_only=True)
class SpectralCentroid(PeakFrequency):
    """`spectral_centroid` of each region in [low, high) Hz, which is smooth where a peak jumps: `"rmse"`, in Hz."""

    def quantity(self, x: Tensor) -> Tensor:
        """The mean frequency of each region's power, (*b, N)."""
        return spectral_centroid(x, self.dt, self.low, self.high, self.nperseg)


@dataclass(frozen=True, repr=False, kw_only=True)
class PhaseLocking(Comparison):
    """`phase_locking` above the diagonal: `"rmse"`, or `"correlation"`, 1 less Pearson's r of the two."""

    distances: ClassVar = {"rmse": fc_rmse, "correlation": complement(fc_correlation)}
    distance: str = "rmse"

    def quantity(self, x: Tensor) -> Tensor:
        """Phase-locking values, (*b, N, N)."""
        return phase_locking(x)


@dataclass(frozen=True, repr=False, kw_only=True)
class EnvelopeCorrelation(Comparison):
    """`envelope_correlation` above the diagonal: `"correlation"`, 1 less Pearson's r of the two, or `"rmse"`."""

    distances: ClassVar = {"correlation": complement(fc_correlation), "rmse": fc_rmse}
    distance: str = "correlation"

    def quantity(self, x: Tensor) -> Tensor:
        """Correlations of envelopes, (*b, N, N)."""
        return envelope_correlation(x)


@dataclass(frozen=True, repr=False, kw_only=True)
class Synchrony(Comparison):
    """The mean over time of `kuramoto_order` of the phases: the absolute difference."""

    distances: ClassVar = {"absolute": lambda p, q: (p - q).abs()}
    distance: str = "absolute"

    def quantity(self, x: Tensor) -> Tensor:
        """The mean order, (*b)."""
        return kuramoto_order(phase(x)).mean(0)


@dataclass(frozen=True, repr=False, kw_only=True)
class Metastability(Synchrony):
    """`metastability` of the phases: the absolute difference."""

    def quantity(self, x: Tensor) -> Tensor:
        """The standard deviation of the order, (*b)."""
        return metastability(phase(x))
