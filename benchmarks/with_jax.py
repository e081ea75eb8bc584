"""A jitted `lax.scan` of the same formulas."""

from typing import Any

import numpy as np
from cases import DT, GAIN, Case
from engine import Engine, Work
from formulas import FIELDS, OUTPUTS, heun


def build(case: Case) -> Work:
    """Parameters, start, input and noise strength are arguments, so that new values do not compile again."""
    import jax
    import jax.numpy as jnp

    p = {name: jnp.float32(value) for name, value in case.parameters().items()}
    start, u = tuple(jnp.asarray(value) for value in case.start().values()), jnp.asarray(case.drive())
    if case.network:
        extra = (jnp.asarray(case.weights()), jnp.float32(case.sigma * DT**0.5), jax.random.key(0))
        run, arguments = jax.jit(_network(case)), (p, start, u, *extra)
    else:
        run, arguments = jax.jit(_nodes(case)), (p, start, u)
    if not case.gradient:
        return Work(lambda: jax.block_until_ready(run(*arguments)), lambda series: {"output": np.asarray(series)})

    def loss(*arguments: Any) -> tuple[Any, Any]:
        series = run(*arguments)
        return jnp.mean(series**2), series

    both = jax.jit(jax.value_and_grad(loss, has_aux=True))

    def read(found: Any) -> dict[str, np.ndarray]:
        (_, series), gradient = found
        return {"output": np.asarray(series), "gradient": np.asarray([gradient[name] for name in p])}

    return Work(lambda: jax.block_until_ready(both(*arguments)), read)


def _nodes(case: Case) -> Any:
    import jax

    def run(p: Any, start: Any, u: Any) -> Any:
        field = lambda s: FIELDS[case.model](s, u, p, jax.nn.sigmoid)

        def step(s: Any, _: None) -> tuple[Any, Any]:
            s = heun(field, s, DT)
            return s, OUTPUTS[case.model](s)

        return jax.lax.scan(step, start, None, length=case.steps)[1]

    return run


def _network(case: Case) -> Any:
    import jax
    import jax.numpy as jnp

    def run(p: Any, start: Any, u: Any, weights: Any, sigma: Any, key: Any) -> Any:
        strength = weights.sum(1)
        coupled = lambda s: u + GAIN * (weights @ s[0] - strength * s[0])
        field = lambda s: FIELDS[case.model](s, coupled(s), p, jax.nn.sigmoid)

        def step(s: Any, i: Any) -> tuple[Any, Any]:
            noise = sigma * jax.random.normal(jax.random.fold_in(key, i), s[0].shape)
            s = heun(field, s, DT, (noise, *[0.0] * (len(s) - 1)))
            return s, OUTPUTS[case.model](s)

        return jax.lax.scan(step, start, jnp.arange(case.steps))[1]

    return run


def engines() -> list[Engine]:
    """JAX by hand."""
    return [Engine("JAX scan", build)]
