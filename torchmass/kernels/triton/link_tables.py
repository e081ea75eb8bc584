"""The links of a call as Triton kernels read them, tables of connections; and the gradients of their leaves."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels.coupled import Pairs
from torchmass.kernels.step.exchange import DENSE, TOTAL
from torchmass.kernels.triton.connections import DELAYED, Connections, named
from torchmass.kernels.triton.launch import OPTIONS, on
from torchmass.kernels.triton.table import Table
from torchmass.kernels.triton.tiles import AHEAD, WARPS, Tiles, power_of_two


class LinkTables:
    """The links of a call: tables of them, and their gradients."""

    def __init__(self, tiles: Tiles, leaves: Sequence[Tensor]) -> None:
        self.tiles, self.step, self.call = tiles, tiles.step, tiles.call
        self.leaves = leaves[len(tiles.step.leaves) :]
        self.pairs = Pairs(self.step.links, self.leaves, self.call.shape)
        self.all = {
            k: Connections.of(link, self.pairs.pairs[k], tiles.nodes)
            for k, link in enumerate(self.step.links)
            if link.form != TOTAL
        }

    def arguments(self, back: bool) -> dict[str, Any]:
        """What kernels are given of them, forward or transposed."""
        found: dict[str, Any] = {}
        for k, connections in self.all.items():
            found[f"l{k}_EACH"] = not connections.shared
            if self.step.links[k].is_delayed and not back:
                past = self.pairs.pairs[k][2]
                assert past is not None
                strides = {f"before_{k}_row": past.per_row, f"before_{k}_simulation": past.per_simulation}
                found |= {f"before_{k}": past.tensor, **strides}
            for name, given in self._tables(k, connections, back):
                found |= {f"{name}_{part}": one for part, one in given.items()}
        return found

    def _tables(self, k: int, all: Connections, back: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        tiles, link, suffix = self.tiles, self.step.links[k], "_back" if back else ""
        name = named(k, None, suffix)
        if link.form == DENSE:
            square = all.weights.unflatten(-1, (tiles.nodes, tiles.nodes)).permute(*((1, 2, 0) if back else (2, 1, 0)))
            yield name, {"weights": square.contiguous(), "terms": tiles.nodes}
            return
        at, other = (all.source, all.to) if back else (all.to, all.source)
        other = other.to(torch.int32)[None]
        fan = self.call.fans[2 * k + back] if link.is_sparse else tiles.nodes
        most = -(-fan // tiles.few) * tiles.few
        if not link.is_delayed:
            table = Table(at, tiles.nodes, most)
            yield name, {"other": table.spread(other), "weights": table.spread(all.weights), "terms": most}
            return
        # those of the shortest delays come first: of the terms from `near` on all are longer than AHEAD steps
        shortest = all.shortest()
        table = Table(at, tiles.nodes, most, shortest)
        for c in sorted({arrival.c for arrival in self.step.arrivals if arrival.link == k}):
            near = -(-table.reach(shortest - c < AHEAD) // tiles.few) * tiles.few
            terms = torch.stack((near, table.reach(shortest.isfinite())))
            found = (*map(table.spread, (other, *all.samples(c))), terms.to(torch.int32))
            yield named(k, c, suffix), dict(zip(DELAYED, found, strict=True))

    def befores(self, wanted: Sequence[int]) -> list[Tensor | None]:
        """Where the gradient of the past of each link goes, (H, simulations, C, N), if it is wanted."""
        found: list[Tensor | None] = []
        for _, _, place, _ in self.pairs.places:
            past = None if place is None or place not in wanted else self.leaves[place]
            inner = (self.tiles.simulations, *past.shape[-2:]) if past is not None else ()
            found.append(None if past is None else past.new_empty(len(past), *inner))
        return found

    def gradients(
        self, wanted: Sequence[int], path: Tensor, came: Tensor, befores: Sequence[Tensor | None]
    ) -> list[Tensor]:
        """The gradients of the leaves wanted, by place among those of the links."""
        found: dict[int, Tensor] = {}
        for k in self.all:
            weights, lags, before, _ = self.pairs.places[k]
            if weights in wanted or lags in wanted:
                by_place = zip((weights, lags), self._pairs(k, path, came), strict=True)
                found |= {place: value for place, value in by_place if place is not None}
            past = befores[k]
            if before is not None and past is not None:
                found[before] = past.reshape(len(past), *self.call.shape[:-1], *past.shape[-2:])
        pasts = [place for _, _, place, _ in self.pairs.places]
        return [self._fitted(place, found[place], rows=place in pasts) for place in wanted]

    def _fitted(self, place: int, found: Tensor, *, rows: bool) -> Tensor:
        """A gradient in the shape of its leaf, whose first axis is time where it has `rows`."""
        leaf = self.leaves[place]
        ones = (1,) * (found.ndim - leaf.ndim)
        shape = (len(leaf), *ones, *leaf.shape[1:]) if rows else (*ones, *leaf.shape)
        return found.sum_to_size(shape).reshape(leaf.shape).to(leaf.dtype)

    def _pairs(self, k: int, path: Tensor, came: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of weights and of delays in steps, (*b, N, N) or (*b, E)."""
        all, tiles = self.all[k], self.tiles
        some, order = all.possible_first()
        own = 1 if some.shared else tiles.simulations
        to_weights = path.new_zeros(own, len(all.to), dtype=torch.float64)
        to_lags = torch.zeros_like(to_weights)
        for place, arrival in enumerate(self.step.arrivals):
            if arrival.link != k:
                continue
            near, far = self._correlated(k, place, some, path, came)
            if some.lags is None:
                to_weights[:, order] += near
                continue
            _, part = some.read(arrival.c)
            slope = torch.where(some.lags < arrival.c, 1 / arrival.c, 1.0) if arrival.c else 1.0
            to_weights[:, order] += near * (1 - part) + far * part
            to_lags[:, order] += some.weights * slope * (far - near)
        shape = all.to.shape if self.step.links[k].is_sparse else (tiles.nodes, tiles.nodes)
        batch = () if some.shared else self.call.shape[:-1]
        return to_weights.reshape(*batch, *shape), to_lags.reshape(*batch, *shape)

    def _correlated(self, k: int, place: int, some: Connections, path: Tensor, came: Tensor) -> tuple[Tensor, Tensor]:
        """Sums over time of what came back to each connection with what was sent then, and the step before."""
        from torchmass.kernels.triton.device_sums import correlate  # where Triton is there

        tiles, arrival, late = self.tiles, self.step.arrivals[place], some.lags is not None
        own, row = 1 if some.shared else tiles.simulations, tiles.row
        found = path.new_empty(2, tiles.count if some.shared else own, len(some.to), dtype=torch.float64)
        edges = min(power_of_two(len(some.to)), max(1, 32 * WARPS // tiles.lanes))
        back = some.read(arrival.c)[0].expand(own, -1).contiguous() if late else some.to
        channel = [of for link, of, _ in self.step.sends if link == k].index(arrival.channel)
        first = self.call.reach[k] * tiles.channels[k] + channel
        now = tiles.places[f"past_{k}"] + first * row, tiles.channels[k] * row
        waiting = tiles.waiting.index(arrival.label) if arrival.level else 0
        stage = tiles.places["later"] + waiting * row, len(tiles.waiting) * row
        sent = now if late or not arrival.level else stage
        kernel: Any = correlate
        with on(path.device):
            kernel[-(-len(some.to) // edges), tiles.count](
                found, came[place * row :], tiles.places_back["end"], len(self.step.arrivals) * row,
                path[sent[0] :], path[stage[0] :], tiles.places["end"], sent[1], stage[1],
                some.to, some.source, back, some.possible.sum(), len(some.to), tiles.simulations, self.call.steps,
                LANES=tiles.lanes, EDGES=edges, EACH=not some.shared, LATE=late, **OPTIONS,
            )  # fmt: skip
        near, far = found.sum(1, keepdim=True) if some.shared else found
        return near, far
