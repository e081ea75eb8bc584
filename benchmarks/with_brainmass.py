"""brainmass: its `Simulator`, and the same loop jitted once by hand."""

from functools import partial
from typing import Any

import numpy as np
from cases import DT, Arrays, Case
from engine import Engine, Work

UNITS = {"Ae": "mV", "Ai": "mV", "be": "Hz", "bi": "Hz", "s_max": "Hz", "v0": "mV"}
STATE_UNITS = {"M": "mV", "E": "mV", "I": "mV", "Mv": "mV/s", "Ev": "mV/s", "Iv": "mV/s"}


def _model(case: Case) -> Any:
    """The model with the same values; its method `rk2` is what is called Heun here (its `heun` is of third order)."""
    import brainmass
    import brainunit as u
    import jax.numpy as jnp

    units = {"mV": u.mV, "Hz": u.Hz, "mV/s": u.mV / u.second}
    with_unit = lambda value, unit: value * units[unit] if unit else value
    values = {name: with_unit(value, UNITS.get(name)) for name, value in case.parameters().items()}
    for name, start in case.start().items():
        held = with_unit(jnp.asarray(start), STATE_UNITS.get(name))
        values[f"init_{name}" if case.model == "hopf" else f"{name}_init"] = lambda *_, held=held, **__: held
    cls = brainmass.HopfStep if case.model == "hopf" else brainmass.JansenRitStep
    return cls(case.nodes, method="rk2", **values)


def _monitor(case: Case) -> Any:
    return (lambda m: m.x.value) if case.model == "hopf" else (lambda m: m.eeg())


def _inputs(case: Case) -> tuple[Any, ...]:
    import brainunit as u
    import jax.numpy as jnp

    return () if case.model == "hopf" else (0.0 * u.mV, jnp.asarray(case.drive()) * u.Hz, 0.0 * u.mV)


def build_simulator(case: Case) -> Work | None:
    """`Simulator.run`, which traces and compiles at every call."""
    import brainmass
    import brainunit as u
    import jax

    if case.network or case.gradient:
        return None
    sim, held = brainmass.Simulator(_model(case), dt=DT * u.ms), _inputs(case)
    run = partial(sim.run, case.steps * DT * u.ms, monitors=_monitor(case), inputs=lambda i, t: held)
    return Work(lambda: jax.block_until_ready(run()["output"]), _numbers)


def build_loop(case: Case) -> Work | None:
    """`for_loop` under `jit`, traced once."""
    import brainstate
    import brainunit as u
    import jax

    if case.network or case.gradient:
        return None
    model, monitor, held = _model(case), _monitor(case), _inputs(case)
    brainstate.environ.set(dt=DT * u.ms)  # pyright: ignore[reportArgumentType]
    brainstate.nn.init_all_states(model)

    def step(i: Any) -> Any:
        with brainstate.environ.context(i=i, t=i * DT * u.ms):
            model.update(*held)
        return monitor(model)

    @brainstate.transform.jit
    def run() -> Any:
        brainstate.nn.init_all_states(model)
        return brainstate.transform.for_loop(step, np.arange(case.steps))

    computed: Any = run
    return Work(lambda: jax.block_until_ready(computed()), _numbers)


def _numbers(series: Any) -> Arrays:
    return {"output": np.asarray(getattr(series, "mantissa", series))}


def engines() -> list[Engine]:
    """As its documentation runs it, and at its best."""
    return [Engine("brainmass Simulator", build_simulator), Engine("brainmass for_loop", build_loop)]
