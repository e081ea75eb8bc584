"""torchdiffeq's adaptive solvers as methods of the Simulator."""

import pytest
import torch

import torchmass as tm
from torchmass.kernels.adaptive import METHODS


def network():
    node = tm.HopfStep(2, a=0.2, w=0.3).free("a")
    return tm.Network(node, torch.tensor([[0.0, 1.0], [0.3, 0.0]]), k=0.2).free("k", "weights")


@pytest.mark.parametrize("method", METHODS)
def test_an_adaptive_method_equals_rk4_with_a_small_step(method):
    adaptive = tm.Simulator(network(), dt=0.1, method=method, rtol=1e-7, atol=1e-9).run(6.0, sample_every=7)
    exact = tm.Simulator(network(), dt=0.01, method="rk4").run(6.0, transient=0.09, sample_every=70)
    torch.testing.assert_close(adaptive["x"], exact["x"], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(adaptive.ts, exact.ts)
    torch.testing.assert_close(adaptive.state["y"], exact.state["y"], rtol=1e-4, atol=1e-5)
    assert adaptive.backend == "torchdiffeq"


def test_the_adjoint_gives_the_gradient_of_backpropagation():
    gradients = []
    for adjoint in (False, True):
        model = network()
        sim = tm.Simulator(model, dt=0.1, method="dopri5", adjoint=adjoint, rtol=1e-10, atol=1e-12)
        loss = sim.run(3.0)["x"].square().mean()
        gradients.append(torch.autograd.grad(loss, tuple(model.parameters())))
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-6, atol=1e-9)


def test_the_adjoint_reaches_the_start():
    node = tm.HopfStep(1, init_x=0.3).free("init_x")
    gradients = []
    for options in ({"method": "dopri5", "adjoint": True}, {"method": "rk4"}):
        loss = tm.Simulator(node, dt=0.05, **options).run(3.0)["x"].square().mean()
        gradients.append(torch.autograd.grad(loss, node.raw.init_x)[0])
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-8)


def test_inputs_are_held_over_each_step():
    drive = torch.tensor([1.0, -2.0, 0.5, 0.0])
    node = tm.LinearStep(gamma=-1.0, init_x=0.0)
    adaptive = tm.Simulator(node, dt=0.5, method="dopri5", rtol=1e-9, atol=1e-11).run(2.0, inputs=drive)["x"]
    exact = tm.Simulator(node, dt=0.5, method="exp_euler").run(2.0, inputs=drive)["x"]
    torch.testing.assert_close(adaptive, exact, rtol=1e-6, atol=1e-7)


def test_two_halves_make_a_whole():
    sim = tm.Simulator(tm.HopfStep(1), dt=0.1, method="dopri5", rtol=1e-9, atol=1e-11)
    drive = lambda i, t: 0.01 * i
    whole, first = sim.run(2.0, inputs=drive), sim.run(1.0, inputs=drive)
    second = sim.run(1.0, inputs=drive, x0=first.state)
    torch.testing.assert_close(torch.cat([first["x"], second["x"]]), whole["x"], rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(torch.cat([first.ts, second.ts]), whole.ts)


def test_noise_is_refused():
    sim = tm.Simulator(tm.HopfStep(1, noise_x=tm.WhiteNoise(0.1)), dt=0.1, method="dopri5")
    with pytest.raises(ValueError, match="without noise"):
        sim.run(1.0)
