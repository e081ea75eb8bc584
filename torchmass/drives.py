"""Drives: noise bound to what it moves, a state or an input."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from torchmass.integrators import Values


@dataclass(frozen=True)
class Drive(ABC):
    """A noise process on state `source`, or on input `source − S`; `names` are the tensors it depends on."""

    source: int
    sigma: Tensor
    stream: int | None = field(default=None, kw_only=True)
    names: ClassVar[tuple[str, ...]] = ("sigma",)

    @property
    def draws(self) -> int:
        """The number under which its normals are drawn: `stream`, by default the source."""
        return self.source if self.stream is None else self.stream

    @property
    def leaves(self) -> tuple[Tensor, ...]:
        """The tensors that the process depends on."""
        return tuple(getattr(self, name) for name in self.names)

    @property
    def labels(self) -> tuple[str, ...]:
        """What kernels call them: `sigma_<source>` and `tau_<source>`."""
        return tuple(f"{name}_{self.source}" for name in self.names)

    @property
    @abstractmethod
    def kind(self) -> tuple[Any, ...]:
        """The class, the stream and its other arguments, with None for each tensor: all that a kernel depends on."""

    def holding(self, *leaves: Any) -> Self:
        """The same process with other tensors."""
        return replace(self, **dict(zip(self.names, leaves, strict=True)))

    @abstractmethod
    def increment(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """What the process adds to a state over one step from `x`."""

    @abstractmethod
    def held(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """What the process adds to an input during one step from `x`."""


@dataclass(frozen=True)
class WhiteDrive(Drive):
    """White noise of strength `sigma` per √ms, on a state times `g(s)` if given."""

    g: Callable[[Any], Any] | None = None

    @property
    def kind(self) -> tuple[Any, ...]:
        """All but σ."""
        return WhiteDrive, self.stream, self.source, None, self.g

    def increment(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """σ√dt ξ."""
        return self.sigma * dt**0.5 * normal

    def held(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """σξ/√dt."""
        return self.sigma / dt**0.5 * normal


@dataclass(frozen=True)
class OUDrive(Drive):
    """An Ornstein–Uhlenbeck process, η: standard deviation `sigma`, time constant `tau` in ms, state `place` of `x`."""

    tau: Tensor
    place: int
    names: ClassVar[tuple[str, ...]] = ("sigma", "tau")

    @property
    def kind(self) -> tuple[Any, ...]:
        """All but σ and τ."""
        return OUDrive, self.stream, self.source, None, None, self.place

    def increment(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """η dt."""
        return dt * x[self.place]

    def held(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """η."""
        return x[self.place]

    def moved(self, x: Values, dt: float, normal: Tensor) -> Tensor:
        """η after one step, exact for any dt: e^(−dt/τ) η + σ √(1 − e^(−2dt/τ)) ξ."""
        spread = self.sigma * torch.sqrt(-torch.expm1(-2 * dt / self.tau))
        return torch.exp(-dt / self.tau) * x[self.place] + spread * normal
