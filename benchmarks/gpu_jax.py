"""A batch of delayed networks by hand for JAX on a GPU: `vmap` over simulations, `lax.scan` over steps, jitted."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpu_cases import GpuCase


def seconds(case: "GpuCase", timed: Callable[..., list[float]]) -> float | str:
    """What a call takes once compiled, or why there is none."""
    if case.model != "mpr" or case.gradient or not case.longest:
        return "—"
    try:
        import jax
    except ImportError:
        return "missing: pip install jax"
    if jax.default_backend() != "gpu":
        return "sees no GPU"
    return min(timed(_work(case))[1:])


def _work(case: "GpuCase") -> Callable[[], Any]:
    import jax
    import jax.numpy as jnp
    from connectome import generated

    connectome, dt, nodes = generated(case.regions, 1.0), 0.1, jnp.arange(case.regions)
    weights, lags = jnp.asarray(connectome.weights, "f4"), jnp.asarray(connectome.delays(case.longest) / dt, "f4")
    whole = jnp.floor(lags).astype("i4")
    part, room = lags - whole, int(lags.max()) + 2
    tau, eta, delta, J = 10.0, -5.0, 1.0, 15.0

    def field(r: Any, v: Any, arriving: Any) -> tuple[Any, Any]:
        spikes = 1e-3 * r
        dr = (delta / (jnp.pi * tau) + 2 * spikes * v) / tau
        return 1e3 * dr, (v**2 - (jnp.pi * tau * spikes) ** 2 + eta + J * tau * spikes + arriving) / tau

    def run(k: Any) -> Any:
        def step(carry: Any, t: Any) -> tuple[Any, None]:
            past, r, v = carry
            past = past.at[t % room].set(r)
            read = lambda ago: past[(t - ago) % room, nodes[None, :]]
            arriving = lambda ago: k * (weights * (read(ago) * (1 - part) + read(ago + 1) * part)).sum(1)
            dr, dv = field(r, v, arriving(whole))
            er, ev = field(r + dt * dr, v + dt * dv, arriving(jnp.maximum(whole - 1, 0)))
            return (past, jnp.maximum(r + 0.5 * dt * (dr + er), 0), v + 0.5 * dt * (dv + ev)), None

        r, v = jnp.full(case.regions, 20.0), jnp.full(case.regions, -2.0)
        past = jnp.broadcast_to(r, (room, case.regions))
        return jax.lax.scan(step, (past, r, v), jnp.arange(case.steps))[0][1]

    gains = jnp.linspace(0, 0.02, case.simulations)
    compiled = jax.jit(jax.vmap(run)).lower(gains).compile()
    return lambda: jax.block_until_ready(compiled(gains))
