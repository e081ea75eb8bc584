"""What a run records, as users say it, resolved to one function of the states per series."""

from collections.abc import Callable, Mapping
from typing import Any

from torchmass.dynamics import Dynamics
from torchmass.kernels.plan import Monitor, OutputMonitor, StateMonitor
from torchmass.naming import refuse
from torchmass.result import Quantity
from torchmass.system import System

Seen = Callable[[Quantity], Quantity]
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


def quantities(
    system: System, monitors: Mapping[str, Monitor], observed: Mapping[str, tuple[str, Seen]]
) -> dict[str, Quantity]:
    """What each monitor records; and what is made of what one of them records, by name, where it is observed."""
    states, columns, labels = system.states, system.columns, system.labels or tuple(range(system.in_size))
    found = {name: Quantity(None, "region", labels) for name in monitors}
    for name, monitor in monitors.items():
        if isinstance(monitor, OutputMonitor):
            found[name] = Quantity(system.output_unit, "region", labels)
        elif isinstance(monitor, StateMonitor):
            own = columns.get(monitor.name)
            axis, entries = ("region", labels) if own is None else (f"region_{own.group}", own.named(labels))
            found[name] = Quantity(states[monitor.name].unit, axis, entries)
    return found | {name: made(found[series]) for name, (series, made) in observed.items()}
