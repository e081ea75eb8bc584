"""Bounds of a quantity: the values it may take, and the transform that keeps a free one inside."""

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.distributions import constraints, transform_to
from torch.distributions.transforms import ExpTransform, Transform


@dataclass(frozen=True)
class Bounds:
    """An interval of the real line; `strict` excludes its ends.

    `transform` maps the real line onto its interior (identity, exponential or sigmoid, as
    `torch.distributions.transform_to` has them).
    """

    low: float = -math.inf
    high: float = math.inf
    strict: bool = False
    text: str = field(init=False, repr=False, compare=False)  # torch.compile(dynamic=True) takes no number as constant

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", f"{float(self.low).hex()} {float(self.high).hex()}")
        if not self.low < self.high:
            raise ValueError(f"bounds need low < high, got ({self.low}, {self.high}).")

    @property
    def constraint(self) -> constraints.Constraint:
        """The interior of the interval, as torch.distributions names it."""
        if math.isinf(self.low) and math.isinf(self.high):
            return constraints.real
        if math.isinf(self.high):
            return constraints.positive if self.low == 0 else constraints.greater_than(self.low)
        if math.isinf(self.low):
            return constraints.less_than(self.high)
        return constraints.interval(self.low, self.high)

    @property
    def transform(self) -> Transform:
        """The bijection from the real line onto the interior of the interval."""
        if self.constraint is constraints.positive:  # of which torch makes an exponential, times 1, plus 0
            return ExpTransform()
        return transform_to(self.constraint)

    def inside(self, value: Tensor) -> Tensor:
        """Where `value` lies strictly between the ends."""
        return (value > self.low) & (value < self.high)

    def admits(self, value: Tensor) -> Tensor:
        """Where `value` is allowed."""
        return self.inside(value) if self.strict else (value >= self.low) & (value <= self.high)

    def clamp(self, value: Tensor) -> Tensor:
        """`value` brought into the interval; a NaN passes through, the gradient outside is 0."""
        if math.isinf(self.low) and math.isinf(self.high):
            return value
        low = None if math.isinf(self.low) else self.low
        high = None if math.isinf(self.high) else self.high
        return torch.clamp(value, low, high)

    def __contains__(self, other: "Bounds") -> bool:
        return self.low <= other.low and other.high <= self.high

    def __str__(self) -> str:
        if math.isinf(self.low) and math.isinf(self.high):
            return "any real number"
        if math.isinf(self.high):
            return f"{'>' if self.strict else '≥'} {self.low:g}"
        if math.isinf(self.low):
            return f"{'<' if self.strict else '≤'} {self.high:g}"
        left, right = "()" if self.strict else "[]"
        return f"in {left}{self.low:g}, {self.high:g}{right}"


REAL = Bounds()
POSITIVE = Bounds(0.0, strict=True)
NONNEGATIVE = Bounds(0.0)
