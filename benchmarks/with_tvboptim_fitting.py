"""tvboptim's README example: every buffer, jitted with its gradient."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from engine import Engine, Work
from fitting_cases import AVERAGED, TR, Case, RestingState
from with_torch_fitting import NETWORK, target
from with_tvboptim import BUFFERS, _given, _prepared


def build(buffer: str, case: Case) -> Work | None:
    """Loss and gradient; values are arguments."""
    if not isinstance(case, RestingState):
        return None
    import jax
    import jax.numpy as jnp
    from tvboptim.observations import compute_fc, rmse
    from tvboptim.observations.tvb_monitors import HRFBold

    network = replace(NETWORK, steps=case.steps, sigma=case.sigma)
    solve, config = _prepared(buffer, None, network)
    bold, wanted = HRFBold(period=TR, downsample_period=AVERAGED, voi=0), jnp.asarray(target(network.regions))
    values = {"I_o": jnp.asarray(network.drive()), "start": jnp.asarray(network.start()["S"])}
    values |= {"sigma": jnp.float32(network.sigma), "weights": jnp.asarray(network.weights())}

    def loss(k: Any, values: Any, config: Any) -> Any:
        return rmse(compute_fc(bold(solve(_given(config, {**values, "k": k}, buffer)))), wanted)

    k = jnp.asarray(network.gain())
    compiled = jax.jit(jax.value_and_grad(loss)).lower(k, values, config).compile()
    return Work(
        lambda: jax.block_until_ready(compiled(k, values, config)), lambda found: {"loss": np.asarray(found[0])}
    )


def engines() -> list[Engine[Case]]:
    """Every buffer that it has."""
    return [Engine(f"tvboptim ({name})", partial(build, name), package="tvboptim") for name in BUFFERS]
