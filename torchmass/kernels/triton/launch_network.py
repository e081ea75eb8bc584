"""A call of a network as Triton runs it: the tensors that it writes, and what its kernels are given."""

from collections.abc import Sequence

from torch import Tensor

from torchmass.kernels.call import Call
from torchmass.kernels.coupled import tails
from torchmass.kernels.kernel import KERNELS
from torchmass.kernels.triton.launch import (
    closed,
    contiguous,
    given_gradients,
    numbered,
    places,
    recorded,
    refuse_broken,
)
from torchmass.kernels.triton.launches import launch
from torchmass.kernels.triton.link_tables import LinkTables
from torchmass.kernels.triton.tiles import Tiles


def forward(call: Call, starts: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    """As `call.forward`."""
    kernel, like = KERNELS[call.kernel], starts[0]
    tiles = Tiles(call, kernel, like.itemsize)
    (found, given), last = recorded(call, kernel, starts), tails(call, like)
    memory = like.new_empty(tiles.count * tiles.places["end"])
    given |= numbered("tail", last) | {"memory": memory}
    given |= LinkTables(tiles, leaves).arguments(back=False)
    launch(kernel.module(like.dtype, is_split=tiles.is_split), tiles, leaves, given, back=False)
    return [*found, *last, given["broken"], memory if call.adjoint else like.new_empty(0)]


def adjoint(call: Call, leaves: Sequence[Tensor], path: Tensor, given: Sequence[Tensor | None]) -> list[Tensor]:
    """As `call.adjoint`."""
    kernel, step = KERNELS[call.kernel], KERNELS[call.kernel].step
    tiles, own = Tiles(call, kernel, path.itemsize), sum(i < len(step.leaves) for i in call.wanted)
    links, of_links = LinkTables(tiles, leaves), [i - len(step.leaves) for i in call.wanted[own:]]
    found, arguments = places(call, kernel, path)
    starts, sums, each = found
    came, befores = path.new_empty(tiles.count * tiles.places_back["end"]), links.befores(of_links)
    arguments |= given_gradients(call, len(starts), given)
    arguments |= numbered("g_tail", contiguous(given[len(call.kept) + len(starts) :])) | numbered("g_before", befores)
    arguments |= {"memory": path, "came": came, "horizon": call.horizon or call.steps} | links.arguments(back=True)
    module = kernel.module(path.dtype, call.wanted, is_split=tiles.is_split)
    run = lambda given: launch(module, tiles, leaves, given, back=True)
    run(arguments)
    of_nodes = closed(call, kernel, leaves, found, arguments["parts"])
    pairs = links.gradients(of_links, path, came, befores)
    refuse_broken(call, kernel, sums, [*starts, *each, *pairs], arguments, run)
    return [*starts, *of_nodes, *pairs]
