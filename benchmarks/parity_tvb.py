"""The Virtual Brain: simulators that are set up there, and what `from_tvb` makes of them."""

import logging
import warnings
from collections.abc import Iterator

import numpy as np
from parity_row import LAGS, REGIONS, WEIGHTS, Row, difference
from tvb_simulator import configured, trajectory

import torchmass as tm
from torchmass.tvb.models import MODELS

NOTE = """The Virtual Brain keeps weights and what was sent in float32 (the arrays of its `history.py` are of numpy's
type f): that is the difference as released. The first number is from simulators whose arrays are of type d, all else
unchanged. Pasts are random. Not translated, because it does not compute what it says (2.10): PreSigmoidal, where a
region receives its own signal times a sum of weights; the second order of Zerlaut's model, whose derivatives are
divided by 1000. Kuramoto's coupling is said to be divided by the number of regions, and is divided by that of coupled
states, one; so is what `from_tvb` makes of it."""
LABELS = np.array([f"region {i}" for i in range(REGIONS)])
HEUN, EULER, RK4 = "HeunDeterministic", "EulerDeterministic", "RungeKutta4thOrderDeterministic"
DRIVEN = {"external_input_ex_ex": 2.5e-3, "external_input_in_ex": 2.5e-3}
SCALED = {"alpha_e": 1.3, "theta_e": 0.3, "b_e": 2.0, "r_e": 0.7, "r_i": 0.7, "P": 0.5}
CYCLE = {"a": 2.0}
Case = tuple[str, dict[str, float], str, dict[str, float], str, float]  # model, coupling, scheme, dt in ms
CASES: tuple[Case, ...] = (
    ("Generic2dOscillator", CYCLE, "Linear", {"a": 0.1, "b": 0.2}, HEUN, 0.5),
    ("Generic2dOscillator", CYCLE, "Scaling", {"a": 0.1}, EULER, 0.5),
    ("Generic2dOscillator", CYCLE, "Difference", {"a": 0.2}, RK4, 0.5),
    ("Generic2dOscillator", CYCLE, "HyperbolicTangent", {"a": 0.3, "b": 1.3, "midpoint": 0.2}, HEUN, 0.5),
    ("Generic2dOscillator", CYCLE, "Sigmoidal", {"midpoint": 0.2, "sigma": 0.9}, HEUN, 0.5),
    ("Kuramoto", {"omega": 0.1}, "Kuramoto", {"a": 0.05}, HEUN, 0.5),
    ("SupHopf", {"a": 0.2, "omega": 0.3}, "Difference", {"a": 0.1}, HEUN, 0.02),
    ("Linear", {"gamma": -0.3}, "Linear", {"a": 0.1}, HEUN, 0.2),
    ("WilsonCowan", SCALED, "Linear", {"a": 0.2}, HEUN, 0.5),
    ("JansenRit", {}, "SigmoidalJansenRit", {"a": 5.0}, HEUN, 0.5),
    ("JansenRit", {}, "Linear", {"a": 1e-3}, HEUN, 0.5),
    ("ReducedWongWang", {"w": 0.9}, "Linear", {"a": 0.1}, HEUN, 1.0),
    ("ReducedWongWangExcInh", {"lamda": 0.2}, "Linear", {"a": 0.1}, HEUN, 0.5),
    ("DecoBalancedExcInh", {"M_i": 1.5}, "Linear", {"a": 0.1}, HEUN, 0.5),
    ("MontbrioPazoRoxin", {"cv": 0.3}, "Linear", {"a": 0.4}, HEUN, 0.02),
    ("CoombesByrne2D", {}, "Linear", {"a": 0.3}, HEUN, 0.02),
    ("CoombesByrne", {}, "Linear", {"a": 0.5}, HEUN, 0.001),
    ("CoombesByrne", {}, "Linear", {"a": 0.5}, HEUN, 0.002),
    ("LarterBreakspear", {}, "HyperbolicTangent", {"a": 0.5, "sigma": 0.65}, HEUN, 0.2),
    ("Epileptor", {"Kvf": 0.4, "Kf": 0.3, "Ks": -0.2}, "Difference", {"a": 0.1}, HEUN, 0.05),
    ("ZerlautAdaptationFirstOrder", DRIVEN, "Linear", {"a": 0.1}, HEUN, 0.1),
)
REMARKS = {  # by model and dt
    ("CoombesByrne", 0.002): "differs, since r falls below 0 within two steps: The Virtual Brain clamps the stages of "
    "Heun's method as well, torchmass the end of the step; neither is right, and with half the step both agree; ",
}


def rows(steps: int) -> Iterator[Row]:
    """Every case as released, and with weights and past in double precision as the rest."""
    warnings.simplefilter("ignore")  # of a module for surfaces
    logging.disable(logging.CRITICAL)
    released = [compared(case, steps) for case in CASES]
    keep_doubles()
    for case, before in zip(CASES, released, strict=True):
        model, _, coupling, _, scheme, dt = case
        remark = f"{REMARKS.get((model, dt), '')}{before:.0e} as released"
        yield Row(f"{model}, {coupling}, {scheme}", dt, steps, compared(case, steps), remark)


def compared(case: Case, steps: int) -> float:
    """The difference between a run there and one here."""
    simulator = configured(*case, weights=WEIGHTS, lags=LAGS, speed=3.0, labels=LABELS)
    match = MODELS[case[0]]
    ours = tm.from_tvb(simulator)
    series = trajectory(simulator, steps)
    theirs = {state: series[:, k] * unit for k, (state, unit) in enumerate(match.states.items())}
    return difference(ours.run(steps * ours.dt), theirs)


def keep_doubles() -> None:
    """Let simulators that are configured from now on keep in float64 what they keep in float32."""
    from tvb.simulator import descriptors, history

    for kind in (history.BaseHistory, history.DenseHistory, history.SparseHistory):
        for held in vars(kind).values():
            if isinstance(held, descriptors.NDArray) and held.dtype == "f":
                held.dtype = "d"
