"""Frozen noise: a stimulus that is random once."""

from typing import Any

import torch
from torch import Tensor

from torchmass.bounds import NONNEGATIVE
from torchmass.declare import Param
from torchmass.kernels.draws import STIMULI, normals
from torchmass.parametrised import Parametrised
from torchmass.stimuli.stimulus import Stimulus, beside_time
from torchmass.stimuli.times import EPS, milliseconds, whole_intervals
from torchmass.values import checked_seed, whole

CHUNK = 1024  # intervals drawn at once: drawing takes some ten times the memory of what it gives


class Noise(Parametrised, Stimulus):
    r"""\(u_i(t) = \sigma\,\xi_{i,k},\ k = \lfloor t/\Delta \rfloor\): a Gaussian value per region, held for Δ ms.

    Δ is `interval`. The ξ are standard normal, independent for each region and interval, and a pure function of
    (`seed`, k, region): the same whatever dt, batch or seed of the run; torch's generator is left alone. `in_size=1`,
    the default, gives all regions the same value. Raises `ValueError` for an interval ≤ 0 and for a seed < 0.

    This is a fixed stimulus ("frozen noise") and no diffusion: the variance it causes grows with `interval`. For a
    stochastic model, in which every simulation has noise of its own, give the model `noise_<input>=WhiteNoise(sigma)`
    or an `OUProcess`.
    """

    in_size: int
    sigma = Param(1.0, "", "Standard deviation, in the unit of the input.", bounds=NONNEGATIVE)

    def __init__(self, sigma: Any, interval: float, seed: int, in_size: int = 1) -> None:
        in_size = whole("Noise.in_size, the number of regions,", in_size)
        super().__init__(in_size, sigma=sigma)
        self.interval, self.seed = milliseconds("Noise.interval", interval), checked_seed("Noise.seed", seed)

    def evaluate(self, t: Tensor) -> Tensor:
        """The values drawn for the intervals in which `t` lies."""
        q = t / self.interval
        k = whole_intervals(q, 8 * EPS * q.abs())
        first, last = int(k.min()), int(k.max())
        drawn = torch.cat([self._normals(i, min(CHUNK, last + 1 - i)) for i in range(first, last + 1, CHUNK)])
        return self.sigma * beside_time(drawn[k - first], max(self.sigma.ndim - 1, 0))

    def _normals(self, first: int, count: int) -> Tensor:
        one = torch.zeros(1, dtype=torch.int64, device=self.like.device)
        return normals(self.seed, first, count, one, self.in_size, STIMULI)[:, 0].to(self.like.dtype)

    def extra_repr(self) -> str:
        """The values that are not the default, and what fixes the draws."""
        return ", ".join(filter(None, [super().extra_repr(), f"interval={self.interval:g}, seed={self.seed}"]))
