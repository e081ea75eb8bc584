"""vbi's Montbrió networks on the CPU, by numba and by C++: one simulation after the other, float64, one thread."""

import contextlib
import io
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from engine import Engine, Work
from inference_cases import DELTA, DT, ETA, EVERY, TAU, InferenceCase, J

UNIT = 10.0  # its milliseconds in a unit of tau


def build(model: Callable[[InferenceCase, dict[str, Any]], Any], case: InferenceCase) -> Work:
    """The series of each simulation, of which no features are taken."""
    start, end = np.concatenate(case.start()), case.duration / TAU * UNIT
    given = {"weights": case.weights(), "dt": DT / TAU, "delta": DELTA, "J": J, "noise_amp": case.noise}
    built = model(case, {**given, "rv_decimate": EVERY, "t_end": end, "RECORD_RV": True, "RECORD_BOLD": False})

    def run() -> list[np.ndarray]:
        # t_end again: it is divided by UNIT in every call
        return [built.run({"G": gain, "t_end": end}, x0=start.copy())["rv_d"] for gain in case.gains()]

    def read(found: list[np.ndarray]) -> dict[str, np.ndarray]:
        rates = np.stack(found)[:, 1 - case.steps // EVERY :, : case.regions]  # C++ leaves the first row out
        return {"series": rates.reshape(len(rates), -1).astype(np.float32)}

    return Work(run, read)


def numba(case: InferenceCase, given: dict[str, Any]) -> Any:
    """Its model whose step is compiled by numba."""
    with _quiet():
        from vbi.models.numba.mpr import MPR_sde

        return MPR_sde({**given, "eta": np.array([ETA])})


def cpp(case: InferenceCase, given: dict[str, Any]) -> Any:
    """Its model in C++; `ImportError` where the wheel lacks the module that SWIG writes."""
    with _quiet():
        import vbi.models.cpp._src.mpr_sde  # noqa: F401
        from vbi.models.cpp.mpr import MPR_sde

        model = MPR_sde({**given, "eta": ETA})
    model.num_nodes = case.regions  # asked for before it is set
    return model


@contextlib.contextmanager
def _quiet() -> Any:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def engines() -> list[Engine[InferenceCase]]:
    """Both, of which the faster counts."""
    models = {"numba": numba, "C++": cpp}
    return [
        Engine(f"vbi ({name})", lambda case, model=model: build(model, case), package="vbi")
        for name, model in models.items()
    ]
