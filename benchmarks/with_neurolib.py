"""neurolib's Hopf network: numba, Euler, one thread, float64."""

from typing import Any

import numpy as np
from engine import Engine, Work
from network_cases import TAU, NetworkCase


def build(case: NetworkCase) -> Work | None:
    """Forward only; its noise is drawn before its loop, in the same call."""
    if case.model != "hopf":
        return None
    from neurolib.models.hopf import HopfModel

    start = {name: value[:, None].astype(np.float64) for name, value in case.start().items()}
    p, delays = case.parameters(), case.delays().astype(np.float64)
    model = HopfModel(Cmat=case.weights().astype(np.float64), Dmat=delays, seed=1)
    given = {"K_gl": float(case.gain()), "signalV": 1.0, "a": p["a"], "w": p["w"], "coupling": "diffusive"}
    given |= {"xs_init": start["x"], "ys_init": start["y"], "tau_ou": TAU, "sigma_ou": case.sigma}
    model.params.update(given | {"dt": case.dt, "duration": case.steps * case.dt})
    rest = np.zeros(case.regions)

    def run() -> Any:
        model.params.update(x_ou=rest.copy(), y_ou=rest.copy())  # its loop moves them
        model.run()
        return model.outputs["x"]

    return Work(run, lambda series: {"series": series.T.astype(np.float32)})


def engines() -> list[Engine[NetworkCase]]:
    """neurolib as its users call it."""
    return [Engine("neurolib", build, package="neurolib")]
