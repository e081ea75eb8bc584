"""Linearisation: a noisy network about a point of rest, and what it predicts without a simulation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from torchmass.columns import Columns
from torchmass.linear.fixed_point import fixed_point
from torchmass.linear.likelihood import check_series, markov, whittle
from torchmass.linear.linear_network import LinearNetwork
from torchmass.linear.lyapunov import lyapunov
from torchmass.linear.readout import readout_of
from torchmass.linear.rest import Point, point
from torchmass.linear.spectrum import cross_spectrum, folded, integrated, power
from torchmass.linear.stability import unstable_modes
from torchmass.naming import refuse
from torchmass.system import System
from torchmass.values import is_nonfinite


@dataclass(frozen=True, eq=False, repr=False)
class Linearisation:
    r"""\(\dot z = Az + \xi\), with delays in A: how states and Ornstein–Uhlenbeck processes z deviate from rest.

    Noise is that of the system: with `g`, as strong as at rest. What is asked for is that of one signal, `monitor`, and
    stationary: methods raise `ValueError` where deviations grow, naming the eigenvalue, or with delays how many modes
    do (`unstable_modes` says how they are counted). Everything is differentiable, and has the batch axes *b of the
    parameters.
    """

    network: LinearNetwork
    readout: Tensor  # (*b, N, S)
    nodes: Columns | None  # that have the signal; None: all
    rest: Mapping[str, Tensor]  # the point, (*b, N) by state, processes included

    @property
    def matrix(self) -> Tensor:
        """A, (*b, S·N, S·N) per ms, all nodes of the first state first. Raises `ValueError` with delays."""
        if self.network.delayed:
            raise ValueError("with delays no matrix governs the deviations; use spectrum, or covariance.")
        return self.network.matrix

    @cached_property
    def eigenvalues(self) -> Tensor:
        """Those of A, (*b, S·N) per ms; not differentiable."""
        matrix = self.matrix.detach()
        return torch.linalg.eigvals(matrix)

    @cached_property
    def state_covariance(self) -> Tensor:
        r"""Σ of all states and processes, (*b, S·N, S·N), ordered as `matrix`: \(A\Sigma + \Sigma A^\top + Q = 0\)."""
        self.check_stable()
        return lyapunov(self.matrix, self.network.diffusion)

    def check_stable(self) -> None:
        """Raise `ValueError` where deviations grow."""
        if not self._growing:
            return
        raise ValueError(f"the point of rest is not stable: {self._growing}; there is no stationary state about it.")

    @cached_property
    def _growing(self) -> str:
        if self.network.delayed:
            count = int(unstable_modes(self.network).max())
            return f"with its delays {count} modes grow" if count else ""
        worst = self.eigenvalues.flatten()[self.eigenvalues.real.flatten().argmax()]
        value, hertz = complex(worst), abs(worst.imag.item()) * 1e3 / (2 * math.pi)
        return (
            f"the eigenvalue {value:.4g} per ms ({hertz:.4g} Hz) has no negative real part" if value.real >= 0 else ""
        )

    def covariance(self) -> Tensor:
        """The covariance of the signal between nodes, (*b, N, N); with delays, the integral of the spectrum."""
        return self.lagged_covariance(0.0)

    def correlation(self) -> Tensor:
        """The correlation of the signal between nodes, (*b, N, N): functional connectivity of long recordings."""
        found = self.covariance()
        deviation = torch.diagonal(found, dim1=-2, dim2=-1).sqrt()
        return found / (deviation.unsqueeze(-1) * deviation.unsqueeze(-2))

    def lagged_covariance(self, lag: float) -> Tensor:
        r"""The covariance of the signal with that `lag` ms earlier, (*b, N, N), [to the later, from the earlier].

        \(C e^{A\,lag}\,\Sigma\,C^\top\); with delays, the integral of the spectrum.
        """
        if not 0 <= lag < math.inf:
            raise ValueError(f"lag must be ≥ 0 ms and finite, got {lag}; of negative lags it is the transpose.")
        if self.network.delayed:
            self.check_stable()
            return self._own(integrated(self.network, self.readout, lag))
        later = torch.linalg.matrix_exp(self.matrix * lag) @ self.state_covariance if lag else self.state_covariance
        size = self.readout.shape[-1], self.readout.shape[-2]
        each = later.unflatten(-2, size).unflatten(-1, size)  # (*b, S, N, S, N)
        return self._own(torch.einsum("...is,...sirj,...jr->...ij", self.readout, each, self.readout))

    def cross_spectrum(self, frequencies: Any) -> Tensor:
        r"""The cross-spectral density of the signal, one-sided per Hz, (F, *b, N, N), at frequencies (F,) in Hz.

        \(S(\omega) = 2\,H(\omega)H(\omega)^*\), \(H = C\,(i\omega - A(\omega))^{-1}G\), where \(A(\omega)\) has the
        delays as \(e^{-i\omega d}\). Its integral over frequencies from 0 is the covariance; `[i, j]` is
        `scipy.signal.csd(x_j, x_i)` of a long run.
        """
        return self._own(2e-3 * cross_spectrum(self.network, self.readout, self._omega(frequencies)))

    def spectrum(self, frequencies: Any) -> Tensor:
        """The power spectral density of the signal, one-sided per Hz as Welch's, (F, *b, N), at frequencies in Hz."""
        found = 2e-3 * power(self.network, self.readout, self._omega(frequencies))
        return found if self.nodes is None else self.nodes.own(found)

    def log_likelihood(self, series: Mapping[str, Tensor], dt: float) -> Tensor:
        """The log density of a recording of all states and processes, (T, *b, N) each, rows `dt` ms apart: (*b).

        Exact for the linear system without delays, whatever dt. For one signal, and with delays, there is
        `whittle_log_likelihood`. Raises `ValueError` for a state that is missing or determined by the others.
        """
        for name in self.rest:
            if name not in series:
                refuse("the recording", "state", name, series)
        parts = [self._checked(name, series[name], rest.shape[-1]) - rest for name, rest in self.rest.items()]
        z = torch.cat(parts, -1)
        propagator = torch.linalg.matrix_exp(self.matrix * dt)
        return markov(z, propagator, self.state_covariance)

    def whittle_log_likelihood(self, x: Tensor, dt: float, band: tuple[float, float] = (0.0, math.inf)) -> Tensor:
        """The log density of a recording of the signal, (T, *b, N), rows `dt` ms apart, by its Fourier transform: (*b).

        Whittle's approximation, for long recordings, with delays or without: Fourier components are independent, with
        the cross-spectrum for a covariance. Rows are samples at points in time, so that frequencies above
        half the sampling rate fold into those below. The mean of the recording is taken out; of other frequencies those
        within the `band`, in Hz, count.

        Source: Whittle 1953, The analysis of multiple stationary time series, J. R. Stat. Soc. B 15:125,
        doi:10.1111/j.2517-6161.1953.tb00131.x.
        """
        self.check_stable()
        size = self.readout.shape[-2] if self.nodes is None else len(self.nodes.nodes)
        spectrum = lambda f: self._own(2e-3 * folded(self.network, self.readout, f * (2e-3 * math.pi), dt))
        return whittle(self._checked("x", x, size), dt, spectrum, band)

    def __repr__(self) -> str:
        *batch, nodes, states = self.readout.shape
        of = f"{nodes} nodes with {states} states ({', '.join(self.rest)})"
        return f"Linearisation({of}{f', batch {tuple(batch)}' if batch else ''}{', delays' * self.network.delayed})"

    def _omega(self, frequencies: Any) -> Tensor:
        """Frequencies in Hz as angular ones, (F,) in rad/ms, of a stable system."""
        self.check_stable()
        return torch.as_tensor(frequencies).to(self.readout).reshape(-1) * (2e-3 * math.pi)

    def _checked(self, name: str, x: Tensor, size: int) -> Tensor:
        return check_series(name, x, size, self.readout.ndim - 2)

    def _own(self, x: Tensor) -> Tensor:
        """Of (…, N, N), the nodes that have the signal."""
        return x if self.nodes is None else self.nodes.own(self.nodes.own(x).mT).mT


