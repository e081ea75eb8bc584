"""What nodes of a tile of simulations receive from each other, in Triton: sums over what they sent, forward and back.

What is sent lies in memory, [row][node][lane]: a row is what one channel of a link sends in one step, or what comes
back to an arrival in one. A barrier lies between those who write and those who read. `here` is where a program is: its
nodes, (nodes, 1), its lanes, (1, lanes), their simulations, and how many nodes and simulations there are.

What depends on pairs of nodes lies in tables, (terms, nodes, 1), or, where simulations have their own (`EACH`), (terms,
nodes, simulations). Sums go over `terms`, from the first to before the last, and take `FEW` of every node at once.
"""

import triton
import triton.language as tl

from torchmass.kernels.triton.device import load, load_where


@triton.jit
def meet():
    """What a program wrote before is there for all of it after."""
    tl.debug_barrier()


@triton.jit
def place_of(term, here, EACH: tl.constexpr):
    """Where terms lie in a table."""
    node, _, simulation, nodes, simulations, _ = here
    place = term * nodes + node[None, :, :]
    if EACH:
        place = place.to(tl.int64) * simulations + simulation[None, :, :]
    return place


@triton.jit
def product(memory, row, table, terms, here, FEW: tl.constexpr, EACH: tl.constexpr):
    """Σ_j weights[j][i] · row[j]."""
    weights, (node, lane, _, nodes, _, once) = table[0], here
    total = tl.zeros([node.shape[0], lane.shape[1]], memory.dtype.element_ty)
    for first in range(0, nodes, FEW):
        j = first + tl.arange(0, FEW)[:, None, None]
        weight = load_where(weights + place_of(j, here, EACH), j < nodes, once)
        total += tl.sum(weight * load_where(memory + row + j * lane.shape[1] + lane[None, :, :], j < nodes, once), 0)
    return total


@triton.jit
def sparse(memory, row, table, terms, here, FEW: tl.constexpr, EACH: tl.constexpr):
    """Σ_k weights[k][i] · row[other[k][i]]; a weight of 0 reads nothing."""
    (other, weights), (node, lane, _, nodes, _, once) = table, here
    total = tl.zeros([node.shape[0], lane.shape[1]], memory.dtype.element_ty)
    for first in range(terms[0], terms[1], FEW):
        term = first + tl.arange(0, FEW)[:, None, None]
        j = load(other + term * nodes + node[None, :, :], once) * lane.shape[1] + lane[None, :, :]
        weight = load(weights + place_of(term, here, EACH), once)
        total += tl.sum(weight * load_where(memory + row + j, weight != 0, once), 0)
    return total


@triton.jit
def within(memory, row, table, terms, here, FEW: tl.constexpr, EACH: tl.constexpr):
    """The part of the sums of `late`, or of their adjoint, that is of what is sent within the step: −1 steps ago."""
    (other, back, near, _), (node, lane, _, nodes, _, once) = table, here
    total = tl.zeros([node.shape[0], lane.shape[1]], memory.dtype.element_ty)
    for first in range(terms[0], terms[1], FEW):
        term = first + tl.arange(0, FEW)[:, None, None]
        place = place_of(term, here, EACH)
        j = load(other + term * nodes + node[None, :, :], once) * lane.shape[1] + lane[None, :, :]
        one, ago = load(near + place, once), load(back + place, once)
        total += tl.sum(one * load_where(memory + row + j, (one != 0) & (ago < 0), once), 0)
    return total


@triton.jit
def late(
    memory, past, table, terms, here, FEW: tl.constexpr, EACH: tl.constexpr, STEPS: tl.constexpr, WHOLE: tl.constexpr
):
    """Σ_k near[k][i] · row(t − back[k][i])[other[k][i]] + far[k][i] · the row before, of STEPS steps t.

    Rows are counted up to `ring`, a power of two less 1, and then from 0 again; or on and on, where all are kept.
    """
    (first_row, apart, now, ring), (other, back, near, far) = past, table
    node, lane, _, nodes, _, once = here
    ring = ring.to(tl.int32)
    then = 0 if WHOLE else now.to(tl.int32) & ring
    memory += first_row + now * apart if WHOLE else first_row
    total = tl.zeros([STEPS, node.shape[0], lane.shape[1]], memory.dtype.element_ty)
    for first in range(terms[0], terms[1], FEW):
        term = first + tl.arange(0, FEW)[:, None, None]
        place = place_of(term, here, EACH)
        j = load(other + term * nodes + node[None, :, :], once) * lane.shape[1] + lane[None, :, :]
        ago, one, two = load(back + place, once)[None], load(near + place, once)[None], load(far + place, once)[None]
        row = then + tl.arange(0, STEPS)[:, None, None, None] - ago
        total += tl.sum(one * load_where(memory + (row & ring) * apart + j[None], (one != 0) & (ago >= 0), once), 1)
        total += tl.sum(two * load_where(memory + (row - 1 & ring) * apart + j[None], two != 0, once), 1)
    return total


