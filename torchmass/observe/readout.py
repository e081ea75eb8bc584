"""A readout of regions by sensors whose gains are fitted."""

from collections.abc import Callable, Mapping
from typing import Any, Self

import torch
from torch import Tensor

from torchmass.declare import Param
from torchmass.naming import lookup
from torchmass.observe.leadfield import gain_of, matrix, project
from torchmass.observe.observer import Carry, Observer
from torchmass.undefined import known_false
from torchmass.values import report

NORMS: Mapping[str, Callable[[Tensor], Tensor]] = {  # of each row of (*b, M, N), as (*b, M, 1)
    "l1": lambda gain: gain.abs().sum(-1, keepdim=True),
    "l2": lambda gain: torch.linalg.vector_norm(gain, dim=-1, keepdim=True),
    "none": lambda gain: gain.new_ones(()),
}


class LeadfieldReadout(Observer):
    r"""A lead field to be fitted, whose rows have one size: (T, *b, N) to (T, *b, M), without a unit.

    .. math:: y = c\,\hat L z - y_0, \qquad
        \hat L_{mn} = \frac{L_{mn}}{\lVert L_m \rVert} - \frac1M \sum_k \frac{L_{kn}}{\lVert L_k \rVert}

    L, `lm`, is (M, N) or (*b, M, N), `[sensor, region]`, or a `Projection`; c is `cy0`. `normalize` is the norm of a
    row, `"l1"` (the sum of magnitudes) or `"l2"`, or `"none"`; `demean=False` leaves out the mean over sensors, an
    average reference. `free("lm", "cy0", "y0")` makes them trainable; with `"l1"` or `"l2"` the gradient of a row
    along itself is 0. Raises `ValueError` for wrong shapes, and for a row of zeros, which has no norm.

    Source: Momi, Wang & Griffiths 2023, TMS-evoked responses are driven by recurrent large-scale network dynamics,
    eLife 12:e83232, doi:10.7554/eLife.83232.
    """

    lm = Param(0.0, "", "Gain of each sensor for each region.", per="sensor")
    cy0 = Param(1.0, "", "Factor of the whole.", per="all")
    y0 = Param(0.0, "", "What is subtracted from every sensor.", per="all")

    def __init__(self, lm: Any, *, normalize: str = "l1", demean: bool = True, **values: Any) -> None:
        lookup("LeadfieldReadout", "norm", normalize, NORMS)
        super().__init__(lm=gain_of(lm), **values)
        self.normalize, self.demean = normalize, demean
        self._check_rows()

    def _check_rows(self) -> None:
        gain = matrix(self._label("lm"), self.lm)
        norms = NORMS[self.normalize](gain.detach())
        if known_false((norms > 0).all()):
            raise ValueError(
                f"{self._label('lm')} must have no row of zeros, got {report(norms[..., 0], norms[..., 0] == 0)}."
            )

    def assign(self, **values: Any) -> Self:
        """Give parameters new values, fixed or free, checked like the constructor's; returns self."""
        super().assign(**values)
        self._check_rows()
        return self

    def gain(self) -> Tensor:
        """The gains as they are used, without `cy0`: (*b, M, N)."""
        lm = self.lm / NORMS[self.normalize](self.lm)
        return lm - lm.mean(-2, keepdim=True) if self.demean else lm

    def forward(self, z: Tensor, *, dt: float = 1.0) -> Tensor:
        """What is seen of the signal, (T, *b, N) to (T, *b, M); `dt` does not matter."""
        return super().forward(z, dt=dt)

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        return (), self.cy0 * project(self.gain(), z) - self.y0

    def extra_repr(self) -> str:
        """How rows are brought to one size, and the values that are not the default."""
        return f"{super().extra_repr()}, normalize={self.normalize!r}, demean={self.demean}"
