"""Lead fields: what electrodes and magnetometers record of regions that are current dipoles."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from torchmass.datasets import Projection
from torchmass.declare import Param
from torchmass.kernels.draws import SENSORS, normals
from torchmass.naming import lookup
from torchmass.observe.observer import Carry, Observer, counted, taken
from torchmass.result import Quantity
from torchmass.values import as_value, checked_seed

CHUNK = 1024  # samples whose noise is drawn at once: drawing takes some ten times the memory of what it gives


def project(gain: Tensor, x: Tensor) -> Tensor:
    """What sensors see of regions: (*b, M, N) of (T, *b, N) is (T, *b, M)."""
    return torch.einsum("...mn,t...n->t...m", gain, x)


def gain_of(given: Any) -> Any:
    """The matrix of a `Projection`; anything else is one."""
    return given.gain if isinstance(given, Projection) else given


def matrix(label: str, gain: Tensor) -> Tensor:
    """The gains, which must be a matrix, or one for each simulation."""
    if gain.ndim < 2:
        raise ValueError(f"{label} must be (*b, M, N), sensors by regions, got shape {tuple(gain.shape)}.")
    return gain


class LeadField(Observer):
    """Sensors that see regions through a matrix; a subclass declares `L` and says of which kind they are."""

    kind: ClassVar[str]  # what MNE calls the sensors
    unit: ClassVar[str]  # of what they record
    noise_factor: Tensor | None
    scale = Param(1.0, "nA m", "Dipole moment of a region whose signal is 1.")

    def __init__(self, L: Any, *, noise_cov: Any = None, seed: int | None = None, **values: Any) -> None:
        super().__init__(L=gain_of(L), **values)
        self.sensors, self.labels = (L.sensors, L.labels) if isinstance(L, Projection) else (None, None)
        gain = matrix(self._label("L"), self.value("L"))
        if (noise_cov is None) != (seed is None):
            raise ValueError("noise_cov and seed, from which the noise of the sensors is drawn, are given together.")
        self.seed = 0 if seed is None else checked_seed(self._label("seed"), seed)
        self.register_buffer("noise_factor", None if noise_cov is None else self._factor(noise_cov, gain))

    @classmethod
    def from_mne(cls, forward: Mapping[str, Any], labels: Sequence[Any] | None = None, **options: Any) -> Self:
        """From an `mne.Forward`; see `Projection.from_mne`."""
        return cls(Projection.from_mne(forward, cls.kind, labels), **options)

    @classmethod
    def from_tvb(
        cls,
        gain: str | Path,
        region_mapping: str | Path,
        *,
        labels: Sequence[str] | None = None,
        sensors: Sequence[str] | None = None,
        **options: Any,
    ) -> Self:
        """From files of The Virtual Brain, whose numbers are taken as they are; see `Projection.from_tvb`."""
        return cls(Projection.from_tvb(gain, region_mapping, labels=labels, sensors=sensors), **options)

    def _factor(self, noise_cov: Any, gain: Tensor) -> Tensor:
        """The lower triangle C with C Cᵀ the covariance, (M, M)."""
        label, sensors = self._label("noise_cov"), gain.shape[-2]
        covariance = as_value(label, noise_cov, gain)
        if covariance.shape != (sensors, sensors):
            raise ValueError(f"{label} must be (M, M) with M={sensors}, got shape {tuple(covariance.shape)}.")
        factor, wrong = torch.linalg.cholesky_ex(covariance)
        if bool(wrong) or not torch.allclose(covariance, covariance.mT):
            raise ValueError(f"{label} must be symmetric and positive definite, as the covariance of noise is.")
        return factor

    def forward(self, z: Tensor, *, dt: float = 1.0) -> Tensor:
        """What the sensors record of the signal, (T, *b, N) to (T, *b, M); `dt` does not matter."""
        return super().forward(z, dt=dt)

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        first, seen = taken(carry), project(self.value("L"), self.scale * z)
        if self.noise_factor is not None:
            seen = seen + self._noise(self.noise_factor, first, seen)
        return (counted(first + len(z)),), self.referenced(seen)

    def quantity(self, seen: Quantity, dt: float) -> Quantity:
        return Quantity(self.unit, "sensor", self.sensors or tuple(range(self.value("L").shape[-2])))

    def referenced(self, seen: Tensor) -> Tensor:
        """What is recorded of what the sensors see: all of it."""
        return seen

    def _noise(self, factor: Tensor, first: int, like: Tensor) -> Tensor:
        """The noise of samples from `first` on, as `like`, (T, *b, M)."""
        simulations = torch.arange(like.shape[1:-1].numel(), device=like.device)
        drawn = [
            normals(self.seed, first + i, min(CHUNK, len(like) - i), simulations, like.shape[-1], SENSORS)
            for i in range(0, max(len(like), 1), CHUNK)
        ]
        return torch.cat(drawn).to(like).reshape(like.shape) @ factor.mT

    def extra_repr(self) -> str:
        """The shape of L, the values that are not the default, and the seed of the noise."""
        noise = [] if self.noise_factor is None else [f"noise from seed={self.seed}"]
        return ", ".join([super().extra_repr(), *noise])


class EEGLeadField(LeadField):
    r"""The EEG of regions that are current dipoles, in µV: (T, *b, N) to (T, *b, M).

    .. math:: y_m = \sum_n L_{mn}\,s_n z_n + e_m, \qquad \mathrm{cov}(e) = \Sigma

    L, `[sensor, region]`, is an array or tensor (M, N) or (*b, M, N) in µV/(nA m), which is 1000 V/(A m), or a
    `Projection`; `from_mne` and `from_tvb` read it elsewhere. The dipole moment of a region is its signal z times
    `scale` s, in nA m: 1 nA m/mV for a potential in mV.

    Electrodes have noise e where `noise_cov` gives its covariance Σ, (M, M), in µV²: e = Cξ with Σ = CCᵀ and standard
    normal ξ, independent for each sample, whatever dt, and for each simulation of a batch. It is drawn from `seed` and
    the number of the sample: the same in every call, in stretches too, and torch's generator is left alone.

    `reference="average"` subtracts the mean over all electrodes, of noise as well; `"none"` leaves potentials against
    the reference that L has. Raises `ValueError` for wrong shapes, a covariance that is not positive definite, and an
    unknown reference.

    Source: Nunez & Srinivasan 2006, Electric Fields of the Brain, doi:10.1093/acprof:oso/9780195050387.001.0001; the
    linear forward model: Mosher, Leahy & Lewis 1999, EEG and MEG: forward solutions for inverse methods, IEEE Trans.
    Biomed. Eng. 46:245, doi:10.1109/10.748978.
    """

    title, kind, unit = "eeg", "eeg", "µV"
    L = Param(0.0, "µV/(nA m)", "Potential at each electrode of 1 nA m in each region.", per="sensor")

    def __init__(self, L: Any, *, reference: str = "none", **options: Any) -> None:
        super().__init__(L, **options)
        lookup("EEGLeadField", "reference", reference, REFERENCES)
        self.reference = reference

    def referenced(self, seen: Tensor) -> Tensor:
        """The potentials against the reference."""
        return REFERENCES[self.reference](seen)

    def extra_repr(self) -> str:
        """The reference, and what every lead field shows."""
        return f"{super().extra_repr()}, reference={self.reference!r}"


class MEGLeadField(LeadField):
    r"""The magnetic field of regions that are current dipoles, in fT: (T, *b, N) to (T, *b, M).

    .. math:: y_m = \sum_n L_{mn}\,s_n z_n + e_m, \qquad \mathrm{cov}(e) = \Sigma

    L, `[sensor, region]`, is in fT/(nA m), which is 10⁻⁶ T/(A m), and `noise_cov` Σ in fT². `from_mne` takes the
    magnetometers. All else is as in `EEGLeadField`, but that a field has no reference.

    Source: Hämäläinen, Hari, Ilmoniemi, Knuutila & Lounasmaa 1993, Magnetoencephalography, Rev. Mod. Phys. 65:413,
    doi:10.1103/RevModPhys.65.413.
    """

    title, kind, unit = "meg", "mag", "fT"
    L = Param(0.0, "fT/(nA m)", "Field at each sensor of 1 nA m in each region.", per="sensor")


REFERENCES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "none": lambda seen: seen,
    "average": lambda seen: seen - seen.mean(-1, keepdim=True),
}
