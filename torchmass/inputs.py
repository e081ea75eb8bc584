"""The inputs of a run, as users give them, laid out in time: one tensor (T or 1, *b, N) per declared input."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from torchmass.naming import lookup, refuse
from torchmass.stimuli import Stimulus
from torchmass.system import System
from torchmass.values import as_value, check_shape, is_nonfinite, report


def lay_out(system: System, inputs: Any, first: int, steps: int, dt: float) -> tuple[Tensor | None, ...]:
    """Every declared input over `steps` steps from step `first`; None for an input not given, which is 0.

    `inputs` is None, a number, a tensor with time leading, a callable `f(i, t)`, a stimulus, or a dict of these by
    input.
    """
    named: dict[str, Any] = {}
    if isinstance(inputs, Mapping):
        for name, value in inputs.items():
            lookup(system.label, "input", name, system.inputs)
            named[name] = _sampled(value, first, steps, dt)
    elif callable(inputs) and not isinstance(inputs, Stimulus):
        named = _columns(system, _call(inputs, first, steps, dt))
    elif inputs is not None:
        named = {"": _sampled(inputs, first, steps, dt)}
    if "" in named:
        given = dict.fromkeys(_ports(system), _over_time("", named[""], system, steps))
    else:
        given = system.spread({name: _over_time(name, value, system, steps) for name, value in named.items()})
    return tuple(map(given.get, system.inputs))


def rows_of(inputs: Any) -> int:
    """How many steps the first of the inputs is for, which must be a tensor."""
    first = next(iter(inputs.values()), None) if isinstance(inputs, Mapping) else inputs
    if not isinstance(first, Tensor) or not first.ndim:
        raise ValueError("a run without a duration is as long as its inputs: give a tensor with time leading.")
    return first.shape[0]


def sample(stimulus: Stimulus, first: int, steps: int, dt: float, c: float = 0.0) -> Tensor:
    """A stimulus at the fraction `c` of each of `steps` steps from step `first`: (T, *b, N or 1).

    A steady one is a single row, expanded over time.
    """
    end, device = first + (1 if stimulus.is_steady else steps), stimulus.like.device
    i = torch.arange(first, end, dtype=torch.float64, device=device)
    rows = stimulus.at((i + c) * dt)
    return rows.expand(steps, *rows.shape[1:])


def _sampled(value: Any, first: int, steps: int, dt: float) -> Any:
    if isinstance(value, Stimulus):
        return sample(value, first, steps, dt)
    return _call(value, first, steps, dt) if callable(value) else value


def _ports(system: System) -> tuple[str, ...]:
    if not system.ports:
        refuse(system.label, "port for inputs without a name; name one of the inputs, not", "", system.inputs)
    return system.ports


class _Samples(list[Any]):
    """What a callable returned at each step."""


def _call(f: Callable[[int, float], Any], first: int, steps: int, dt: float) -> _Samples:
    return _Samples(f(i, i * dt) for i in range(first, first + steps))


def _columns(system: System, samples: _Samples) -> dict[str, _Samples]:
    """Split what a callable returned by input: a tuple is in the order of the declared inputs, else it has no name."""
    if not any(isinstance(sample, tuple) for sample in samples):
        return {"": samples}
    names, columns = list(system.inputs), {}
    for sample in samples:
        if not isinstance(sample, tuple) or len(sample) > len(names):
            raise ValueError(f"inputs must return a tuple of at most {len(names)} values ({', '.join(names)}).")
        for name, value in zip(names, (*sample, *[None] * (len(names) - len(sample))), strict=True):
            columns.setdefault(name, _Samples()).append(value)
    return columns


def _over_time(name: str, value: Any, system: System, steps: int) -> Tensor:
    """One input as (T or 1, *b, N or 1), of the nodes that have it; one without a name is of all."""
    label = f"input {name or ' and '.join(_ports(system))}"
    if isinstance(value, _Samples):
        rows = [as_value(label, 0.0 if sample is None else sample, system.like) for sample in value]
        tensor = torch.stack(torch.broadcast_tensors(*rows))
    else:
        tensor = as_value(label, value, system.like)
        if tensor.ndim and tensor.shape[0] != steps:
            raise ValueError(
                f"{label} has {tensor.shape[0]} rows, the run {steps} steps (transient included): "
                "time leads, one row a step."
            )
        if tensor.ndim and tensor.stride(0) == 0:  # one row, expanded over time
            tensor = tensor[:1]
    tensor = tensor.reshape(1, 1) if tensor.ndim == 0 else tensor
    tensor = tensor.unsqueeze(-1) if tensor.ndim == 1 else tensor
    check_shape(label, tensor[0], "node", system.size_of(name))
    if is_nonfinite(tensor):
        raise ValueError(f"{label} must be finite, got {report(tensor, ~tensor.isfinite())}.")
    return tensor