def linearise(
    system: System,
    at: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Any] | None = None,
    monitor: str = "output",
) -> Linearisation:
    """A model or a network to first order about the point of rest `at`, by default its `fixed_point` under `inputs`.

    Couplings, delays and noise are those of the system; `monitor` is the signal to be predicted, a state, a process or
    the output.
    Raises `ValueError` where `at` is not at rest.
    """
    where = point(system, fixed_point(system, inputs=inputs) if at is None else at, inputs)
    _check_rest(system, where)
    names, columns = list(system.states), system.columns
    zero = where.x[0].new_zeros(where.x[0].shape)
    values = [*where.x, *[zero] * (len(names) - len(where.x))]
    rest = system.own(dict(zip(names, values, strict=True)))
    return Linearisation(where.linear, readout_of(where, names, monitor), columns.get(monitor), rest)


def _check_rest(system: System, where: Point) -> None:
    slopes, matrix = where.slopes.detach(), where.quiet.linear.matrix.detach()
    allowed = (matrix.abs() @ (1 + where.vector.detach().abs()).unsqueeze(-1)).squeeze(-1) + 1e-12
    if is_nonfinite(matrix):  # which would end the process in LAPACK
        raise ValueError(f"{system.label} has slopes at the state given that are not finite, to first order.")
    if bool((slopes.abs() > torch.finfo(slopes.dtype).eps ** 0.5 * allowed).any()):
        raise ValueError(
            f"{system.label} does not rest at the state given: slopes reach {float(slopes.abs().max()):.3g} per ms. "
            "Use fixed_point(system, guess=…), with the same inputs."
        )
