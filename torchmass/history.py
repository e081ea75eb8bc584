"""What nodes sent before a run begins, for couplings with delays."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from torchmass.dynamics import Dynamics
from torchmass.integrators import Values
from torchmass.links import HISTORY
from torchmass.naming import lookup
from torchmass.values import as_value, check_shape, is_nonfinite, report


def apart(x0: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The states that a mapping gives, and the histories, `history_<source>`."""
    histories = {name: value for name, value in x0.items() if name.startswith(HISTORY)}
    return {name: value for name, value in x0.items() if name not in histories}, histories


def checked(
    dynamics: Dynamics, dt: float, given: Mapping[str, Any], size_of: Callable[[str], int], like: Tensor
) -> dict[str, Tensor]:
    """Histories from a user, each (H, *b, N or 1) with at least as many rows as the longest delay needs."""
    sources, found = {dynamics.source_name(source): source for source in dynamics.sources}, {}
    for name, value in given.items():
        reach = dynamics.reach(lookup("the network", "delayed source, so no", name, sources), dt)
        tensor = as_value(name, value, like)
        if tensor.ndim < 2 or len(tensor) < reach:
            raise ValueError(
                f"{name} must be (H, *b, N) with a row for each of the last H ≥ {reach} steps of dt={dt:g} ms, oldest "
                f"first, as the longest delay asks for; got shape {tuple(tensor.shape)}."
            )
        check_shape(name, tensor[0], "node", size_of(name))
        if is_nonfinite(tensor):
            raise ValueError(f"{name} must be finite, got {report(tensor, ~tensor.isfinite())}.")
        found[name] = tensor[len(tensor) - reach :]
    return {name: found[name] for name in sources if name in found}


def remembered(dynamics: Dynamics, dt: float, x0: Values, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The history of each source, (H, *b, N), oldest first; where none is given, the signal has always been as now."""
    found = {}
    for source in dynamics.sources:
        name, shape = dynamics.source_name(source), x0[0].shape
        rows = given.get(name, dynamics.signal(source, x0).unsqueeze(0))
        reach = dynamics.reach(source, dt)
        inner = rows.reshape(len(rows), *(1,) * (len(shape) + 1 - rows.ndim), *rows.shape[1:])
        found[name] = inner.expand(reach, *shape)
    return found


def followed(dynamics: Dynamics, histories: Mapping[str, Tensor], x: Values) -> dict[str, Tensor]:
    """The same histories one step later, when `x` is before."""
    signals = (dynamics.signal(source, x) for source in dynamics.sources)
    rows = zip(histories.items(), signals, strict=True)
    return {name: torch.cat((past[1:], now.expand(past.shape[1:]).unsqueeze(0))) for (name, past), now in rows}


def halved(dynamics: Dynamics, dt: float, x0: Values, histories: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The same histories for steps half as long as `dt`, interpolated."""
    found = []
    for source, rows in zip(dynamics.sources, histories, strict=True):
        following = torch.cat((rows[1:], dynamics.signal(source, x0).expand(rows.shape[1:]).unsqueeze(0)))
        fine = torch.stack((rows, (rows + following) / 2), 1).flatten(0, 1)
        found.append(fine[len(fine) - dynamics.reach(source, dt / 2) :])
    return tuple(found)
