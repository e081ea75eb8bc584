"""The networks that are timed on a GPU, and the sums that a run of one must take at the least."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from connectome import generated

import torchmass as tm

TR, EVERY = 720.0, 10  # ms between two images of BOLD, and steps between two samples that it is made of, as in cuBNM
LEAST = 100.0  # ms that a run must have for an image


@dataclass(frozen=True)
class GpuCase:
    """`simulations` of a network of `regions`, each with a gain of its own, for `steps` of 0.1 ms."""

    name: str
    model: str  # "rww", with BOLD in the loop, or "mpr"
    simulations: int
    regions: int
    steps: int
    dtype: torch.dtype = torch.float32
    method: str = "heun"
    dt: float = 0.1  # ms
    longest: float = 0.0  # delay in ms
    gradient: bool = False  # of the gain

    @property
    def title(self) -> str:
        """What it is called in tables."""
        dtype = str(self.dtype).removeprefix("torch.")
        parts = [f"{self.simulations:,} × {self.regions} regions", self.method.capitalize(), f"{self.steps:,} steps"]
        parts += [f"delays ≤ {self.longest:g} ms"] if self.longest else []
        return ", ".join([self.name, *parts, dtype, *(["forward + gradient"] if self.gradient else [])])

    @property
    def node_steps(self) -> int:
        """How often a node takes a step."""
        return self.simulations * self.regions * self.steps

    @property
    def terms(self) -> int:
        """How many products of a weight and a signal there are, at every stage of a step."""
        return self.node_steps * self.regions * (2 if self.method == "heun" else 1)

    @property
    def pilot(self) -> int:
        """How many of the steps say how long all take: those of an image, where that is few of them."""
        image = round(TR / self.dt)
        return image if self.steps > 10 * image else self.steps

    def quick(self) -> Self:
        """Does it still run?"""
        dt, steps = (25.0, 4) if self.model == "rww" else (self.dt, 12)  # for an image
        few = min(3, self.simulations)
        return replace(self, simulations=few, regions=4, steps=steps, dt=dt, longest=min(self.longest, 1.0))

    def work(self, device: str, backend: str, steps: int) -> Callable[[], Any]:
        """The call that is timed, of so many steps; it returns what it has computed."""
        torch.set_default_dtype(self.dtype)
        connectome, duration = generated(self.regions, 1.0), self.dt * steps
        weights = torch.from_numpy(connectome.weights).to(self.dtype)
        gain = torch.linspace(0.0, self._scale(), self.simulations, dtype=self.dtype)[:, None]
        delays = torch.from_numpy(connectome.delays(self.longest)).to(self.dtype) if self.longest else None
        coupling = tm.AdditiveCoupling(weights, delays=delays, k=gain)
        sim = tm.Simulator(tm.Network(self._node(), coupling=coupling).to(device), self.dt, self.method, backend)
        options: dict[str, Any] = {"seed": 1, "checkpoint": "sqrt" if self.gradient else "none"}
        if self.model == "rww" and duration >= LEAST:
            every = EVERY if steps > EVERY**2 else 1
            options |= {"observe": {"seen": tm.BOLDSignal(tr=min(TR, duration))}, "sample_every": every}
        else:
            options |= {"monitors": {"seen": "output"}, "sample_every": steps}
        if not self.gradient:
            return lambda: sim.run(duration, **options)["seen"]
        raw: Any = coupling.free("k").raw.k
        return lambda: torch.autograd.grad(sim.run(duration, **options)["seen"].square().mean(), raw)

    def _node(self) -> tm.NeuralMass:
        if self.model == "rww":
            return tm.ReducedWongWangStep(self.regions, noise_S=tm.WhiteNoise(0.01))
        return tm.MontbrioPazoRoxinStep(self.regions, tau=10.0, eta=-5.0, J=15.0)

    def _scale(self) -> float:
        return 1.0 if self.model == "rww" else 0.02


HEADLINE = GpuCase("Reduced Wong–Wang with BOLD", "rww", 32_768, 100, 600_000, method="euler")
BATCH = GpuCase("Montbrió–Pazó–Roxin", "mpr", 4096, 80, 1000, longest=75.0)
ONE = GpuCase("one network", "mpr", 1, 80, 10_000)
LARGE = replace(ONE, name="more nodes than a program holds", regions=4096, steps=1000)
CASES = {  # what is worth most comes first
    "single": HEADLINE,
    "double": replace(HEADLINE, dtype=torch.float64),
    "gradient": replace(HEADLINE, gradient=True),
    "batch": BATCH,
    "one": ONE,
    "batch gradient": replace(BATCH, gradient=True),
    "large": LARGE,
}
