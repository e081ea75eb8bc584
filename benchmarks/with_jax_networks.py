"""A batch of networks written by hand for JAX: one simulation, `vmap`, `lax.scan`, jitted."""

from typing import Any

import numpy as np
from engine import Engine, Work
from network_cases import NetworkCase


def build(case: NetworkCase) -> Work | None:
    """Montbrió–Pazó–Roxin with the coupling at both stages of a Heun step, compiled for the case."""
    if case.model != "mpr":
        return None
    import jax
    import jax.numpy as jnp

    p = {name: jnp.float32(value) for name, value in case.parameters().items()}
    start, weights, gain = tuple(map(jnp.asarray, case.start().values())), case.weights(), jnp.asarray(case.gain())

    def run(p: Any, weights: Any, start: Any, k: Any) -> Any:
        def field(r: Any, v: Any) -> tuple[Any, Any]:
            spikes = 1e-3 * r  # per ms
            arriving = k * (weights @ r)
            dr = (p["delta"] / (jnp.pi * p["tau"]) + 2 * spikes * v) / p["tau"]
            squares = v**2 - (jnp.pi * p["tau"] * spikes) ** 2
            return 1e3 * dr, (squares + p["eta"] + p["J"] * p["tau"] * spikes + arriving) / p["tau"]

        def step(r: Any, v: Any) -> tuple[Any, Any]:
            dr, dv = field(r, v)
            er, ev = field(r + case.dt * dr, v + case.dt * dv)
            return jnp.maximum(r + 0.5 * case.dt * (dr + er), 0), v + 0.5 * case.dt * (dv + ev)

        def sample(s: Any, _: None) -> tuple[Any, Any]:
            s = step(*s)
            return jax.lax.fori_loop(1, case.every, lambda _, s: step(*s), s), s[0]

        return jax.lax.scan(sample, start, None, length=case.steps // case.every)[1]

    batch = jax.vmap(run, in_axes=(None, None, None, 0), out_axes=1)
    arguments = (p, jnp.asarray(weights), start, gain)
    compiled = jax.jit(batch).lower(*arguments).compile()
    return Work(lambda: jax.block_until_ready(compiled(*arguments)), lambda series: {"series": np.asarray(series)})


def engines() -> list[Engine[NetworkCase]]:
    """JAX by hand."""
    return [Engine("JAX vmap + scan", build)]
