"""Call: one run of a kernel, in numbers; and how it reaches the generated code."""

from collections.abc import Callable, Sequence
from functools import partial
from math import isfinite, prod
from typing import NamedTuple

import torch
from torch import Tensor

from torchmass.kernels.coupled import (
    Crew,
    Gradients,
    Pairs,
    crew,
    leaves_of_links,
    point_tails,
    tails,
    whose_are_soon,
)
from torchmass.kernels.cpp.native import Native, laid_out
from torchmass.kernels.cpp.pool import empty
from torchmass.kernels.cpp.team import team
from torchmass.kernels.finite import lost_gradient, nonfinite_gradient
from torchmass.kernels.kernel import KERNELS, PADDING, Kernel
from torchmass.kernels.triton.statements import BLOCK
from torchmass.undefined import tolerance

WORK_OF_A_THREAD = 100_000  # ns that make up for waking a thread
NANOSECONDS = 0.02  # of one operation on one lane
LINE = 64  # bytes of the cache, in which a kernel reads what was written down whole


class Call(NamedTuple):
    """What is computed, in numbers alone, so that it can be an argument of an operator of torch."""

    kernel: str
    shape: tuple[int, ...]  # of a state, (*b, N)
    dt: float
    steps: int
    first_step: int
    first_simulation: int
    simulations: int  # of one member of a vmap: all its members draw the same numbers
    transient: int
    every: int
    seed: int  # of 64 bits, as torch's operators take them: with a sign
    interval: int  # steps between the states that are kept for the adjoint
    horizon: int  # steps over which gradients are carried; 0: all
    kept: tuple[int, ...]  # the states that are recorded, by place; outputs come after the last
    wanted: tuple[int, ...]  # the leaves whose gradient is wanted
    adjoint: bool  # whether the path is kept
    reach: tuple[int, ...] = ()  # of each link: the steps of the past that it needs
    soon: tuple[int, ...] = ()  # of each link: who has delays of a few steps, see `coupled`; (): nobody has looked
    fans: tuple[int, ...] = ()  # of each link of few pairs: the most that come to a node and that leave one, in Triton
    tails: tuple[int, ...] = ()  # the signals whose last rows are kept: which, how many rows, which, how many rows, …
    engine: str = "cpp"  # or "triton"

    @property
    def rows(self) -> int:
        """How many rows are recorded."""
        return max(0, -(-(self.steps - self.transient) // self.every))  # the length of a range is no symbol

    @property
    def lanes(self) -> int:
        """All nodes of all simulations, in whole vectors, or in whole programs of a GPU."""
        width = PADDING if self.engine == "cpp" else BLOCK
        return -(-prod(self.shape) // width) * width

    def path_size(self, states: int) -> int:
        """How many numbers are kept for the adjoint."""
        return -(-self.steps // self.interval) * states * self.lanes if self.adjoint else 0


def shared(call: Call, kernel: Kernel, leaves: Sequence[Tensor], wanted: Sequence[int] | None) -> Crew:
    """Who shares a simulation of a network, or the nodes that have none; forward where nothing is wanted."""
    if not kernel.step.links:
        return Crew(torch.get_num_threads(), is_early=False)
    of_links, wanted_of_links = _of_links(call, kernel, leaves)
    soon = call.soon or [whose_are_soon(*own) for own in leaves_of_links(kernel.step.links, of_links)]
    return crew(kernel.step, call.shape[-1], soon, wanted_of_links, wanted is not None)


def threads(call: Call, kernel: Kernel, wanted: Sequence[int] | None, crew: Crew) -> int:
    """How many threads a call is worth, at most those that torch may use."""
    cost = kernel.code(wanted).cost + call.shape[-1] * len(kernel.step.links)
    nanoseconds = call.steps * prod(call.shape) * cost * NANOSECONDS
    most = min(torch.get_num_threads(), prod(call.shape[:-1]) * crew.most)
    return max(1, min(most, int(nanoseconds / WORK_OF_A_THREAD)))


def _native(call: Call, kernel: Kernel, leaves: Sequence[Tensor], wanted: Sequence[int] | None) -> Native:
    numbers = (call.steps, call.first_step, call.first_simulation, call.transient, call.every, call.interval)
    sizes, crew = (prod(call.shape), call.shape[-1], call.simulations), shared(call, kernel, leaves, wanted)
    many = threads(call, kernel, wanted, crew)
    native = Native(*sizes, *numbers, call.horizon, many, crew.is_early, seed=call.seed, dt=call.dt)
    native.run.team = team()
    constants = len(kernel.step.constants)
    own = leaves[: len(kernel.step.leaves)]
    laid = [laid_out(leaf, i >= constants, call.shape) for i, leaf in enumerate(own)]
    native.point(leaf=[view for view, *_ in laid])
    native.list("stride", (stride for _, *strides in laid for stride in strides))
    if kernel.step.links:
        of_links, wanted_of_links = _of_links(call, kernel, leaves)
        Pairs(kernel.step.links, of_links, call.shape).point(native, call.reach, wanted_of_links)
    return native


def _of_links(call: Call, kernel: Kernel, leaves: Sequence[Tensor]) -> tuple[Sequence[Tensor], list[int]]:
    """The leaves of links, and which of them have a gradient."""
    count = len(kernel.step.leaves)
    return leaves[count:], [i - count for i in call.wanted]


def forward(call: Call, starts: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    """The rows that are kept, (T, *b, N) each, ends, tails, whether any is not finite, and the path for the adjoint."""
    run, found = prepared(call, starts, leaves)
    run()
    return found


def prepared(call: Call, starts: Sequence[Tensor], leaves: Sequence[Tensor]) -> tuple[Callable[[], None], list[Tensor]]:
    """The call of the generated code alone, any number of times, and the tensors that it writes."""
    kernel, dtype = KERNELS[call.kernel], starts[0].dtype
    rows = [empty((call.rows, *call.shape), dtype) for _ in call.kept]
    end = [start.new_empty(call.shape) for start in starts]
    native, placed = _native(call, kernel, leaves, None), dict(zip(call.kept, rows, strict=True))
    library, size, last = kernel.library(dtype), call.path_size(len(starts)), tails(call, starts[0])
    if kernel.step.links:
        point_tails(native, call, last, "tail")
        size = prod(call.shape[:-1]) * native.size(library) if call.adjoint else 0
    path, broken = empty((size,), dtype), starts[0].new_zeros(1, dtype=torch.int32)
    out = [placed.get(k) for k in range(len(starts) + len(kernel.step.outputs))]
    native.point(x0=[start.contiguous() for start in starts], out=out, end=end, broken=broken)
    if call.adjoint:
        native.point(path=path)
    return partial(native.call, library.forward), [*rows, *end, *last, broken, path]


def adjoint(call: Call, leaves: Sequence[Tensor], path: Tensor, given: Sequence[Tensor | None]) -> list[Tensor]:
    """The gradients of the starts and of the wanted leaves, from those of the rows and of the ends, where given."""
    kernel, dtype, states = KERNELS[call.kernel], path.dtype, len(KERNELS[call.kernel].step.states)
    path = path if path.data_ptr() % LINE == 0 else path.clone()  # as hooks of saved tensors may have laid it
    given = [None if gradient is None else gradient.contiguous() for gradient in given]
    rows = dict(zip(call.kept, given, strict=False))
    # those that are constant in time come first, then inputs that are not, then what links have
    constants, own = (
        sum(i < len(labels) for i in call.wanted) for labels in (kernel.step.constants, kernel.step.leaves)
    )
    sums = path.new_empty(constants, *call.shape, dtype=torch.float64)
    each = [empty((call.steps, *call.shape), dtype) for _ in call.wanted[constants:own]]
    starts = [path.new_empty(call.shape) for _ in range(states)]
    native = _native(call, kernel, leaves, call.wanted)
    code = kernel.code(call.wanted)
    tiles = native.run.threads * code.width * -(-call.interval // code.tile)
    scratch = path.new_empty(tiles * states * PADDING)
    native.point(g_out=[rows.get(k) for k in range(states + 1)], g_end=given[len(call.kept) :], g_x0=starts)
    lost = path.new_full((1,), -1, dtype=torch.int64)
    native.point(path=path, scratch=scratch, sums=sums, each=each, lost=lost)
    pairs = Gradients(native, call, kernel.step, leaves, given[len(call.kept) + states :])
    native.call(kernel.library(dtype, call.wanted).adjoint)
    totals = sums.flatten(1).sum(1).to(dtype)
    refuse_nonfinite_gradient(call, kernel, int(lost), totals)
    by_lane = zip(call.wanted, sums, totals.unbind(), strict=False)  # those that change in time are left over
    found = [summed(call, leaves[i], gradient, total) for i, gradient, total in by_lane]
    found += [summed_steps(call, leaves[i], steps) for i, steps in zip(call.wanted[constants:own], each, strict=True)]
    found += [pairs.found(i - len(kernel.step.leaves)) for i in call.wanted[own:]]
    return [*starts, *found]


def refuse_nonfinite_gradient(call: Call, kernel: Kernel, lost: int, totals: Tensor) -> None:
    """Raise a `NonFiniteError` if a gradient broke at a state, as `Run.lose` says, or a total is not finite."""
    if tolerance()[1]:
        return
    if lost >= 0:
        step, back = divmod(lost, len(kernel.step.states))
        end, last = call.first_step + step + 1, step == call.steps - 1
        raise lost_gradient(_wanted_names(call, kernel), kernel.step.states[-1 - back], end, call.dt, last)
    wrong = [place for place, total in enumerate(totals.tolist()) if not isfinite(total)]
    if wrong:
        raise nonfinite_gradient(_wanted_names(call, kernel)[wrong[0]])


def _wanted_names(call: Call, kernel: Kernel) -> list[str]:
    """What the leaves whose gradient is wanted are called."""
    step = kernel.step
    names = [*(step.titles[name] for name in step.leaves), *step.pairs]
    return [names[i] for i in call.wanted]


def summed(call: Call, leaf: Tensor, gradient: Tensor, total: Tensor) -> Tensor:
    """The gradient of a leaf in its own shape, from that of every lane and their total."""
    if leaf.numel() == 1:
        return total.to(leaf.dtype, copy=True).reshape(leaf.shape)
    shape = (1,) * (len(call.shape) - leaf.ndim) + tuple(leaf.shape)
    return gradient.sum_to_size(shape).reshape(leaf.shape).to(leaf.dtype, copy=True)  # no view of all sums


def summed_steps(call: Call, leaf: Tensor, gradient: Tensor) -> Tensor:
    """The same for an input that changes in time, from the gradient of every step and lane."""
    shape = (leaf.shape[0], *(1,) * (len(call.shape) + 1 - leaf.ndim), *leaf.shape[1:])
    return gradient.sum_to_size(shape).reshape(leaf.shape)
