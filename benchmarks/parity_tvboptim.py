"""tvboptim, in float64: networks with delays, of models that have the names and units of The Virtual Brain."""

from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from parity_row import REGIONS, WEIGHTS, WHOLE, Row, difference, starts
from tvboptim.experimental import network_dynamics as tvbo
from tvboptim.experimental.network_dynamics import coupling as couplings
from tvboptim.experimental.network_dynamics.dynamics import tvb as models
from tvboptim.experimental.network_dynamics.solvers import BoundedSolver, Heun

import torchmass as tm
from torchmass.tvb.couplings import couplings as translated
from torchmass.tvb.models import MODELS, Match
from torchmass.tvb.reading import Reader, given

NOTE = """Its models have the names and units of The Virtual Brain, so that they are translated as `from_tvb`
translates them. Heun, held coupling, delays of whole steps, the past is the start; its Heun would read delays half a
step later, and is told not to."""
LINEAR, DIFFERENCE = ("DelayedLinearCoupling", "Linear"), ("DelayedDifferenceCoupling", "Difference")
SINE, SIGMOID = ("DelayedKuramotoCoupling", "Kuramoto"), ("DelayedSigmoidalJansenRit", "SigmoidalJansenRit")
CASES: tuple[tuple[str, str, dict[str, Any], tuple[str, str], Any, float, float], ...] = (
    ("Generic2dOscillator", "Generic2dOscillator", {"a": 2.0}, LINEAR, "V", 0.1, 0.5),
    ("Generic2dOscillator", "Generic2dOscillator", {"a": 2.0}, DIFFERENCE, "V", 0.2, 0.5),
    ("Kuramoto", "Kuramoto", {"omega": 0.1}, SINE, "theta", 0.05, 0.5),
    ("SupHopf", "SupHopf", {"a": 0.2, "omega": 0.3}, LINEAR, ("x", "y"), 0.1, 0.1),
    ("Linear", "Linear", {"gamma": -0.3}, LINEAR, "x", 0.1, 0.2),
    ("WilsonCowan", "WilsonCowan", {"P": 0.5}, LINEAR, "E", 0.2, 0.5),
    ("JansenRit", "JansenRit", {}, SIGMOID, ("y1", "y2"), 5.0, 0.5),
    ("ReducedWongWang", "ReducedWongWang", {"w": 0.9}, LINEAR, "S", 0.1, 1.0),
    ("ReducedWongWangExcInh", "WongWangExcInh", {"lamda": 0.2}, LINEAR, "S_e", 0.1, 0.5),
    ("MontbrioPazoRoxin", "MontbrioPazoRoxin", {"cv": 0.3}, LINEAR, ("r", "V"), 0.4, 0.02),
    ("CoombesByrne2D", "CoombesByrne2D", {}, LINEAR, "r", 0.3, 0.02),
    ("LarterBreakspear", "LarterBreakspear", {}, LINEAR, "V", 0.1, 0.2),
    ("Epileptor", "Epileptor", {"Kvf": 0.4, "Kf": 0.3, "Ks": -0.2}, LINEAR, ("x1", "x2"), 0.1, 0.05),
)


def rows(steps: int) -> Iterator[Row]:
    """Every model."""
    for theirs, name, values, kinds, sent, gain, dt in CASES:
        match, dynamics = MODELS[theirs], getattr(models, name)(**values)
        begin = starts(match.node)
        coupling = getattr(couplings, kinds[0])(incoming_states=sent, G=gain, **_own(kinds[0], sent))
        coupling.N_OUTPUT_STATES = 1 if kinds == SIGMOID else len(np.atleast_1d(sent))
        series = trajectory(dynamics, coupling, match, begin, dt, steps)
        m = Reader(dynamics.params, REGIONS)
        scaled = type(kinds[1], (), {**_defaults(coupling.params), "a": gain})
        parts = translated(scaled(), match, m, WEIGHTS, {"delays": given(WHOLE * dt)})
        own = {key: given(value) for key, value in match.values(m).items()}
        node = match.node(REGIONS, **own, **{f"init_{state}": value for state, value in begin.items()})
        net = tm.Network(node, coupling=parts)
        found = tm.Simulator(net, dt=dt).run(steps * dt)
        yield Row(f"{name}, {kinds[0]}", dt, steps, difference(found, series))


def _own(kind: str, sent: Any) -> dict[str, Any]:
    return {"local_states": sent} if kind in (DIFFERENCE[0], SINE[0]) else {}


def _defaults(params: Any) -> dict[str, Any]:
    return {name: float(value) for name, value in params.items() if name != "G"}


def trajectory(
    dynamics: Any, coupling: Any, match: Match, begin: dict[str, np.ndarray], dt: float, steps: int
) -> dict[str, np.ndarray]:
    """Where tvboptim goes, by our names and units; the past is the start."""
    graph = tvbo.DenseDelayGraph(WEIGHTS, WHOLE * dt)
    network, solver = tvbo.Network(dynamics, {"delayed": coupling}, graph), Heun()
    solver.stage_time_centroid = 0.0  # delays are whole steps, read at the start of a step
    bounds = [match.node.state_declarations[state].bounds for state in match.states]
    low, high = (np.array([[getattr(bound, end)] for bound in bounds]) for end in ("low", "high"))
    solve, config = tvbo.prepare(network, BoundedSolver(solver, low, high), t0=0.0, t1=steps * dt, dt=dt)
    start = np.array([begin[state] / unit for state, unit in match.states.items()])
    places = [dynamics.STATE_NAMES.index(name) for name in np.atleast_1d(coupling.INCOMING_STATE_NAMES)]
    config.initial_state.dynamics = jax.numpy.asarray(start)
    held = config.initial_state.coupling["delayed"]
    held.history = held.history.at[:].set(start[places])
    found = np.asarray(solve(config).ys)
    return {state: found[:, k] * unit for k, (state, unit) in enumerate(match.states.items())}
