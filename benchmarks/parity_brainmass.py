"""brainmass, in float64: single nodes, and networks without delays and with."""

from collections.abc import Iterator
from typing import Any

import brainmass
import brainstate
import brainunit as u
import jax.numpy as jnp
import numpy as np
from parity_row import REGIONS, WEIGHTS, WHOLE, Row, difference, starts

import torchmass as tm

NOTE = """The method is brainmass's `rk2`, which is Heun's; a network's coupling is held over the step, as there, and
the past is the start. brainmass takes ⌈d/dt⌉ steps for a delay d, so that 3 · 0.1/0.1 = 3.0000000000000004 is 4: the
row with dt = 0.1 ms and delays of whole steps differs, and agrees when torchmass is given those delays; with dt =
0.125 ms the division is exact."""
NODES = (
    *("HopfStep", "VanDerPolStep", "StuartLandauStep", "FitzHughNagumoStep", "LinearStep", "Generic2dOscillatorStep"),
    *(
        "LorenzStep",
        "WilsonCowanStep",
        "JansenRitStep",
        "WongWangExcInhStep",
        "CoombesByrneStep",
        "LarterBreakspearStep",
    ),
    *("EpileptorStep", "WilsonCowanNoSaturationStep", "WilsonCowanSymmetricStep", "WilsonCowanSimplifiedStep"),
    "WilsonCowanLinearStep",
)
STEPS = {"LorenzStep": 0.005, "CoombesByrneStep": 0.01, "EpileptorStep": 0.05}  # ms, of others 0.1
RATES = ("MontbrioPazoRoxinStep", 0.01)
DEFAULTS = "differs: the default Δ there is 1 Hz, which is 0.001 per ms; that of the paper is 1"
NETWORKS = (("HopfStep", "x", "diffusive", 0.1), ("HopfStep", "x", "additive", 0.1), ("HopfStep", "x", "tanh", 0.1))
NETWORKS += (("FitzHughNagumoStep", "V", "diffusive", 0.1), ("WilsonCowanStep", "rE", "additive", 0.5))
UP = "differs: brainmass rounds delays up after a division that is not exact, so that 0.3 ms is 4 steps of 0.1 ms"


def rows(steps: int) -> Iterator[Row]:
    """Every node and network; the method is `rk2`, which is Heun's, and couplings are held over the step as there."""
    brainstate.environ.set(precision=64)
    for name in NODES:
        yield alone(name, STEPS.get(name, 0.1), steps)
    yield alone(*RATES, steps, {"delta": 1e3 * u.Hz}, {"tau": 1.0}, remark="Δ = 1 per ms and τ = 1 ms in both")
    yield alone(*RATES, steps, ours={"tau": 1.0}, remark=DEFAULTS)
    for case in NETWORKS:
        yield network(*case, 0.1, steps, None)
    for case in NETWORKS:
        yield network(*case, 0.125, steps, WHOLE)
    yield network(*NETWORKS[0], 0.1, steps, WHOLE, remark=UP)
    yield network(*NETWORKS[0], 0.1, steps, WHOLE, np.ceil(WHOLE * 0.1 / 0.1), remark="the same, rounded as there")


def alone(name: str, dt: float, steps: int, theirs: Any = None, ours: Any = None, remark: str = "") -> Row:
    """Nodes without couplings there and here, with other values than the defaults."""
    node, start, series = trajectory(name, dt, steps, **(theirs or {}))
    found = tm.Simulator(node(REGIONS, **start, **(ours or {})), dt=dt).run(steps * dt)
    return Row(f"{name}, single nodes", dt, steps, difference(found, series), remark)


def network(
    name: str, var: str, kind: str, k: float, dt: float, steps: int, lags: Any, rounded: Any = None, remark: str = ""
) -> Row:
    """A network there and here; `rounded` are delays here, in steps, where they are others."""
    wired: dict[str, Any] = {"coupling": kind, "coupled_var": var, "k": k}
    node, start, series = trajectory(name, dt, steps, wired, lags)
    late = {} if lags is None else {"delays": dt * (lags if rounded is None else rounded), "interpolation": "nearest"}
    net = tm.Network(node(REGIONS, **start), WEIGHTS, hold=True, **wired, **late)
    found = tm.Simulator(net, dt=dt).run(steps * dt)
    title = f"{name}, {kind} on {var}, {'no delays' if lags is None else 'delays'}"
    return Row(title, dt, steps, difference(found, series), remark)


def trajectory(
    name: str, dt: float, steps: int, wired: dict[str, Any] | None = None, lags: Any = None, **values: Any
) -> tuple[type[tm.NeuralMass], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Our class, where it starts, and where brainmass goes from there; the past is the start."""
    node = getattr(tm, name)
    own, begin = getattr(brainmass, name)(REGIONS, method="rk2", **values), starts(node)
    brainstate.environ.set(dt=dt * u.ms)  # pyright: ignore[reportArgumentType]
    model: Any = own
    if wired is not None:
        past: Any = lambda shape, **_: jnp.broadcast_to(jnp.asarray(begin[wired["coupled_var"]]), shape)
        late = {} if lags is None else {"distance": lags * dt, "speed": 1.0}
        model = brainmass.Network(own, conn=WEIGHTS, delay_init=past, **wired, **late)
    brainstate.nn.init_all_states(model)
    for state, value in begin.items():
        held = getattr(own, state)
        held.value = jnp.asarray(value) * getattr(held.value, "unit", 1)

    def step(i: Any) -> Any:
        with brainstate.environ.context(i=i, t=i * dt * u.ms):
            model.update()
        return [getattr(own, state).value for state in begin]

    found = brainstate.transform.for_loop(step, np.arange(steps))
    series = {state: np.asarray(getattr(x, "mantissa", x)) for state, x in zip(begin, found, strict=True)}
    return node, {f"init_{state}": value for state, value in begin.items()}, series
