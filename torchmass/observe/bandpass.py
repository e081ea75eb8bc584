"""A band of frequencies."""

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType

import torch
from torch import Tensor

from torchmass.naming import lookup
from torchmass.observe.observer import Carry, Observer
from torchmass.observe.recursion import recursion
from torchmass.packages import require
from torchmass.values import whole as whole_number


class BandPass(Observer):
    """The part of a signal with frequencies from `low` to `high` Hz: (T, *b, N) to (T, *b, N).

    `method="fft"` sets all other frequencies of the whole signal to 0: no phase is moved, the ends of the signal see
    each other. `method="iir"` is the Butterworth filter of this `order`, as `scipy.signal.sosfilt` runs it from rest:
    it sees the past alone, delays, and takes a signal in stretches too, with the same result, to rounding; it is
    computed in float64 whatever the signal, since narrow bands of low frequencies leave nothing of float32 (and 6 of
    the 16 digits of float64 for 0.01 to 0.1 Hz at dt = 1 ms: average such a signal before).

    Raises `ValueError` unless 0 < low < high < 500/dt, and where a signal is so short that no frequency of its own,
    a multiple of 1000/(T dt) Hz, lies in the band. `"iir"` is designed by scipy: pip install 'torchmass[filters]'.

    Source: Oppenheim & Schafer 2010, Discrete-Time Signal Processing, ch. 7.
    """

    instead = " method='iir' takes them."

    def __init__(self, low: float, high: float, method: str = "fft", order: int = 4) -> None:
        super().__init__()
        if not 0 < low < high < float("inf"):
            raise ValueError(f"a band needs 0 < low < high, in Hz, got low={low}, high={high}.")
        lookup("BandPass", "method", method, METHODS)
        self.low, self.high, self.method, self.order = float(low), float(high), method, whole_number("order", order)

    def checked(self, z: Tensor, dt: float) -> Tensor:
        z = super().checked(z, dt)
        if self.high >= 500 / dt:
            raise ValueError(
                f"high={self.high:g} Hz must lie below {500 / dt:g} Hz, half the sampling rate for dt={dt:g} ms."
            )
        return z

    def whole(self, z: Tensor, dt: float) -> Tensor:
        return METHODS[self.method](self, z, dt)

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        if self.method == "fft":
            return super().advance(carry, z, dt)
        filtered = recursion(_sections(self.low, self.high, self.order, dt)).to(z.device)
        state = z.new_zeros(len(filtered.step), *z.shape[1:], dtype=torch.float64) if carry is None else carry[0]
        state, rows = filtered(state, z.double())
        return (state,), rows.to(z.dtype)

    def extra_repr(self) -> str:
        """The band and the method."""
        order = "" if self.method == "fft" else f", order={self.order}"
        return f"{self.low:g}, {self.high:g}, method={self.method!r}{order}"


def _cut(observer: BandPass, z: Tensor, dt: float) -> Tensor:
    """The signal without the frequencies outside the band."""
    duration = len(z) * dt / 1000  # s; the frequencies are multiples of one over it
    slack = 1e-9 * observer.high  # an edge of the band that is such a multiple belongs to it
    first, last = math.ceil((observer.low - slack) * duration), math.floor((observer.high + slack) * duration)
    if first > last:
        raise ValueError(
            f"no frequency of a signal of {len(z) * dt:g} ms lies in {observer.low:g} to {observer.high:g} Hz: "
            f"they are multiples of {1 / duration:g} Hz."
        )
    spectrum = torch.fft.rfft(z, dim=0)
    kept = torch.zeros_like(spectrum)
    kept[first : last + 1] = spectrum[first : last + 1]
    return torch.fft.irfft(kept, len(z), dim=0)


METHODS: Mapping[str, Callable[[BandPass, Tensor, float], Tensor]] = MappingProxyType(
    {"fft": _cut, "iir": Observer.whole}
)


@lru_cache
def _sections(low: float, high: float, order: int, dt: float) -> tuple[tuple[float, ...], ...]:
    """The Butterworth filter in second-order sections."""
    butter = require("scipy.signal", "BandPass(method='iir')", "filters").butter
    return tuple(map(tuple, butter(order, (low, high), "bandpass", fs=1000 / dt, output="sos").tolist()))
