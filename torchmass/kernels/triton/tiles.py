"""The tiles of simulations that programs take through time, and what a tile has in memory."""

from functools import cached_property
from math import prod
from typing import Any

from torchmass.kernels.call import Call
from torchmass.kernels.kernel import Kernel
from torchmass.kernels.step.step_code import StepCode

WARPS = 4  # of a program with up to 128 nodes: one for each scheduler of a multiprocessor
REGISTERS = 160  # of the 255 of a thread, that may hold what stays there over all of time
TERMS, DELAYED_TERMS = 16, 4  # of sums that a thread takes at once; with more of the latter its registers spill
AHEAD = 8  # steps of which sums are taken at once where delays are longer
PROGRAMS = 256  # that keep a card busy


class Tiles:
    """The tiles of simulations of a call, and what a tile has in memory."""

    def __init__(self, call: Call, kernel: Kernel, itemsize: int) -> None:
        self.call, self.step = call, kernel.step
        self.nodes, self.simulations = call.shape[-1], prod(call.shape[:-1])
        self.padded = power_of_two(self.nodes)
        self.warps = max(WARPS, min(16, self.padded // 32))
        threads = 32 * self.warps
        each = self._each(kernel.code(None), itemsize * (2 if call.adjoint else 1))  # the way back holds gradients too
        most = min(threads * each // self.padded, self.simulations // PROGRAMS)
        self.lanes = 1 << max(1, most).bit_length() - 1
        each = DELAYED_TERMS if any(link.is_delayed for link in self.step.links) else TERMS
        terms = each * threads // (self.padded * self.lanes)
        self.few, self.few_far = (max(1, min(self.padded, count)) for count in (terms, terms // AHEAD))
        self.count = -(-self.simulations // self.lanes)
        self.row = self.nodes * self.lanes
        self.channels = [sum(link == of for of, *_ in self.step.sends) for link in range(len(self.step.links))]
        self.waiting = [arrival.label for arrival in self.step.arrivals if arrival.level]

    @staticmethod
    def _each(code: StepCode, itemsize: int) -> int:
        """How many nodes a thread has room for."""
        numbers = len(code.held) + 4 * len(code.step.drives) + 3 * len(code.step.states) + 8
        return max(1, REGISTERS * 4 // (numbers * itemsize))

    @cached_property
    def places(self) -> dict[str, int]:
        """Where everything begins, in numbers, and how long all of it is."""
        steps, arrivals = self.call.steps if self.call.adjoint else 0, len(self.step.arrivals)
        rows = {
            "states": (steps + 1) * len(self.step.states) if steps else 0,
            "met": steps * arrivals,
            "later": (steps or 1) * len(self.waiting),
            "ahead": AHEAD * arrivals,
        }
        rows |= {f"past_{k}": self.ring(k) * channels for k, channels in enumerate(self.channels)}
        return _laid(rows, self.row)

    @cached_property
    def places_back(self) -> dict[str, int]:
        """The same of what the way back writes."""
        arrivals = len(self.step.arrivals)
        return _laid({"came": self.call.steps * arrivals, "ahead_back": AHEAD * arrivals}, self.row)

    def ring(self, link: int) -> int:
        """How many rows of what a link sends there are: all, or a power of two of them."""
        reach = self.call.reach[link]
        return reach + self.call.steps if self.call.adjoint else power_of_two(reach + 2) if reach else 1

    @property
    def numbers(self) -> dict[str, Any]:
        """All of this as the kernels take it."""
        found: dict[str, Any] = {name: place for name, place in self.places.items() if name != "end"}
        for link, reach in enumerate(self.call.reach):
            found |= {f"reach_{link}": reach, f"ring_{link}": -1 if self.call.adjoint else self.ring(link) - 1}
        found |= {"ahead_back": self.places_back["ahead_back"], "came_size": self.places_back["end"]}
        found |= {f"tail_{k}_rows": rows for k, rows in enumerate(self.call.tails[1::2])}
        found |= {"size": self.places["end"], "NODES": self.padded, "LANES": self.lanes}
        found |= {"FEW": self.few, "FEW_FAR": self.few_far}
        return found | {"AHEAD": AHEAD, "WHOLE": self.call.adjoint}


def power_of_two(count: int) -> int:
    """The next power of two."""
    return 1 << max(0, count - 1).bit_length()


def _laid(rows: dict[str, int], row: int) -> dict[str, int]:
    """Where each of some blocks of rows begins, one after the other, and where all end."""
    places, at = {}, 0
    for name, count in rows.items():
        places[name] = at
        at += count * row
    return places | {"end": at}
