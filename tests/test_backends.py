"""Every backend equals eager, in values and gradients, over the axes a run has."""

import pytest
import torch
from conftest import MODELS

import torchmass as tm
from torchmass.simulator import BACKENDS

STEPS = 60
CASES = [  # model × integrator × noise × coupling, each pair of values at least once
    ("HopfStep", "euler", "state", "diffusive"),
    ("HopfStep", "heun", "input", "additive"),
    ("FitzHughNagumoStep", "heun", "state", None),
    ("LinearStep", "exp_euler", None, "diffusive"),
    ("WilsonCowanStep", "midpoint", "input", "diffusive"),
    ("HopfStep", "exp_euler", "state", "additive"),
    ("JansenRitStep", "midpoint", "input", "additive"),
    ("MontbrioPazoRoxinStep", "heun", "state", "diffusive"),
    ("LinearStep", "rk4", None, "additive"),
]


def simulator(name, method, noise, coupling, backend):
    cls = next(cls for cls in MODELS if cls.__name__ == name)
    driven = {"state": next(iter(cls.state_declarations)), "input": next(iter(cls.input_declarations)), None: None}
    processes = {f"noise_{driven[noise]}": tm.WhiteNoise(0.01)} if noise else {}
    node = cls(3, **processes)
    node.free(*cls.P._fields[:2])
    weights = torch.tensor([[0.0, 0.4, 0.1], [0.2, 0.0, 0.3], [0.0, 0.7, 0.0]])
    model = tm.Network(node, weights, coupling=coupling, k=0.1).free("weights") if coupling else node
    return tm.Simulator(model, dt=0.05, method=method, backend=backend)


@pytest.mark.slow
@pytest.mark.parametrize("backend", [name for name in BACKENDS if name not in ("eager", "fused")])
@pytest.mark.parametrize(("name", "method", "noise", "coupling"), CASES)
def test_a_backend_equals_eager(backend, name, method, noise, coupling):
    torch.compiler.reset()
    found = []
    for engine in ("eager", backend):
        sim = simulator(name, method, noise, coupling, engine)
        result = sim.run(STEPS * 0.05, batch_size=2, seed=1, inputs=lambda i, t: 0.1 * i)
        assert result.backend == engine
        series = torch.stack([result[state] for state in sim.model.states])
        gradients = torch.autograd.grad(series.square().mean(), tuple(sim.parameters()))
        found.append((series, *gradients))
    for expected, value in zip(*found, strict=True):
        assert float((value - expected).detach().abs().max()) <= 1e-12 * float(expected.detach().abs().max())


def test_auto_says_what_it_chose():
    assert tm.Simulator(tm.HopfStep(1), dt=0.1).run(1.0).backend == "eager"
