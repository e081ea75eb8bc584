"""The BOLD signal as a convolution with a haemodynamic response function."""

import math
from typing import Any

import torch
from torch import Tensor

from torchmass.naming import lookup
from torchmass.observe.compound import Compound
from torchmass.observe.hrf_kernels import KERNELS, HRFKernel
from torchmass.observe.observer import Carry, counted, taken
from torchmass.observe.repetition import Scanned, checked_tr


class HRFBold(Compound, Scanned):
    r"""The BOLD signal as the convolution of activity z with a haemodynamic response function h.

    .. math:: y(t) = \int_0^{\mathrm{duration}} h(t')\,z(t - t')\,dt', \qquad t' \text{ in seconds}

    `kernel` is `"volterra"`, `"gamma"`, `"double_exponential"`, `"mixture_of_gammas"`, `"spm"` or `"glover"`, with
    further arguments for its parameters, or an `HRFKernel`. Parameters are freed here or on `bold.kernel`; with
    values by region or batch each has its own h.

    (T, *b, N) sampled every dt ms gives one row per sample, at the end of the step through which that sample is held;
    there was no activity before the first. The sum carries its step, at the middle of which h is taken: whatever
    dt, y is the same to second order. `tr`, in ms and a multiple of dt, keeps the last row of every `tr`. A signal
    with a small dt is best averaged before: `TemporalAverage(10.0).then(HRFBold(tr=720.0))`. What is carried from
    stretch to stretch are the samples of one `duration`; stretches that are shorter cost as much. In stretches the
    rows are the same, to rounding.

    Raises `ValueError` for tr < 100, which is meant in seconds.
    """

    title = "bold"

    def __init__(self, kernel: str | HRFKernel = "volterra", tr: float | None = None, **values: Any) -> None:
        super().__init__()
        if isinstance(kernel, HRFKernel):
            if values:
                raise TypeError(f"give {', '.join(values)} to the {type(kernel).__name__}, not beside it.")
            self.kernel = kernel
        else:
            self.kernel = lookup("HRFBold", "kernel", kernel, KERNELS)(**values)
        self.tr = checked_tr(tr)

    def parts(self) -> tuple[HRFKernel, ...]:
        return (self.kernel,)

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        taps, every, before = self._taps(dt), self.samples(dt), taken(carry)
        samples = torch.cat((z.new_zeros(taps - 1, *z.shape[1:]) if carry is None else carry[0], z))
        response = self._response(taps, dt, z)
        shape = torch.broadcast_shapes(z.shape[1:], response.shape[1:])
        rows = z.new_empty(0, *shape)
        if before + len(z) >= every:
            rows = _convolved(samples, response)[every - 1 - before :: every].clone()
        return (samples[len(z) :].clone(), counted((before + len(z)) % every)), rows

    def _taps(self, dt: float) -> int:
        return math.ceil(self.kernel.duration / dt - 1e-6)

    def _response(self, taps: int, dt: float, z: Tensor) -> Tensor:
        """What each of the last samples does to the signal, (K, *b, N), the latest first."""
        t = (torch.arange(taps, dtype=torch.float64, device=z.device) + 0.5) * dt
        axes = max(z.ndim - 1, *(value.ndim for value in self.kernel.values()))
        return self.kernel(t.to(z.dtype).reshape(-1, *(1,) * axes)) * (dt / 1000)

    def extra_repr(self) -> str:
        """The repetition time and the kernel."""
        tr = None if self.tr is None else f"tr={self.tr:g}"
        return ", ".join(filter(None, [repr(self.kernel), tr]))


def _convolved(samples: Tensor, response: Tensor) -> Tensor:
    """Σ_k response[k] samples[n − k] for the n that have K samples: (K − 1 + T, *b, N) to (T, *b, N)."""
    count, taps = len(samples), len(response)
    samples = samples.reshape(count, *(1,) * (response.ndim - samples.ndim), *samples.shape[1:])
    size = 1 << (count - 1).bit_length()  # what wraps around falls on the first K − 1
    product = torch.fft.rfft(samples, size, dim=0) * torch.fft.rfft(response, size, dim=0)
    return torch.fft.irfft(product, size, dim=0)[taps - 1 : count]
