"""Every scheme has the order it states, alone and in a coupled network."""

import math

import pytest
import torch

import torchmass as tm
from torchmass.dynamics import step
from torchmass.exprel import exprel
from torchmass.kernels.draws import normals


def errors(make, method, steps, duration):
    """Errors at the end of a run against rk4 with a far smaller step."""
    exact = tm.Simulator(make(), dt=duration / 2048, method="rk4").run(duration).state
    return [
        max(
            float((value - exact[name]).abs().max())
            for name, value in tm.Simulator(make(), dt=duration / n, method=method).run(duration).state.items()
        )
        for n in steps
    ]


def network():
    weights = torch.tensor([[0.0, 0.4, 0.1], [0.2, 0.0, 0.3], [0.0, 0.7, 0.0]])
    node = tm.HopfStep(3, a=0.2, w=torch.tensor([0.2, 0.25, 0.3]), init_x=torch.tensor([0.3, -0.2, 0.1]))
    return tm.Network(node, weights, coupling="diffusive", coupled_var="x", k=0.5)


SYSTEMS = {"alone": lambda: tm.HopfStep(1, a=0.2, w=0.3, init_x=0.3), "coupled": network}


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize("method", tm.INTEGRATORS)
def test_the_measured_order_is_the_stated_one(method, system):
    stated = tm.INTEGRATORS[method].order
    coarse, fine = errors(SYSTEMS[system], method, (128, 256), 8.0)
    assert abs(math.log2(coarse / fine) - stated) < 0.1


def test_exponential_euler_is_exact_for_a_linear_node():
    node = tm.LinearStep(gamma=-3.0, init_x=0.7)
    x = tm.Simulator(node, dt=0.5, method="exp_euler").run(2.0, inputs=1.5)["x"][-1]
    torch.testing.assert_close(x, torch.tensor([0.5 + (0.7 - 0.5) * math.exp(-6.0)]), rtol=1e-14, atol=0)


def test_one_heun_step_is_the_explicit_trapezoid():
    node = tm.LinearStep(gamma=-1.0, init_x=1.0)
    assert float(node(node.initial_state(), dt=0.5)["x"]) == 1 - 0.5 + 0.125


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exprel_is_right_to_rounding_everywhere(dtype):
    z = torch.cat([torch.linspace(-50, 50, 2001), torch.logspace(-12, 0, 200), -torch.logspace(-12, 0, 200)])
    exact = torch.where(z == 0, 1.0, torch.expm1(z) / torch.where(z == 0, 1.0, z))
    torch.testing.assert_close(exprel(z.to(dtype)).double(), exact, rtol=20 * torch.finfo(dtype).eps, atol=0)


def test_exprel_has_the_right_first_and_second_derivatives_across_zero():
    z = torch.tensor([-3.0, -1e-2, -1e-5, 0.0, 1e-7, 5e-3, 1e-2, 2.0], requires_grad=True)
    assert torch.autograd.gradcheck(exprel, z)
    assert torch.autograd.gradgradcheck(exprel, z)


@pytest.mark.parametrize("method", ["euler", "heun"])
def test_the_strong_order_under_additive_noise_is_one(method):
    """Paths of one Brownian motion, seen at steps of h, 2h and 4h, against the path at h/4."""
    node = tm.HopfStep(1, a=0.2, w=0.5, init_x=0.3, noise_x=tm.WhiteNoise(0.2), noise_y=tm.WhiteNoise(0.1))
    dynamics, h, steps = node.dynamics(), 0.02, 1024
    z = normals(3, 0, steps, torch.arange(400), 1, 0), normals(3, 0, steps, torch.arange(400), 1, 1)
    zero = (torch.zeros(()),) * 2

    def end(merged: int) -> torch.Tensor:
        x = tuple(value.expand(400, 1) for value in node.initial_state().values())
        coarse = [noise.unflatten(0, (-1, merged)).sum(1) / math.sqrt(merged) for noise in z]
        for pair in zip(*coarse, strict=True):
            x = step(dynamics, tm.INTEGRATORS[method], x, zero, merged * h / 4, pair)
        return torch.cat(x, -1)

    exact = end(1)
    errors = [float((end(merged) - exact).abs().mean()) for merged in (16, 32, 64)]
    assert abs(math.log2(errors[2] / errors[0]) / 2 - 1) < 0.25
