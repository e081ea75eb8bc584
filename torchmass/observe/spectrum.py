"""Power over frequency, by Welch's method, and power over frequency and time."""

import torch
from torch import Tensor

from torchmass.observe.observer import Carry, Observer, counted, taken
from torchmass.result import Quantity
from torchmass.spectra import frequencies, periodograms
from torchmass.values import whole_steps


class Windowed(Observer):
    """Power spectral densities of windows of `window` ms, half of which overlaps with the next."""

    def __init__(self, window: float = 1000.0) -> None:
        super().__init__()
        self.window = float(window)

    def frequencies(self, dt: float) -> Tensor:
        """The frequencies in Hz, (F,): multiples of 1000/window up to 500/dt."""
        return frequencies(self._length(dt), dt)

    def quantity(self, seen: Quantity, dt: float) -> Quantity:
        return seen._replace(unit=_squared(seen.unit), frequencies=tuple(self.frequencies(dt).tolist()))

    def _length(self, dt: float) -> int:
        return whole_steps("window", self.window, dt, least=2)

    def _hop(self, dt: float) -> int:
        return self._length(dt) - self._length(dt) // 2

    def densities(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Tensor, Tensor]:
        """The samples that the next window begins with, and the density of every complete one, (W, F, *b, N)."""
        length, hop = self._length(dt), self._hop(dt)
        samples = z if carry is None else torch.cat((carry[0], z))
        count = max(0, (len(samples) - length) // hop + 1)
        rest = samples[count * hop :].clone()  # a view would keep the whole stretch
        if not count:
            return rest, z.new_empty(0, length // 2 + 1, *z.shape[1:])
        return rest, periodograms(samples.unfold(0, length, hop), dt)

    def extra_repr(self) -> str:
        """The window."""
        return f"window={self.window:g}"


def _squared(unit: str | None) -> str | None:
    """The unit of a density of power."""
    if not unit:  # none, or none that is known
        return None if unit is None else "1/Hz"
    return f"{unit if unit.isalpha() else f'({unit})'}²/Hz"


class Spectrum(Windowed):
    r"""Power spectral density by Welch's method: (T, *b, N) to (F, *b, N), in unit²/Hz, known at the end.

    Windows of `window` ms, of which each overlaps half of the next (Hann, less their mean), are averaged: that of
    `scipy.signal.welch` with its defaults. `frequencies(dt)` are those of the rows. Samples that fill no window at the
    end are left out. In stretches the result is the same, to rounding. Raises `ValueError` for a signal shorter than a
    window and where `window` is no multiple of dt.

    Source: Welch 1967, IEEE Trans. Audio Electroacoust. 15:70, doi:10.1109/TAU.1967.1161901.
    """

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        rest, density = self.densities(carry, z, dt)
        total = density.sum(0) if carry is None else carry[1] + density.sum(0)
        return (rest, total, counted(taken(carry) + len(density))), z.new_empty(0, *z.shape[1:])

    def finish(self, carry: Carry) -> Tensor:
        if not taken(carry):
            raise ValueError(f"the signal has {len(carry[0])} samples, fewer than one window of {self.window:g} ms.")
        return carry[1] / taken(carry)

    def spacing(self, dt: float) -> None:
        return None


class Spectrogram(Windowed):
    r"""Power spectral density over time: (T, *b, N) to (W, F, *b, N), in unit²/Hz, a row for every window.

    Windows of `window` ms, of which each overlaps half of the next (Hann, less their mean): those of
    `scipy.signal.spectrogram` with window="hann" and noverlap=nperseg // 2. Row i is that of the window that ends
    `window + i * spacing(dt)` ms after the beginning; their mean is the `Spectrum`. In stretches the rows are the same.
    """

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        rest, density = self.densities(carry, z, dt)
        return (rest,), density

    def spacing(self, dt: float) -> float:
        return self._hop(dt) * dt
