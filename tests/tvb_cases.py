"""Simulations of The Virtual Brain: stand-ins that hold the same attributes, and what tvb-library went through.

`tests/reference/tvb.npz` was recorded with tvb-library 2.10.0 (numpy 2.4, float64; weights and what was sent it keeps
in float32) by this file, `python tests/tvb_cases.py`, in an environment that has the package.
"""

import logging
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))  # where simulators are set up
RECORDED = Path(__file__).parent / "reference" / "tvb.npz"
STEPS, EVERY = 120, 10  # recorded is every tenth
WEIGHTS = np.array([[0.3, 0.9, 0.0], [0.5, 0.0, 0.7], [0.2, 1.1, 0.0]])  # [to, from]
LAGS = np.array([[0.0, 2.5, 3.5], [1.2, 0.0, 0.4], [6.7, 4.5, 0.0]])  # in steps; two are rounded down, two up
SPEED = 4.0
LABELS = np.array(["lA", "rA", "rB"])
EXTERNAL = {"external_input_ex_ex": [2.5e-3], "external_input_in_ex": [2e-3]}
CASES = {  # class and values of the model, class and values of the coupling, class of the integrator, dt in ms
    "g2d": ("Generic2dOscillator", {"a": [-2.0, 1.0, 0.5], "tau": [1.2]}, "Linear", {"a": [0.1], "b": [0.2]}),
    "scaling": ("Generic2dOscillator", {}, "Scaling", {"a": [0.1]}, "EulerDeterministic"),
    "difference": ("Generic2dOscillator", {}, "Difference", {"a": [0.2]}, "RungeKutta4thOrderDeterministic"),
    "tanh": ("Generic2dOscillator", {}, "HyperbolicTangent", {"a": [0.3], "b": [1.3], "midpoint": [0.2]}),
    "sigmoidal": ("Generic2dOscillator", {}, "Sigmoidal", {"midpoint": [0.2], "sigma": [0.9], "cmax": [0.7]}),
    "kuramoto": ("Kuramoto", {"omega": [0.1, 0.2, 0.15]}, "Kuramoto", {"a": [0.05]}, "HeunDeterministic", 0.5),
    "hopf": ("SupHopf", {"a": [0.2], "omega": [0.3]}, "Difference", {"a": [0.1]}, "HeunDeterministic", 0.02),
    "linear": ("Linear", {"gamma": [-0.3]}, "Linear", {"a": [0.1]}, "HeunDeterministic", 0.2),
    "wilson_cowan": (
        "WilsonCowan",
        {"alpha_e": [1.3], "theta_e": [0.3], "b_e": [2.0], "alpha_i": [0.8], "r_e": [0.7], "r_i": [0.7], "P": [0.5]},
        *("Linear", {"a": [0.2]}, "HeunDeterministic", 0.5),
    ),
    "jansen_rit": (
        *("JansenRit", {"mu": [0.15, 0.22, 0.3], "nu_max": [0.003]}, "SigmoidalJansenRit", {"a": [5.0]}),
        *("HeunDeterministic", 0.5),
    ),
    "jansen_rit_linear": ("JansenRit", {}, "Linear", {"a": [1e-3]}, "HeunDeterministic", 0.5),
    "jansen_rit_kuramoto": ("JansenRit", {}, "Kuramoto", {"a": [0.1]}, "HeunDeterministic", 0.5),
    "rww": ("ReducedWongWang", {"w": [0.9]}, "Linear", {"a": [0.1]}, "HeunDeterministic", 1.0),
    "wong_wang": ("ReducedWongWangExcInh", {"lamda": [0.2]}, "Linear", {"a": [0.1]}, "HeunDeterministic", 0.5),
    "balanced": ("DecoBalancedExcInh", {"M_i": [1.0, 1.5, 1.2]}, "Linear", {"a": [0.1]}, "HeunDeterministic", 0.5),
    "montbrio": ("MontbrioPazoRoxin", {"cv": [0.3], "I": [0.5]}, "Linear", {"a": [0.4]}, "HeunDeterministic", 0.02),
    "montbrio_tanh": (
        *("MontbrioPazoRoxin", {"cr": [0.0], "cv": [0.5]}, "HyperbolicTangent", {"b": [0.7]}),
        *("HeunDeterministic", 0.02),
    ),
    "montbrio_sigmoidal": (
        *("MontbrioPazoRoxin", {}, "Sigmoidal", {"midpoint": [0.5], "sigma": [0.6]}, "HeunDeterministic", 0.02),
    ),
    "coombes_byrne_2d": ("CoombesByrne2D", {}, "Linear", {"a": [0.3]}, "HeunDeterministic", 0.02),
    "coombes_byrne": ("CoombesByrne", {}, "Linear", {"a": [0.5]}, "HeunDeterministic", 0.01),
    "larter_breakspear": (
        *("LarterBreakspear", {}, "HyperbolicTangent", {"a": [0.5], "sigma": [0.65]}, "HeunDeterministic", 0.2),
    ),
    "epileptor": ("Epileptor", {"Kvf": [0.4], "Kf": [0.3], "Ks": [-0.2]}, "Difference", {}, "HeunDeterministic", 0.05),
    "epileptor_modified": ("Epileptor", {"modification": [True]}, "Linear", {"a": [0.1]}, "HeunDeterministic", 0.05),
    "zerlaut": ("ZerlautAdaptationFirstOrder", EXTERNAL, "Linear", {"a": [0.1]}, "HeunDeterministic", 0.1),
}


