"""The networks that are timed, and the numbers that all engines start from."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np
from connectome import Connectome, generated
from engine import CHECKED_STEPS, Arrays

NAMES = {"rww": "Reduced Wong–Wang", "hopf": "Hopf", "mpr": "Montbrió–Pazó–Roxin"}
PARAMETERS = {  # of every region, in torchmass's units
    "rww": {"a": 270.0, "b": 108.0, "d": 0.154, "gamma": 0.641, "tau_S": 100.0, "w": 0.9, "J_N": 0.2609},
    "hopf": {"a": 0.1, "w": 0.2, "beta": 1.0},
    "mpr": {"tau": 10.0, "eta": -5.0, "delta": 1.0, "J": 15.0},
}
COUPLING = {"rww": "additive", "hopf": "diffusive", "mpr": "additive"}
GAIN = {"rww": 0.5, "hopf": 0.6, "mpr": 0.02}
STARTS = {"rww": {"S": (0.4, 0.6)}, "hopf": {"x": (-0.5, 0.5), "y": (-0.5, 0.5)}, "mpr": {"r": (0, 50), "v": (-2, 0)}}
TAU = 5.0  # ms, of Ornstein–Uhlenbeck noise


@dataclass(frozen=True)
class NetworkCase:
    """`steps` steps of a network in float32, recording its first state; the loss is the mean of its square.

    The gradient is that of k, the weights of all pairs that are connected, I_o of every region, σ and the start, and of
    the speed where delays are interpolated.
    """

    model: str
    regions: int
    steps: int = 10_000
    dt: float = 0.1  # ms
    longest: float = 0.0  # delay in ms; 0: there are none
    linear: bool = False  # delays are interpolated, else whole steps
    gradient: bool = False
    method: str = "heun"
    noise: str = "white"  # on the first state; "coloured": Ornstein–Uhlenbeck processes on all; or ""
    sigma: float = 0.01
    hold: bool = True  # the coupling is evaluated once a step
    simulations: int = 1  # each with a k of its own
    every: int = 1  # steps, between those that are recorded
    density: float = 1.0  # share of the pairs of regions that are connected
    memory: bool = False  # is measured as well
    checks: int = CHECKED_STEPS

    @property
    def key(self) -> str:
        """What `network_requirements.py` calls it."""
        delays = f"{self.longest:g} ms {'interpolated' if self.linear else 'rounded'}" if self.longest else "no delays"
        batch = f"{self.simulations} × " if self.simulations > 1 else ""
        extras = [delays, f"dt {self.dt:g}"]
        extras += [f"{100 * self.density:g} %"] if self.density < 1 else []
        extras += ["gradient"] if self.gradient else []
        return f"{batch}{self.model} {self.regions}, {', '.join(extras)}"

    @property
    def title(self) -> str:
        """What it is called in tables."""
        batch = f"{self.simulations} simulations × " if self.simulations > 1 else ""
        rounded = "interpolated" if self.linear else "whole steps"
        parts = [f"delays ≤ {self.longest:g} ms ({rounded})" if self.longest else "no delays"]
        parts += [f"{100 * self.density:g} % of the pairs"] if self.density < 1 else []
        parts += [f"{self.method.capitalize()}, dt {self.dt:g} ms", f"{self.steps:,} steps"]
        parts += [] if self.hold else ["coupling at every stage"]
        parts += ["forward + gradient"] if self.gradient else []
        return f"{NAMES[self.model]}, {batch}{self.regions} regions, {', '.join(parts)}"

    def shortened(self) -> Self:
        """The steps that are checked, without noise, of which every engine draws its own."""
        return replace(self, steps=min(self.checks, self.steps), sigma=0.0)

    @cached_property
    def connectome(self) -> Connectome:
        """Weights and lengths."""
        return generated(self.regions, self.density)

    def weights(self) -> np.ndarray:
        """Weights [to, from]."""
        return self.connectome.weights.astype(np.float32)

    def delays(self) -> np.ndarray:
        """Delays in ms [to, from]; whole steps where they are rounded, so that all engines round alike."""
        delays = np.where(self.weights() > 0, self.connectome.delays(self.longest), 0.0)
        return (delays if self.linear else np.rint(delays / self.dt) * self.dt).astype(np.float32)

    def lengths(self) -> np.ndarray:
        """Lengths of the connections in mm, 0 where there is none."""
        return np.where(self.weights() > 0, self.connectome.lengths, 0.0).astype(np.float32)

    def parameters(self) -> dict[str, float]:
        """The model's parameters, of all regions alike."""
        return dict(PARAMETERS[self.model])

    @property
    def speed(self) -> float:
        """Of conduction, in mm/ms."""
        return self.connectome.speed(self.longest)

    @property
    def room(self) -> float:
        """The longest delay in ms that memory is reserved for where the speed may be fitted."""
        return 1.01 * self.longest

    def drive(self) -> np.ndarray:
        """The background current of every region in nA, I_o."""
        return np.linspace(0.28, 0.32, self.regions, dtype=np.float32)

    def gain(self) -> np.ndarray:
        """The gain of the coupling: a number, or one of every simulation."""
        gain = np.float32(GAIN[self.model])
        return np.asarray(gain) if self.simulations == 1 else np.linspace(0, 2 * gain, self.simulations, dtype="f4")

    def start(self) -> Arrays:
        """Where every region starts, the same in all simulations: spread out, so that no two do the same."""
        rng = np.random.default_rng(1)
        spread = STARTS[self.model].items()
        return {name: rng.uniform(low, high, self.regions).astype(np.float32) for name, (low, high) in spread}


def _both(**options: object) -> list[NetworkCase]:
    """Forward, and forward and gradient."""
    return [NetworkCase("rww", gradient=gradient, **options) for gradient in (False, True)]  # type: ignore[arg-type]


SLOW, FAST = {"dt": 1.0, "checks": 200}, {"dt": 0.1, "checks": 1000}  # checked for longer than the longest delay
WHOLE_BRAIN = [
    case
    for delays in ({"longest": 75.0}, {"longest": 75.0, "linear": True}, {})
    for step in (SLOW, FAST)
    for case in _both(regions=84, **delays, **step)
]
LARGE = _both(regions=400, longest=100.0, memory=True)
OTHERS = [
    NetworkCase("hopf", 80, longest=75.0, method="euler", noise="coloured", checks=1000),
    NetworkCase("rww", 76, longest=75.0, checks=1000),
]
BATCH = NetworkCase("mpr", 80, 1000, noise="", sigma=0.0, hold=False, simulations=1024, every=10)
SPARSE = [  # 5 % of the pairs, and all
    replace(case, density=density)
    for case in (
        NetworkCase("rww", 1000, 1000, longest=75.0, checks=20),
        *_both(regions=1000, steps=1000, hold=False, checks=20),
    )
    for density in (0.05, 1.0)
]
CASES = (*WHOLE_BRAIN, *LARGE, *OTHERS, BATCH, *SPARSE)
