"""What a run records, as users say it, resolved to one function of the states per series."""

from collections.abc import Mapping
from typing import Any

from torchmass.dynamics import Dynamics
from torchmass.kernels.plan import Monitor, OutputMonitor, StateMonitor
from torchmass.naming import refuse

OUTPUT = "output"  # the series of a bare callable, and the name of the model's own output


def resolve(monitors: Any, states: tuple[str, ...], dynamics: Dynamics) -> dict[str, Monitor]:
    """Name → function of a snapshot of the states, from None, a list of names, a callable or a dict."""
    if monitors is None:
        monitors = states
    if callable(monitors):
        return {OUTPUT: monitors}
    if isinstance(monitors, str):
        raise TypeError(f"monitors takes a list of names: monitors=[{monitors!r}].")
    named = monitors if isinstance(monitors, Mapping) else {name: name for name in monitors}
    if "ts" in named:
        raise ValueError("'ts' is the name of the times in a result; call the monitor something else.")
    return {name: _one(monitor, states, dynamics) for name, monitor in named.items()}


def _one(monitor: Any, states: tuple[str, ...], dynamics: Dynamics) -> Monitor:
    if callable(monitor):
        return monitor
    if monitor in states:
        return StateMonitor(monitor)
    if monitor == OUTPUT:
        return OutputMonitor(dynamics)
    refuse("the model", "state to monitor", monitor, [*states, OUTPUT])
