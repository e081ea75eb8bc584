"""The Virtual Brain's own simulator: a Python loop over numpy and numba, float64."""

import warnings
from typing import Any

import numpy as np
from engine import Engine, Work
from network_cases import NetworkCase


def build(case: NetworkCase) -> Work | None:
    """Forward only; a call goes on where the one before ended, in the same time as a first one."""
    if case.model != "rww" or case.regions != 76:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a module for surfaces
        from tvb.simulator import coupling, integrators, models, monitors, noise, simulator

    p = case.parameters()
    p |= {"a": 1e-3 * p["a"], "b": 1e-3 * p["b"], "d": 1e3 * p["d"], "tau_s": p.pop("tau_S")}  # of kHz and ms
    given = {name: np.array([value]) for name, value in p.items()} | {"I_o": case.drive().astype(np.float64)}
    random = noise.Additive(nsig=np.array([case.sigma**2 / 2]))
    sim = simulator.Simulator(
        model=models.ReducedWongWang(**given),
        connectivity=_connectivity(case),
        coupling=coupling.Linear(a=np.array([float(case.gain())])),
        integrator=integrators.HeunStochastic(dt=case.dt, noise=random),
        monitors=(monitors.Raw(),),
        initial_conditions=np.tile(case.start()["S"].astype(np.float64)[:, None], (_horizon(case), 1, 1, 1)),
    ).configure()

    def run() -> Any:
        ((_, series),) = sim.run(n_steps=np.int64(case.steps))
        return series

    return Work(run, lambda series: {"series": series[:, 0, :, 0].astype(np.float32)})


def _horizon(case: NetworkCase) -> int:
    return round(float(case.delays().max()) / case.dt) + 1


def _connectivity(case: NetworkCase) -> Any:
    from tvb.datatypes.connectivity import Connectivity

    labels = np.array([f"region {i}" for i in range(case.regions)])
    weights, delays = case.weights().astype(np.float64), case.delays().astype(np.float64)
    centres, speed = np.zeros((case.regions, 3)), np.array([1.0])
    return Connectivity(weights=weights, tract_lengths=delays, speed=speed, region_labels=labels, centres=centres)


def engines() -> list[Engine[NetworkCase]]:
    """TVB as its users call it."""
    return [Engine("TVB", build, package="tvb-library")]
