"""Simulators of The Virtual Brain, set up and stepped."""

from collections.abc import Mapping
from typing import Any

import numpy as np


def configured(
    model: str,
    values: Mapping[str, Any],
    kind: str,
    gains: Mapping[str, Any],
    scheme: str,
    dt: float,
    *,
    weights: np.ndarray,
    lags: np.ndarray,
    speed: float,
    labels: np.ndarray,
) -> Any:
    """One of the classes called so, with these values; `lags` are in steps, `speed` in mm/ms.

    Its past is random, and always the same.
    """
    from tvb.datatypes.connectivity import Connectivity
    from tvb.simulator import coupling, integrators, models, monitors, simulator

    arrays = lambda values: {name: np.atleast_1d(value) for name, value in values.items()}
    np.random.seed(1)  # The Virtual Brain draws a past that is not given from numpy's global generator
    return simulator.Simulator(
        model=getattr(models, model)(**arrays(values)),
        connectivity=Connectivity(
            weights=weights,
            tract_lengths=lags * dt * speed,
            speed=np.array([speed]),
            region_labels=labels,
            centres=np.zeros((len(weights), 3)),
        ),
        coupling=getattr(coupling, kind)(**arrays(gains)),
        integrator=getattr(integrators, scheme)(dt=dt),
        monitors=(monitors.Raw(),),
    ).configure()


def trajectory(simulator: Any, steps: int) -> np.ndarray:
    """The states at every step, (T, S, N)."""
    states = []
    for _ in range(steps):
        list(simulator(n_steps=np.int64(1)))
        states.append(simulator.current_state[..., 0].copy())
    return np.array(states)
