"""The tiles of simulations that programs take through time, all nodes or a block, and what a tile has in memory."""

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
MOST, LEAST = 2048, 32  # nodes of a program that has all of them; and of one that has not: a line of memory of weights


class Tiles:
    """The tiles of simulations of a call, which blocks of their nodes programs have, and what a tile has in memory."""

    def __init__(self, call: Call, kernel: Kernel, itemsize: int) -> None:
        self.call, self.kernel, self.step = call, kernel, kernel.step
        self.nodes, self.simulations = call.shape[-1], prod(call.shape[:-1])
        self.is_split = is_split(self.nodes)
        self.warps = WARPS if self.is_split else max(WARPS, min(16, power_of_two(self.nodes) // 32))
        threads = 32 * self.warps
        each = self._each(kernel.code(None), itemsize * (2 if call.adjoint else 1))  # the way back holds gradients too
        self.padded, self.lanes = (self._block if self.is_split else self._whole)(threads * each)
        self.blocks = -(-self.nodes // self.padded)
        each = DELAYED_TERMS if any(link.is_delayed for link in self.step.links) else TERMS
        terms = each * threads // (self.padded * self.lanes)
        self.few, self.few_far = (max(1, min(power_of_two(self.nodes), count)) for count in (terms, terms // AHEAD))
        self.count = -(-self.simulations // self.lanes)
        self.row = self.nodes * self.lanes
        self.channels = [sum(link == of for of, *_ in self.step.sends) for link in range(len(self.step.links))]
        self.waiting = [arrival.label for arrival in self.step.arrivals if arrival.level]
        self.stages = 1 + max((arrival.level for arrival in self.step.arrivals), default=0)

    def _whole(self, room: int) -> tuple[int, int]:
        """The nodes and simulations of a program that has all nodes: no more than leave enough programs."""
        nodes = power_of_two(self.nodes)
        return nodes, _power_within(min(room // nodes, self.simulations // PROGRAMS))

    def _block(self, room: int) -> tuple[int, int]:
        """The same of one that has not: simulations first, which share weights, and then no more nodes than that."""
        lanes = _power_within(min(room // LEAST, self.simulations))
        share = min(room, self.nodes * self.simulations // PROGRAMS) // lanes
        return max(LEAST, _power_within(share)), lanes

    @staticmethod
    def _each(code: StepCode, itemsize: int) -> int:
        """How many nodes a thread has room for."""
        numbers = len(code.held) + 4 * len(code.step.drives) + 3 * len(code.step.states) + 8
        return max(1, REGISTERS * 4 // (numbers * itemsize))

    @cached_property
    def places(self) -> dict[str, int]:
        """Where everything begins, in numbers, and how long all of it is."""
        adjoint, arrivals = self.call.adjoint, len(self.step.arrivals)
        steps = self.call.steps if adjoint else int(self.is_split)
        rows = {
            "states": (steps + adjoint) * len(self.step.states),
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
        rows = {"came": self.call.steps * arrivals, "ahead_back": AHEAD * arrivals}
        rows |= {"gradients": len(self.step.states), "later_back": len(self.waiting)} if self.is_split else {}
        return _laid(rows, self.row)

    def ring(self, link: int) -> int:
        """How many rows of what a link sends there are: all, or a power of two of them.

        Where programs go on by themselves, a row that others still read is not yet written anew.
        """
        reach, split = self.call.reach[link], self.is_split
        if self.call.adjoint:
            return reach + self.call.steps + split
        return power_of_two(reach + 2 + AHEAD * split) if reach else 1 + split

    @property
    def numbers(self) -> dict[str, Any]:
        """All of this as the kernels take it."""
        found: dict[str, Any] = {name: place for name, place in self.places.items() if name != "end"}
        for link, reach in enumerate(self.call.reach):
            found |= {f"reach_{link}": reach, f"ring_{link}": -1 if self.call.adjoint else self.ring(link) - 1}
        back = {name: place for name, place in self.places_back.items() if name not in ("came", "end")}
        found |= back | {"came_size": self.places_back["end"]}
        found |= {f"tail_{k}_rows": rows for k, rows in enumerate(self.call.tails[1::2])}
        found |= {"size": self.places["end"], "NODES": self.padded, "LANES": self.lanes}
        found |= {"FEW": self.few, "FEW_FAR": self.few_far}
        return found | {"AHEAD": AHEAD, "WHOLE": self.call.adjoint}


def is_split(nodes: int) -> bool:
    """Whether a network has more nodes than a program holds."""
    return nodes > MOST


def power_of_two(count: int) -> int:
    """The next power of two."""
    return 1 << max(0, count - 1).bit_length()


def _power_within(count: int) -> int:
    """The last power of two up to it, or 1."""
    return 1 << max(1, count).bit_length() - 1


def _laid(rows: dict[str, int], row: int) -> dict[str, int]:
    """Where each of some blocks of rows begins, one after the other, and where all end."""
    places, at = {}, 0
    for name, count in rows.items():
        places[name] = at
        at += count * row
    return places | {"end": at}