def parts(name: str) -> tuple[str, dict, str, dict, str, float]:
    """A case with what it leaves out."""
    case = CASES[name]
    return (*case, *("HeunDeterministic", 0.5)[len(case) - 4 :])


def real(name: str):
    """The case in The Virtual Brain, configured."""
    from tvb_simulator import configured

    return configured(*parts(name), weights=WEIGHTS, lags=LAGS, speed=SPEED, labels=LABELS)


def recorded(simulator) -> np.ndarray:
    """The states at every recorded step, (T, S, N)."""
    from tvb_simulator import trajectory

    return trajectory(simulator, STEPS)[EVERY - 1 :: EVERY]


def record() -> None:
    """Every case: the attributes of its simulator, and where it goes."""
    found = {}
    for name in CASES:
        simulator = real(name)
        for owner in ("model", "coupling"):
            part = getattr(simulator, owner)
            arrays = {key: getattr(part, key) for key in type(part).declarative_attrs}
            found |= {f"{name}.{owner}.{key}": v for key, v in arrays.items() if isinstance(v, np.ndarray) and v.size}
        integrator, model = simulator.integrator, simulator.model
        found |= {f"{name}.cvar": model.cvar, f"{name}.idelays": simulator.connectivity.idelays}
        found |= {f"{name}.buffer": simulator.history.buffer.copy()}
        found |= {f"{name}.current_state": simulator.current_state.copy()}
        if integrator.state_variable_boundaries is not None:
            found |= {f"{name}.boundaries": integrator.state_variable_boundaries}
            found |= {f"{name}.bounded": integrator.bounded_state_variable_indices}
        found[f"{name}.current_step"] = np.array(simulator.current_step)
        found[f"{name}.states"] = recorded(simulator)
    np.savez_compressed(RECORDED, **found)


def named(kind: str, **attributes):
    """A stand-in: an object whose class has this name, with these attributes."""
    return type(kind, (SimpleNamespace,), {})(**attributes)


def standin(name: str):
    """The case as it was when its recording began, without The Virtual Brain."""
    model, _, kind, _, scheme, dt = parts(name)
    with np.load(RECORDED) as arrays:
        own = {key.removeprefix(f"{name}."): arrays[key] for key in arrays.files if key.startswith(f"{name}.")}
    of = lambda part: {key.removeprefix(part): value for key, value in own.items() if key.startswith(part)}
    return named(
        "Simulator",
        model=named(model, cvar=own["cvar"], **of("model.")),
        coupling=named(kind, **of("coupling.")),
        connectivity=named(
            "Connectivity",
            weights=WEIGHTS,
            tract_lengths=LAGS * dt * SPEED,
            speed=np.array([SPEED]),
            region_labels=LABELS,
            idelays=own["idelays"],
        ),
        integrator=named(
            scheme,
            dt=dt,
            state_variable_boundaries=own.get("boundaries"),
            bounded_state_variable_indices=own.get("bounded"),
            clamped_state_variable_values=None,
        ),
        monitors=(named("Raw"),),
        surface=None,
        stimulus=None,
        history=named("SparseHistory", buffer=own["buffer"]),
        current_state=own["current_state"],
        current_step=int(own["current_step"]),
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of a module for surfaces
    logging.disable(logging.CRITICAL)
    sys.exit(record())
