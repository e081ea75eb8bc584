"""The likelihood of a recording that is the prediction plus independent Gaussian errors."""

import math
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class GaussianLikelihood:
    r"""An objective: −log p of a target (T, N) that is the prediction (T, *b, N) plus errors of standard deviation σ.

    \(L = \sum_{tn} \frac{(q_{tn} - p_{tn})^2}{2\sigma^2} + TN\log(\sigma\sqrt{2\pi})\), (*b). Without `sigma` its best
    value is taken for each prediction, \(\sigma^2 = \langle(q - p)^2\rangle\), which leaves standard errors of the
    parameters right (the profile likelihood). Raises `ValueError` unless σ > 0 and the shapes are those above.
    """

    sigma: float | None = None

    def __post_init__(self) -> None:
        if self.sigma is not None and not 0 < self.sigma < math.inf:
            raise ValueError(f"sigma must be > 0 and finite, got {self.sigma}.")

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """−log p, (*b)."""
        if target.ndim != 2 or prediction.ndim < 2 or prediction.shape[:1] + prediction.shape[-1:] != target.shape:
            shapes = f"{tuple(prediction.shape)} and {tuple(target.shape)}"
            raise ValueError(f"a prediction (T, *b, N) and a target (T, N) are needed, got shapes {shapes}.")
        square = (prediction.movedim(0, -2) - target).square().mean((-2, -1))  # (*b)
        if self.sigma is None:
            return target.numel() / 2 * ((2 * math.pi * square).log() + 1)
        return target.numel() * (square / (2 * self.sigma**2) + math.log(self.sigma * math.sqrt(2 * math.pi)))
