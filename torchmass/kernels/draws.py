"""Random draws as pure functions of (seed, step, simulation, node, source), whatever the chunk, batch or backend."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from torchmass.kernels.philox import MASK, philox, uniform

WORDS = 4  # random words in a block: one for each of four steps
STARTS = 1 << 16  # sources from here on draw initial states
STIMULI = 1 << 17  # the source of stimuli, so that the seed of a run may be theirs too
SENSORS = 1 << 18  # and the source of the noise of sensors


def distinct(batch: Sequence[int], candidates: int) -> int:
    """How many simulations of a batch draw numbers of their own.

    `candidates` along the first axis, which are to be compared, draw the same; a batch without that axis holds none.
    """
    count = math.prod(batch)
    return count // candidates if batch and batch[0] == candidates else count


def numbered(batch: Sequence[int], first: int, candidates: int, device: torch.device) -> Tensor:
    """The number by which each simulation of a batch draws, (B,), from `first` on."""
    count, own = math.prod(batch), distinct(batch, candidates)
    numbers = torch.arange(first, first + own, device=device)
    return numbers if own == count else numbers.repeat(count // own)


def _blocks(seed: int, blocks: Tensor, simulations: Tensor, nodes: int, sources: Tensor) -> tuple[Tensor, ...]:
    """Four random words for each node of each simulation, (…, B, N), where blocks and sources are (…, 1, 1)."""
    node = torch.arange(nodes, device=simulations.device)
    counter = torch.broadcast_tensors(node, simulations[:, None], blocks & MASK, sources)
    return philox((counter[0], counter[1], counter[2], counter[3]), (seed & MASK, (seed >> 32) & MASK))


def normals(seed: int, first: int, steps: int, simulations: Tensor, nodes: int, source: int) -> Tensor:
    """Standard normals for `steps` steps from step `first`: (steps, B, N), float64.

    Box–Muller on the word pairs of a block: its words 0, 1 give steps 0, 1 of four, words 2, 3 give steps 2, 3.
    """
    device, start, stop = simulations.device, first // WORDS, (first + steps - 1) // WORDS + 1
    blocks = torch.arange(start, stop, device=device)[:, None, None]
    u = [uniform(word) for word in _blocks(seed, blocks, simulations, nodes, torch.tensor(source, device=device))]
    pairs = []
    for radial, angular in (u[0:2], u[2:4]):
        radius, angle = torch.sqrt(-2 * torch.log(radial)), 2 * math.pi * angular
        pairs += [radius * torch.cos(angle), radius * torch.sin(angle)]
    drawn = torch.stack(pairs, 1).flatten(0, 1)  # (4·blocks, B, N)
    return drawn[first - WORDS * start :][:steps]


def uniforms(seed: int, simulations: Tensor, nodes: int, sources: Sequence[int]) -> Tensor:
    """One number in (0, 1) per source, simulation and node, for a start drawn by its `icdf`: (S, B, N), float64."""
    device = simulations.device
    source = torch.tensor([STARTS + source for source in sources], device=device)[:, None, None]
    return uniform(_blocks(seed, torch.zeros_like(source), simulations, nodes, source)[0])
