"""How near two time series are, sample by sample: (T, *b, N) and a target (T, N) or (T, *b, N) to (*b)."""

from torch import Tensor

from torchmass.objectives.norms import pearson, rms
from torchmass.objectives.signals import aligned
from torchmass.undefined import defined


def timeseries_rmse(p: Tensor, q: Tensor) -> Tensor:
    r"""\(\sqrt{\langle(p - q)^2\rangle}\), the mean over samples and regions, in the unit of the series.

    At p = q, where the root has no slope, the gradient is 0.
    """
    p, q = aligned(p, q)
    return rms(p - q, 0, -1)


def timeseries_correlation(p: Tensor, q: Tensor) -> Tensor:
    """Pearson correlation over time of each region with itself in the target, the mean over regions.

    Raises `ValueError` for a constant signal.
    """
    p, q = aligned(p, q)
    return pearson(p, q, 0).mean(-1)


def cosine_similarity(p: Tensor, q: Tensor) -> Tensor:
    r"""\(\sum pq / \sqrt{\sum p^2 \sum q^2}\) over samples and regions: a correlation that keeps the mean.

    Raises `ValueError` for a series of zeros.
    """
    p, q = aligned(p, q)
    return (_unit("prediction", p) * _unit("target", q)).sum((0, -1))


def _unit(name: str, x: Tensor) -> Tensor:
    size = rms(x, 0, -1)
    size = defined(size, size == 0, f"{name} is 0 throughout", "the angle to it is not defined")
    return x / (size[..., None] * (len(x) * x.shape[-1]) ** 0.5)
