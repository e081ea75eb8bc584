"""tvboptim's networks, jitted: every buffer it has for delays, whole and in checkpointed blocks."""

from functools import partial
from typing import Any

import numpy as np
from engine import Arrays, Engine, LeftOutError, Work
from network_cases import NetworkCase

BUFFERS = ("roll", "circular", "preallocated")
BLOCK = 100  # steps, √10,000: where a gradient in blocks takes least memory


def build(buffer: str, block: int | None, room: float, case: NetworkCase) -> Work | None:
    """Compiled for the case; values, weights and start are arguments."""
    if case.model != "rww" or bool(case.longest) != bool(buffer) or (block and not (case.gradient and case.memory)):
        return None
    if not case.hold:
        raise LeftOutError("left out: its coupling is held over a step")
    import jax
    import jax.numpy as jnp

    solve, config = _prepared(buffer, block, case)
    values = {"k": jnp.asarray(case.gain()), "I_o": jnp.asarray(case.drive()), "start": jnp.asarray(case.start()["S"])}
    values |= {"sigma": jnp.float32(case.sigma)}
    values |= {"weights": jnp.asarray(case.weights())} if case.density == 1 else {}  # else they stay in a sparse graph
    values |= {"speed": jnp.float32(case.speed)} if case.linear else {}

    def run(values: Any, config: Any) -> Any:
        return solve(_given(config, values, buffer)).ys[:, 0]

    def loss(values: Any, config: Any) -> tuple[Any, Any]:
        series = run(values, config)
        return jnp.mean(series**2), series

    work = jax.value_and_grad(loss, has_aux=True) if case.gradient else run
    compiled = jax.jit(work).lower(values, config).compile()
    needed = compiled.memory_analysis()
    if needed is not None and needed.temp_size_in_bytes > room:
        raise LeftOutError(f"left out: needs {needed.temp_size_in_bytes / 1e9:.1f} GB of working memory")
    return Work(lambda: jax.block_until_ready(compiled(values, config)), partial(_read, case))


def _prepared(buffer: str, block: int | None, case: NetworkCase) -> tuple[Any, Any]:
    """tvboptim's solve function and its configuration, at the case's values."""
    from tvboptim.experimental.network_dynamics import Network, prepare
    from tvboptim.experimental.network_dynamics.coupling import DelayedLinearCoupling, LinearCoupling
    from tvboptim.experimental.network_dynamics.dynamics.tvb import ReducedWongWang
    from tvboptim.experimental.network_dynamics.noise import AdditiveNoise
    from tvboptim.experimental.network_dynamics.solvers import BoundedSolver, Heun

    if buffer:
        interpolation = "linear" if case.linear else None
        coupling: Any = DelayedLinearCoupling(
            incoming_states="S", buffer_strategy=buffer, history_interpolation=interpolation, G=float(case.gain())
        )
    else:
        coupling = LinearCoupling(incoming_states="S", G=float(case.gain()))
    p = case.parameters()
    p |= {"a": 1e-3 * p["a"], "b": 1e-3 * p["b"], "d": 1e3 * p["d"], "tau_s": p.pop("tau_S")}  # of kHz and ms
    dynamics = ReducedWongWang(**p, I_o=case.drive())
    noise = AdditiveNoise(sigma=case.sigma, apply_to="S")
    network = Network(dynamics, {"delayed" if buffer else "instant": coupling}, _graph(case), noise=noise)
    solver = Heun(block_size=block)
    # its Heun reads interpolated delays half a step later, to make up for a coupling held over the step; not here
    solver.stage_time_centroid = 0.0
    return prepare(network, BoundedSolver(solver, 0.0, 1.0), t0=0.0, t1=case.steps * case.dt, dt=case.dt)


def _graph(case: NetworkCase) -> Any:
    import tvboptim.experimental.network_dynamics as tvbo

    weights = case.weights()
    if case.linear:
        return tvbo.DenseLengthGraph(weights, case.lengths(), case.speed, max_delay_bound=case.room)
    if case.longest:
        dense = tvbo.DenseDelayGraph(weights, case.delays())
        return dense if case.density == 1 else tvbo.SparseDelayGraph.from_dense(dense)
    dense = tvbo.DenseGraph(weights)
    return dense if case.density == 1 else tvbo.SparseGraph.from_dense(dense)


def _given(config: Any, values: Any, buffer: str) -> Any:
    """The configuration with other values, in which the past is the start."""
    import jax

    config = jax.tree.map(lambda leaf: leaf, config)
    name, start = "delayed" if buffer else "instant", values["start"]
    config.coupling[name].G = values["k"]
    config.dynamics.I_o, config.noise.sigma = values["I_o"], values["sigma"]
    config.initial_state.dynamics = start[None]
    for edges in {"weights", "speed"} & set(values):
        setattr(config.graph, edges, values[edges])
    if buffer:
        history = config.initial_state.coupling[name].history
        config.initial_state.coupling[name].history = history.at[:].set(start)
    return config


def _read(case: NetworkCase, found: Any) -> Arrays:
    if not case.gradient:
        return {"series": np.asarray(found)}
    (_, series), gradient = found
    compared = {f"d/d {name}": np.asarray(value) for name, value in gradient.items() if name != "sigma"}
    return {"series": np.asarray(series)} | compared


def engines(room: float) -> list[Engine[NetworkCase]]:
    """Every buffer, whole and in blocks; what needs more than `room` bytes is left out."""
    variants: dict[str, tuple[str, int | None]] = {buffer: (buffer, None) for buffer in BUFFERS}
    variants |= {"no delays": ("", None)} | {f"{buffer}, blocks": (buffer, BLOCK) for buffer in BUFFERS}
    return [
        Engine(f"tvboptim ({name})", partial(build, buffer, block, room), package="tvboptim")
        for name, (buffer, block) in variants.items()
    ]
