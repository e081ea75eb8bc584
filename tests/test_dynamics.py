"""Facts of the literature about each model, and a parameter recovered by descent."""

import math

import pytest
import torch

import torchmass as tm


@pytest.mark.parametrize(("method", "tolerance"), [("rk4", 1e-6), ("heun", 5e-4)])
def test_hopf_amplitude_is_twice_the_root_of_a_over_beta(method, tolerance):
    node = tm.HopfStep(3, a=torch.tensor([0.05, 0.1, 0.4]), w=0.3, beta=torch.tensor([1.0, 1.0, 2.0]))
    r = tm.Simulator(node, dt=0.1, method=method).run(400.0, transient=399.0)
    diameter = 2 * torch.sqrt(r["x"] ** 2 + r["y"] ** 2)
    expected = 2 * torch.sqrt(node.a / node.beta)
    assert float((diameter - expected).abs().max()) < tolerance


def test_hopf_rests_below_the_bifurcation_and_turns_at_w_above_it():
    node = tm.HopfStep(2, a=torch.tensor([-0.1, 0.1]), w=0.3)
    r = tm.Simulator(node, dt=0.1, method="rk4").run(400.0, transient=200.0)
    assert float(r["x"][:, 0].abs().max()) < 1e-8
    phase = torch.atan2(r["y"][:, 1], r["x"][:, 1])
    turned = torch.remainder(phase[1:] - phase[:-1], 2 * math.pi).mean() / 0.1
    assert abs(float(turned) - 0.3) < 1e-6


def test_fitzhugh_nagumo_is_excitable_at_rest_and_spikes_under_drive():
    node = tm.FitzHughNagumoStep(2, init_V=torch.tensor([0.1, 0.8]), init_w=0.0)
    peak = tm.Simulator(node, dt=0.1).run(100.0)["V"].amax(0)
    assert float(peak[0]) < 0.1 + 1e-9  # a small kick decays
    driven = tm.Simulator(tm.FitzHughNagumoStep(1), dt=0.1).run(400.0, inputs=1.0, transient=200.0)["V"][:, 0]
    crossings = int(((driven[1:] > 0.7) & (driven[:-1] <= 0.7)).sum())
    assert crossings >= 3
    assert float(driven.max() - driven.min()) > 0.5


def test_fitzhugh_nagumo_rest_is_the_root_of_its_nullclines():
    node = tm.FitzHughNagumoStep(1)
    state = tm.Simulator(node, dt=0.1).run(500.0).state
    V, w = float(state["V"]), float(state["w"])
    assert abs(w - V / 0.5) < 1e-8
    assert abs(-3 * V**3 + 4 * V**2 - 1.5 * V - w) < 1e-8


def test_linear_decays_as_the_exponential_and_sits_at_minus_c_over_gamma():
    node = tm.LinearStep(1, gamma=-2.0, init_x=0.5)
    sim = tm.Simulator(node, dt=0.01, method="rk4")
    r = sim.run(1.0)
    torch.testing.assert_close(r["x"][:, 0], 0.5 * torch.exp(-2 * r.ts), rtol=1e-8, atol=0)
    torch.testing.assert_close(sim.run(20.0, inputs=3.0).state["x"], torch.tensor([1.5]), rtol=1e-10, atol=0)


def test_mpr_rests_on_its_nullclines():
    node = tm.MontbrioPazoRoxinStep(2, init_r=torch.tensor([1.0, 110.0]), init_v=torch.tensor([-2.0, -0.2]))
    state = tm.Simulator(node, dt=0.2, method="rk4").run(1_000.0).state
    r, v = state["r"] * 1e-3, state["v"]
    torch.testing.assert_close(v, -1 / (2 * math.pi * 10 * r), rtol=1e-8, atol=0)
    torch.testing.assert_close(v**2 - 5 + 15 * 10 * r, (math.pi * 10 * r) ** 2, rtol=1e-8, atol=1e-9)
    assert float(r[1]) > 5 * float(r[0])  # bistable: Montbrió, Pazó & Roxin 2015, figure 2


def test_mpr_remembers_a_pulse_above_the_critical_weight():
    node = tm.MontbrioPazoRoxinStep(2, J=torch.tensor([14.0, 21.0]))
    pulse = lambda i, t: 8.0 if 200 <= t < 250 else 0.0
    r = tm.Simulator(node, dt=0.1).run(1_000.0, inputs=pulse)["r"]
    assert abs(float(r[-1, 0]) - 8) < 1
    assert abs(float(r[-1, 1]) - 186) < 1
    late = r[-2000:]
    assert float((late.amax(0) - late.amin(0)).max()) < 0.1  # nodes and foci, no limit cycle


def test_descent_recovers_a_parameter():
    target = tm.Simulator(tm.HopfStep(1, a=0.2), dt=0.5).run(40.0)["x"]
    node = tm.HopfStep(1, a=0.05).free("a")
    sim = tm.Simulator(node, dt=0.5)
    optimiser = torch.optim.Adam(node.parameters(), lr=0.05)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.93)
    for _ in range(100):
        optimiser.zero_grad()
        (sim.run(40.0)["x"] - target).square().mean().backward()
        optimiser.step()
        schedule.step()
    assert abs(float(node.a.detach()) - 0.2) < 1e-3
