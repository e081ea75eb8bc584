"""The analytic signal: envelope and phase of an oscillation."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from torchmass.naming import lookup
from torchmass.observe.observer import Observer
from torchmass.spectra import analytic_signal

PARTS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType(
    {"envelope": torch.abs, "phase": torch.angle, "analytic": lambda analytic: analytic}
)


class Hilbert(Observer):
    r"""Envelope or phase of an oscillation, from its analytic signal: (T, *b, N) to (T, *b, N).

    The analytic signal \(z + i\,\mathcal H z\), that of `scipy.signal.hilbert`, is the signal without its negative
    frequencies. `part` is its `"envelope"`, the absolute value; its `"phase"`, the angle from −π to π; or
    `"analytic"`, the complex signal itself. Both mean something where the signal is of a narrow band: see `BandPass`.
    It needs the whole signal. Source: Marple 1999, IEEE Trans. Signal Process. 47:2600, doi:10.1109/78.782222.
    """

    instead = " No filter of a signal's past has its Hilbert transform."

    def __init__(self, part: str = "envelope") -> None:
        super().__init__()
        lookup("Hilbert", "part", part, PARTS)
        self.part = part

    def whole(self, z: Tensor, dt: float) -> Tensor:
        if not len(z):
            raise ValueError("Hilbert needs at least one sample, got none.")
        return PARTS[self.part](analytic_signal(z))

    def extra_repr(self) -> str:
        """The part."""
        return f"part={self.part!r}"
