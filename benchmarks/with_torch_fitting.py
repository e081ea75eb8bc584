"""torchmass's fits: what one step of an optimiser asks for."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from engine import Engine, Work
from fitting_cases import AVERAGED, TR, Case, Population, RestingState
from network_cases import NetworkCase
from with_torch_networks import simulator

import torchmass as tm
from torchmass.run_options import RunOptions

NETWORK = NetworkCase("rww", 84, dt=1.0, longest=75.0)


class OnTheirGrid(tm.FirstOrderVolterraHRFKernel):
    """The kernel where tvboptim takes it: from 0 to 20 s, both included, and not in the middle of samples."""

    @staticmethod
    def response(t: torch.Tensor, p: Any) -> torch.Tensor:
        count = 20_000.0 / AVERAGED
        return tm.FirstOrderVolterraHRFKernel.response((t - AVERAGED / 2) * count / (count - 1), p)


def target(regions: int) -> np.ndarray:
    """A matrix that FC may be compared with."""
    random = np.random.default_rng(0).uniform(-0.2, 0.8, (regions, regions)).astype("f4")
    return (random + random.T) / 2 * (1 - np.eye(regions, dtype="f4"))


def build(case: Case) -> Work | None:
    """The loss of a resting state, and its gradient."""
    if not isinstance(case, RestingState):
        return None
    network = replace(NETWORK, steps=case.steps, sigma=case.sigma)
    sim, wanted = simulator(network, "auto"), torch.from_numpy(target(network.regions))
    k = sim.model.free("k").coupling.raw.k  # type: ignore[union-attr]
    bold, others = tm.TemporalAverage(AVERAGED).then(tm.HRFBold(OnTheirGrid(), tr=TR)).of("S"), 1 - torch.eye(84)

    def step() -> tuple[torch.Tensor, torch.Tensor]:
        seen = sim.run(case.steps * network.dt, observe={"bold": bold}, seed=0)["bold"]
        found = tm.objectives.functional_connectivity(seen)
        loss = ((found - wanted) * others).square().mean().sqrt()
        return loss, torch.autograd.grad(loss, k)[0]

    # without noise the gradient cancels: in float32 that of tvboptim is off by 0.5 %, this one by 1e-4, of float64
    return Work(step, lambda found: {"loss": found[0].detach().numpy()})


def population(at_once: bool, case: Case) -> Work | None:
    """The losses of a population, in one run or in one for each candidate."""
    if not isinstance(case, Population):
        return None
    random = np.random.default_rng(0)
    weights = random.uniform(0, 0.02, (80, 80))
    node = tm.HopfStep(80, w=0.2, noise_x=tm.WhiteNoise(0.02), noise_y=tm.WhiteNoise(0.02))
    sim = tm.Simulator(tm.Network(node, weights, coupling="diffusive"), dt=0.1)
    k = torch.linspace(0.1, 2.0, case.candidates)[:, None, None]
    a = torch.linspace(-0.2, 0.2, case.candidates)[:, None, None]
    wanted = torch.from_numpy(random.normal(size=(case.steps, 1, 80)).astype("f4"))

    def losses(k: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        sim.model.coupling.assign(k=k), node.assign(a=a)  # type: ignore[union-attr]
        asked = sim.asked(RunOptions(often=True, candidates=len(k)))
        found = asked.run(case.steps * 0.1, monitors=["x"], seed=0)["x"]  # (T, C, 1, N)
        return tm.objectives.timeseries_rmse(found, wanted[:, None])[:, 0]

    def all_losses() -> torch.Tensor:
        with torch.no_grad():
            if at_once:
                return losses(k, a)
            return torch.cat([losses(k[i : i + 1], a[i : i + 1]) for i in range(case.candidates)])

    return Work(all_losses, lambda found: {"losses": found.numpy()})


def engines() -> list[Engine[Case]]:
    """In the loop; and populations one by one, which are the reference of those in a batch."""
    torch.set_default_dtype(torch.float32)
    return [
        Engine("torchmass fused", lambda case: build(case) or population(True, case)),
        Engine("one by one", lambda case: population(False, case)),
    ]
