"""The pieces of work that are timed, and the numbers that all engines start from."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from engine import CHECKED_STEPS, Arrays

import torchmass as tm

DT = 0.1  # ms
MODELS = {"hopf": tm.HopfStep, "jansen_rit": tm.JansenRitStep}


@dataclass(frozen=True)
class Case:
    """`steps` Heun steps of `nodes` nodes in float32, recording one series; the loss is the mean of its square."""

    title: str
    model: str
    nodes: int
    steps: int
    gradient: bool = False  # of all parameters of the model, each one number
    network: bool = False  # diffusive coupling through dense weights, white noise on the first state
    sigma: float = 0.0  # of the noise, per √ms

    @property
    def key(self) -> str:
        """What `requirements.py` calls it: the model, how many nodes, and what else."""
        extras = [name for name in ("gradient", "network") if getattr(self, name)]
        return " ".join([self.model, str(self.nodes), *extras])

    def shortened(self) -> Self:
        """The steps that are checked, without noise, of which every engine draws its own."""
        return replace(self, steps=min(CHECKED_STEPS, self.steps), sigma=0.0)

    def parameters(self) -> dict[str, float]:
        """The model's parameters at their defaults, without the starts and what others have as an input."""
        model = MODELS[self.model]
        return {name: model.declarations[name].default for name in model.Params._fields if name != "mu"}

    def start(self) -> Arrays:
        """Where every node starts: spread over the declared ranges, so that no two nodes do the same."""
        rng, states = np.random.default_rng(1), MODELS[self.model].state_declarations
        drawn = lambda low, high: rng.uniform(low, high, self.nodes).astype(np.float32)
        return {name: drawn(*state.range) for name, state in states.items()}

    def drive(self) -> np.ndarray:
        """A constant input per node: p of Jansen–Rit between 120 and 320 Hz, none for Hopf."""
        low, high = (120, 320) if self.model == "jansen_rit" else (0, 0)
        return np.linspace(low, high, self.nodes, dtype=np.float32)

    def weights(self) -> np.ndarray:
        """Dense weights [to, from] of unit in-strength, not symmetric, without self-connections."""
        drawn = np.random.default_rng(2).lognormal(size=(self.nodes, self.nodes)) * (1 - np.eye(self.nodes))
        return (drawn / drawn.sum(1, keepdims=True)).astype(np.float32)


GAIN = 0.1  # of the coupling
CASES = (
    Case("Hopf, 1 node, 10,000 steps", "hopf", 1, 10_000),
    Case("Hopf, 80 nodes, 10,000 steps", "hopf", 80, 10_000),
    Case("Hopf, 1024 nodes, 1,000 steps", "hopf", 1024, 1_000),
    Case("Jansen–Rit, 1 node, 10,000 steps", "jansen_rit", 1, 10_000),
    Case("Jansen–Rit, 80 nodes, 10,000 steps", "jansen_rit", 80, 10_000),
    Case("Jansen–Rit, 80 nodes, 10,000 steps, forward + gradient", "jansen_rit", 80, 10_000, gradient=True),
    Case("Jansen–Rit, 1024 nodes, 1,000 steps", "jansen_rit", 1024, 1_000),
    Case("Jansen–Rit, 1024 nodes, 1,000 steps, forward + gradient", "jansen_rit", 1024, 1_000, gradient=True),
    Case("Hopf network, 84 regions, noise, 10,000 steps", "hopf", 84, 10_000, network=True, sigma=0.02),
)
