"""The objectives of time series and their connectivity. Options are keywords; every distance is 0 at best."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from torchmass.objectives.comparison import Comparison
from torchmass.objectives.connectivity import (
    fc_correlation,
    fc_rmse,
    functional_connectivity,
    lagged_correlation,
    lagged_covariance,
    upper_triangle,
)
from torchmass.objectives.distance import complement, relative_of, rmse_of
from torchmass.objectives.distribution import sample_ks, sample_wasserstein
from torchmass.objectives.dynamics import fcd, fcd_ks, fcd_wasserstein
from torchmass.objectives.evoked import evoked_response
from torchmass.objectives.timeseries import cosine_similarity, timeseries_correlation, timeseries_rmse
from torchmass.undefined import truth


@dataclass(frozen=True, repr=False, kw_only=True)
class TimeSeries(Comparison):
    """The series themselves: `"rmse"`, or `"correlation"` or `"cosine"`, each 1 less the likeness."""

    distances: ClassVar = {
        "rmse": timeseries_rmse,
        "correlation": complement(timeseries_correlation),
        "cosine": complement(cosine_similarity),
    }
    distance: str = "rmse"

    def quantity(self, x: Tensor) -> Tensor:
        """The series itself."""
        return x


@dataclass(frozen=True, repr=False, kw_only=True)
class FC(Comparison):
    """`functional_connectivity` above the diagonal: `"correlation"`, 1 less Pearson's r of the two, or `"rmse"`.

    A recorded FC as the target, (N, N), takes `FC().precomputed()`.
    """

    distances: ClassVar = {"correlation": complement(fc_correlation), "rmse": fc_rmse}
    distance: str = "correlation"

    def quantity(self, x: Tensor) -> Tensor:
        """Functional connectivity, (*b, N, N)."""
        if x.ndim == 2 and x.shape[0] == x.shape[1] and _looks_like_fc(x):
            raise ValueError(
                f"got a correlation matrix for a series (T, *b, N): a target of this kind takes {self}.precomputed()."
            )
        return functional_connectivity(x)


@dataclass(frozen=True, repr=False, kw_only=True)
class LaggedCovariance(Comparison):
    """`lagged_covariance`, all entries: `"relative"`, the norm of the difference to that of the target, or `"rmse"`.

    Source of the relative distance: Gilson et al. (2016), PLoS Comput. Biol. 12:e1004762,
    doi:10.1371/journal.pcbi.1004762.
    """

    distances: ClassVar = {"relative": relative_of(-2, -1), "rmse": rmse_of(-2, -1)}
    distance: str = "relative"
    lag: int = 1

    def quantity(self, x: Tensor) -> Tensor:
        """Lagged covariance, (*b, N, N)."""
        return lagged_covariance(x, self.lag)


@dataclass(frozen=True, repr=False, kw_only=True)
class LaggedCorrelation(Comparison):
    """`lagged_correlation`, all entries: `"rmse"` or `"relative"`, the norm of the difference to that of the target."""

    distances: ClassVar = {"rmse": rmse_of(-2, -1), "relative": relative_of(-2, -1)}
    distance: str = "rmse"
    lag: int = 1

    def quantity(self, x: Tensor) -> Tensor:
        """Lagged correlation, (*b, N, N)."""
        return lagged_correlation(x, self.lag)


@dataclass(frozen=True, repr=False, kw_only=True)
class FCD(Comparison):
    """`fcd` in windows of `window` samples every `step`, by the distribution of its entries above the diagonal.

    `"ks"` and `"wasserstein"` are distances of smooth distributions, and differentiable; `"sample ks"`, which has no
    gradient, and `"sample wasserstein"` are those of the entries. `"correlation"`, 1 less Pearson's r of the entries,
    asks for the same dynamics at the same time, which only a driven system has.
    """

    distances: ClassVar = {
        "ks": fcd_ks,
        "wasserstein": fcd_wasserstein,
        "sample ks": lambda p, q: sample_ks(upper_triangle(p), upper_triangle(q)),
        "sample wasserstein": lambda p, q: sample_wasserstein(upper_triangle(p), upper_triangle(q)),
        "correlation": complement(fc_correlation),
    }
    distance: str = "ks"
    window: int = 30
    step: int = 5

    def quantity(self, x: Tensor) -> Tensor:
        """Functional connectivity dynamics, (*b, W, W)."""
        return fcd(x, self.window, self.step)


@dataclass(frozen=True, repr=False, kw_only=True)
class EvokedResponse(Comparison):
    """`evoked_response` to events at `onsets`, in ms: `"rmse"`, or `"correlation"`, 1 less the likeness."""

    distances: ClassVar = {"rmse": timeseries_rmse, "correlation": complement(timeseries_correlation)}
    distance: str = "rmse"
    onsets: tuple[float, ...]
    dt: float
    before: float
    after: float

    def quantity(self, x: Tensor) -> Tensor:
        """The mean of the epochs, (K, *b, N)."""
        return evoked_response(x, self.onsets, self.dt, self.before, self.after)


def _looks_like_fc(x: Tensor) -> bool:
    return bool(truth((x - x.mT).abs().amax() + (x.diagonal() - 1).abs().amax() < 1e-5))
