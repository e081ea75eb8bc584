"""The launches that take a network through time: one, or many where it has more nodes than a program holds."""

from collections.abc import Iterator, Sequence
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels.coupled import Pairs
from torchmass.kernels.step.exchange import LATE
from torchmass.kernels.triton.launch import arguments, launched, options
from torchmass.kernels.triton.tiles import AHEAD, Tiles
from torchmass.undefined import truth


def launch(module: ModuleType, tiles: Tiles, leaves: Sequence[Tensor], given: dict[str, Any], *, back: bool) -> None:
    """Run a network with the kernels of a module, or its adjoint; each takes what it asks for of what is given."""
    every = arguments(tiles.call, tiles.step, leaves) | tiles.numbers | {"begin": 0, "end": 0} | given
    held = cache(lambda name: {argument: every[argument] for argument in getattr(module, name).arg_names})
    grid, device = (tiles.count, tiles.blocks), given["memory"].device
    how = options(tiles.call, tiles.kernel, tiles.warps)
    for name, numbers in launches(tiles, leaves, back):
        launched(getattr(module, name), grid, how, held(name) | numbers, device)


def launches(tiles: Tiles, leaves: Sequence[Tensor], back: bool) -> Iterator[tuple[str, dict[str, int]]]:
    """The kernels in their order, and which steps those of a stage have, and which row they meet first."""
    if not tiles.is_split:
        yield "adjoint" if back else "forward", {}
        return
    call, together, way = tiles.call, _together(tiles, leaves), "_back" if back else ""
    yield f"start{way}", {}
    begins = range(0, call.steps, together)
    for begin in reversed(begins) if back else begins:
        end = min(begin + together, call.steps)
        row = (end - 1 - call.transient) // call.every if back else max(0, -(-(begin - call.transient) // call.every))
        numbers = {"begin": begin, "end": end, "row": row, "due": call.transient + row * call.every}
        yield from ((f"stage_{stage}{way}", numbers) for stage in range(tiles.stages))
    if back:
        yield "finish_back", {}


def _together(tiles: Tiles, leaves: Sequence[Tensor]) -> int:
    """How many steps a launch has: one, or where all is delayed those in which nothing arrives that is sent in them.

    A power of two up to `AHEAD`, for as many of which sums are known. One while a CUDA graph is captured, where values
    cannot be seen.
    """
    step, together = tiles.step, 1
    if any(link.form != LATE for link in step.links):
        return together
    pairs = Pairs(step.links, leaves[len(step.leaves) :], tiles.call.shape).pairs
    whole = torch.stack([_shortest(*pairs[arrival.link][:2]) - arrival.c for arrival in step.arrivals]).min()
    while together < AHEAD and truth(whole >= 2 * together - 1):
        together *= 2
    return together


def _shortest(weights: Any, lags: Any) -> Tensor:
    """The shortest delay of a link, in steps, of pairs that have a weight."""
    return torch.where(weights.tensor != 0, lags.tensor, torch.inf).min()
