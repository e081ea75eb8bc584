"""The recurrent layers that are timed."""

from dataclasses import dataclass, replace
from itertools import product
from typing import Self

CHECKED_SAMPLES = 10


@dataclass(frozen=True)
class RecurrentCase:
    """A layer in float32 that sees `samples` samples of ten numbers, each held for one step, in a batch of `sequences`.

    The loss is the mean square of what it returns, its gradient that of all that the layer learns.
    """

    cell: str
    hidden: int
    sequences: int
    gradient: bool
    samples: int = 200
    inputs: int = 10

    @property
    def title(self) -> str:
        """What it is called in tables."""
        work = "training step" if self.gradient else "forward"
        return f"{self.cell}, {self.hidden} units, {self.sequences} × {self.samples} samples, {work}"

    @property
    def key(self) -> str:
        """What requirements would call it."""
        return f"{self.cell} {self.hidden} × {self.sequences}{' gradient' if self.gradient else ''}"

    @property
    def steps(self) -> int:
        """How many steps it takes."""
        return self.samples

    def shortened(self) -> Self:
        """The samples in which engines are compared."""
        return replace(self, samples=min(self.samples, CHECKED_SAMPLES))


SIZES = [(32, 1), (32, 64), (128, 1), (128, 64), (512, 1), (512, 64)]
CASES = [
    RecurrentCase(cell, *size, gradient)
    for cell, size, gradient in product(("HORN", "Jansen–Rit"), SIZES, (False, True))
]
