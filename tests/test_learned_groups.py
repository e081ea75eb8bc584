"""A group of a network may be of a model that has modules in its equations."""

import pytest
import torch
from test_mixed_network import CORTEX, THALAMUS, D, W

import torchmass as tm
from torchmass.kernels.step.trace import TraceError


class Learned(tm.HopfStep):
    """A Hopf node whose nonlinear damping is what a module makes of x."""

    def derivative(self, s, u, p):
        return tm.HopfStep.derivative(s, u, p._replace(beta=self.damping(s.x[..., None])[..., 0]))


def test_a_model_with_a_module_in_its_derivative_may_be_a_group():
    plain, learned = tm.HopfStep(3, a=0.1, init_x=0.3).free("beta"), Learned(3, a=0.1, init_x=0.3)
    learned.damping = torch.nn.Linear(1, 1)
    torch.nn.init.zeros_(learned.damping.weight), torch.nn.init.ones_(learned.damping.bias)
    found = []
    for model, beta in ((plain, plain.raw.beta), (learned, learned.damping.bias)):
        parts = {"cortex": (model, CORTEX), "thalamus": (tm.JansenRitStep(4, mu=200.0), THALAMUS)}
        sim = tm.Simulator(tm.Network(parts, W, k=0.1, delays=D), 0.1)
        x = sim.run(20.0)["thalamus_E"]
        found.append((x.detach(), torch.autograd.grad(x.square().sum(), beta)[0].sum()))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=0)
    with pytest.raises(TraceError, match="its derivative is a method"):
        tm.Simulator(sim.model, 0.1, backend="fused").run(20.0)