@triton.jit
def late_back(memory, came, table, terms, here, FEW: tl.constexpr, EACH: tl.constexpr, STEPS: tl.constexpr):
    """The adjoint of `late`: the gradients of what was sent in STEPS steps t, up to where gradients are cut."""
    (first_row, apart, now, horizon), (other, back, near, far) = came, table
    node, lane, _, nodes, _, once = here
    step = tl.arange(0, STEPS)[:, None, None, None]
    end = tl.minimum((tl.maximum(now + step, 0) // horizon + 1) * horizon - now, 1 << 30).to(tl.int32)
    begin = tl.maximum(-now, 0).to(tl.int32)
    memory += first_row + now * apart
    total = tl.zeros([STEPS, node.shape[0], lane.shape[1]], memory.dtype.element_ty)
    for first in range(terms[0], terms[1], FEW):
        term = first + tl.arange(0, FEW)[:, None, None]
        place = place_of(term, here, EACH)
        i = load(other + term * nodes + node[None, :, :], once) * lane.shape[1] + lane[None, :, :]
        ago, one, two = load(back + place, once)[None], load(near + place, once)[None], load(far + place, once)[None]
        row = step + ago
        reads = (one != 0) & (ago >= 0) & (row >= begin) & (row < end)
        total += tl.sum(one * load_where(memory + row * apart + i[None], reads, once), 1)
        reads = (two != 0) & (row + 1 >= begin) & (row + 1 < end)
        total += tl.sum(two * load_where(memory + (row + 1) * apart + i[None], reads, once), 1)
    return total


@triton.jit
def altogether(value, exists):
    """Σ_j value[j], for all nodes, which are those of the program."""
    total = tl.sum(tl.where(exists, value.to(tl.float64), 0.0), 0, keep_dims=True)
    return tl.broadcast_to(total.to(value.dtype), value.shape)


@triton.jit
def everywhere(memory, row, here):
    """Σ_j row[j], of all nodes of the network, for those of the program."""
    node, lane, _, nodes, _, once = here
    total = tl.zeros([1, lane.shape[1]], tl.float64)
    for first in range(0, nodes, node.shape[0]):
        j = first + tl.arange(0, node.shape[0])[:, None]
        sent = load_where(memory + row + j * lane.shape[1] + lane, j < nodes, once)
        total += tl.sum(sent.to(tl.float64), 0, keep_dims=True)
    return tl.broadcast_to(total.to(memory.dtype.element_ty), [node.shape[0], lane.shape[1]])


@triton.jit(do_not_specialize=["edges", "simulations", "steps"])
def correlate(
    found, came, came_tile, came_step, sent, stage, sent_tile, sent_step, stage_step, to, source, back, count,
    edges, simulations, steps, LANES: tl.constexpr, EDGES: tl.constexpr, EACH: tl.constexpr, LATE: tl.constexpr,
):  # fmt: skip
    """Σ_t came(t)[to] · sent(t − back)[source] of each connection and, where LATE, the same with the step before that.

    Of the first `count` connections, which lies in memory; it is 0 for the others.
    `found` is (2, simulations, edges) where each simulation has its own, else (2, tiles, edges): a program writes sums
    of its own, in double, so that they do not depend on who comes first.
    """
    tile = tl.program_id(1).to(tl.int64)  # the edges may be more than there are programs along a second axis
    edge = tl.program_id(0) * EDGES + tl.arange(0, EDGES)[:, None]
    simulation = tile * LANES + tl.arange(0, LANES)[None, :]
    live, count = (edge < edges) & (simulation < simulations), tl.load(count)
    reads = live & (edge < count)
    edge, simulation = tl.minimum(edge, edges - 1), tl.minimum(simulation, simulations - 1)
    i = tile * came_tile + tl.load(to + edge) * LANES + tl.arange(0, LANES)[None, :]
    j = tile * sent_tile + tl.load(source + edge) * LANES + tl.arange(0, LANES)[None, :]
    near = tl.zeros([EDGES, LANES], tl.float64)
    far = tl.zeros([EDGES, LANES], tl.float64)
    ago = tl.zeros([EDGES, LANES], tl.int64)
    if LATE:
        ago += tl.load(back + (simulation * edges + edge if EACH else edge))
    for t in range(0, tl.where(tl.program_id(0) * EDGES < count, steps, 0)):
        one = tl.load(came + t * came_step + i, mask=reads, other=0).to(tl.float64)
        row = tl.where(ago < 0, stage + t * stage_step, sent + (t - ago) * sent_step)
        near += one * tl.load(row + j)
        if LATE:
            far += one * tl.load(sent + (t - ago - 1) * sent_step + j)
    if EACH:
        tl.store(found + simulation * edges + edge, near, mask=live)
        tl.store(found + (simulations + simulation) * edges + edge, far, mask=live)
    else:
        edge = tl.program_id(0) * EDGES + tl.arange(0, EDGES)
        tl.store(found + tile * edges + edge, tl.sum(near, 1), mask=edge < edges)
        tl.store(found + (tl.num_programs(1) + tile) * edges + edge, tl.sum(far, 1), mask=edge < edges)
