"""Where a run starts: the start of every state, its batch axes, and the random numbers it goes on with."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from torchmass.columns import Columns
from torchmass.dynamics import Dynamics, batch_shape
from torchmass.integrators import Values
from torchmass.kernels.draws import numbered, uniforms
from torchmass.run_state import RunState
from torchmass.values import checked_seed, whole

Starts = Mapping[str, Tensor | Distribution]


class DrawnStart(Distribution):
    """A start that some of the nodes draw, the `number`-th of their model, as they would in a network of their own."""

    def __init__(self, start: Distribution, columns: Columns, number: int) -> None:
        super().__init__(validate_args=False)
        self.start, self.columns, self.number = start, columns, number

    def icdf(self, value: Tensor) -> Tensor:
        """The start of every node, (*b, N), for a number in (0, 1) of each."""
        found = self.columns.spread(self.start.icdf(self.columns.own(value)))
        return found.expand(*found.shape[:-1], value.shape[-1])

    def __repr__(self) -> str:
        return repr(self.start)


def batch_axes(dynamics: Dynamics, starts: Starts, inputs: Values, batch_size: int | None) -> tuple[int, ...]:
    """The batch axes of a run: what parameters, starts, inputs and `batch_size` broadcast to."""
    values = [start for start in starts.values() if isinstance(start, Tensor)] + [u[0] for u in inputs]
    if batch_size is None:
        return batch_shape(dynamics, *values)
    batch = batch_shape(dynamics, *values, torch.empty(whole("batch_size", batch_size), 1))
    if batch[-1] != batch_size:
        raise ValueError(
            f"batch_size={batch_size} does not fit the batch axes {batch} of parameters, start and inputs."
        )
    return batch


def place(
    starts: Starts, shape: tuple[int, ...], seed: int | None, first: int, like: Tensor, candidates: int = 1
) -> Values:
    """Every start as a tensor of `shape`, (*b, N); distributions are drawn from the run's own counters."""
    found: dict[str, Any] = dict(starts)
    numbers = {
        name: start.number if isinstance(start, DrawnStart) else i
        for i, (name, start) in enumerate(starts.items())
        if not isinstance(start, Tensor)
    }
    if numbers:
        if seed is None:
            raise ValueError(f"the start of {next(iter(numbers))} is a distribution: give a seed to draw from it.")
        simulations = numbered(shape[:-1], first, candidates, like.device)
        u = uniforms(seed, simulations, shape[-1], [*numbers.values()]).to(like.dtype)
        # in float32 an end of the unit interval is within rounding, and infinite for a normal distribution
        margin = torch.finfo(like.dtype).eps
        inside = u.clamp(margin, 1 - margin).reshape(-1, *shape)
        found |= {name: _drawn(name, starts[name], u) for name, u in zip(numbers, inside, strict=True)}
    # even an `expand` that does nothing takes 5 µs
    return tuple(start if start.shape == shape else start.expand(shape) for start in found.values())


def _drawn(name: str, start: Any, u: Tensor) -> Tensor:
    try:
        value = start.icdf(u)
    except NotImplementedError as error:
        raise ValueError(f"init_{name} cannot be drawn from {start}: it has no icdf.") from error
    if value.shape != u.shape:
        shape = tuple(u.shape)
        raise ValueError(f"init_{name} was drawn with shape {tuple(value.shape)}; {start} must broadcast to {shape}.")
    return value


def origin(
    dynamics: Dynamics,
    starts: Starts,
    x0: Mapping[str, Any] | None,
    seed: int | None,
    first: int,
    dt: float,
    seeds: torch.Generator | None = None,
) -> tuple[int | None, int, int]:
    """Seed, first step and first simulation of a run: new ones, or those of the run that `x0` continues.

    New seeds come from `seeds`, else from torch's default generator.
    """
    step = 0
    if isinstance(x0, RunState):
        if x0.dt != dt:
            raise ValueError(
                f"x0 was reached with dt={x0.dt:g} ms, this run has {dt:g}; pass dict(x0) to start afresh."
            )
        if seed is not None and x0.seed is not None:
            raise ValueError("x0 continues a run and brings its seed; pass dict(x0) to start afresh with another.")
        if first not in (0, x0.first_simulation):
            raise ValueError(f"x0 continues simulations from {x0.first_simulation} on, not from {first}.")
        seed, step, first = x0.seed if x0.seed is not None else seed, x0.step, x0.first_simulation
    random = bool(dynamics.drives) or any(isinstance(start, Distribution) for start in starts.values())
    if seed is None and random:
        device = "cpu" if seeds is None else seeds.device
        seed = int(torch.randint(0, 2**63 - 1, (), generator=seeds, device=device).item())
    if seed is not None:
        checked_seed("seed", seed)
    if whole("first_simulation", first, least=0) >= 2**32:
        raise ValueError(f"first_simulation must be below 2³², got {first}.")
    return seed, step, first
