"""A recursive filter over long signals: blocks of samples at once, the state from block to block."""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

# samples; each costs as many products, a block a step of Python: 100,000 of 80 signals take 0.4 s, in scipy 0.2 to 0.4
BLOCK = 256


class Recursion(NamedTuple):
    """A linear filter over a block: samples x and the state s before to results Dx + Cs and the state Bx + As after.

    Column j of `samples` is what sample j does to the results (D), of `arriving` what it does to the state (B).
    """

    step: Tensor  # (S, S): the state one sample later, without input
    samples: Tensor  # D, (BLOCK, BLOCK), lower triangular
    states: Tensor  # C, (BLOCK, S)
    arriving: Tensor  # B, (S, BLOCK)

    def to(self, device: torch.device) -> "Recursion":
        """The same filter on another device."""
        return Recursion(*(part.to(device) for part in self))

    def __call__(self, s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """The state (S, *b, N) after the samples x, (T, *b, N), and the results, (T, *b, N)."""
        count, size = len(x), min(BLOCK, max(1, len(x)))
        blocks, last = divmod(count, size)
        shape = x.shape[1:]
        padded = torch.cat((x, x.new_zeros(-count % size, *shape))).reshape(-1, size, shape.numel())  # (M, size, ·)
        arriving, step = self.arriving[:, BLOCK - size :] @ padded, torch.linalg.matrix_power(self.step, size)
        before, state = [], s.reshape(len(s), -1)
        for block in arriving[:blocks]:
            before.append(state)
            state = step @ state + block
        if last:
            before.append(state)
            rest = self.arriving[:, BLOCK - last :] @ padded[-1, :last]
            state = torch.linalg.matrix_power(self.step, last) @ state + rest
        found = self.samples[:size, :size] @ padded
        if before:
            found = found + self.states[:size] @ torch.stack(before)
        return state.reshape(-1, *shape), found.reshape(-1, *shape)[:count]


@lru_cache
def recursion(sections: tuple[tuple[float, ...], ...]) -> Recursion:
    """The filter of second-order sections (b0, b1, b2, 1, a1, a2), one after the other, in float64."""
    count = 2 * len(sections)
    # what a step does to each state, and to one sample, is what the filter is
    one = torch.eye(count + 1, dtype=torch.float64, device="cpu")
    after, seen = _stepped(sections, one[:count], one[count])
    step, arrives = after[:, :count], after[:, count]
    states, pushed = [seen[:count]], [arrives]
    for _ in range(BLOCK - 1):
        states.append(states[-1] @ step)
        pushed.append(step @ pushed[-1])
    rows = torch.stack(states)
    response = torch.cat((seen[count:], rows[:-1] @ arrives))
    place = torch.arange(BLOCK, device="cpu")
    lag = place.unsqueeze(1) - place
    samples = torch.where(lag >= 0, response[lag.clamp(min=0)], 0.0)
    return Recursion(step, samples, rows, torch.stack(pushed[::-1], 1))


def _stepped(sections: tuple[tuple[float, ...], ...], s: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """One sample through the sections, in transposed direct form II: the states after it, and the result."""
    after = []
    for (b0, b1, b2, _, a1, a2), first, second in zip(sections, s[::2], s[1::2], strict=True):
        y = b0 * x + first
        after += [b1 * x - a1 * y + second, b2 * x - a2 * y]
        x = y
    return torch.stack(after), x
