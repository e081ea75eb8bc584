"""The repetition time of a scanner."""

from torchmass.observe.observer import Observer
from torchmass.result import Quantity
from torchmass.values import whole_steps

LEAST = 100.0  # ms; 0.72 or 2 is meant in seconds


class Scanned(Observer):
    """What is seen of blood, a change relative to rest: a row for each sample, or the last of every `tr` ms."""

    tr: float | None

    def samples(self, dt: float) -> int:
        """How many samples a row stands for."""
        return 1 if self.tr is None else whole_steps("tr", self.tr, dt, least=1)

    def spacing(self, dt: float) -> float:
        return self.samples(dt) * dt

    def quantity(self, seen: Quantity, dt: float) -> Quantity:
        return seen._replace(unit="")


def checked_tr(tr: float | None) -> float | None:
    """A repetition time in ms, or None; raises a `ValueError` for one that was meant in seconds."""
    if tr is not None and not LEAST <= tr < float("inf"):
        meant = f"; {tr} s are tr={1000 * tr:g}" if 0 < tr < LEAST else ""
        raise ValueError(f"tr is in ms, at least {LEAST:g} and finite, got {tr}{meant}.")
    return None if tr is None else float(tr)
