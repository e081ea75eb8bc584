"""What networks are for: a batch is as many runs, delays are learned back, and long runs keep little."""

import math
import subprocess
import sys

import pytest
import torch

import torchmass as tm

W = torch.tensor([[0.0, 2.0, 0.0, 0.4], [0.5, 0.0, 0.3, 0.0], [0.0, 3.0, 0.0, 0.7], [0.2, 0.0, 0.9, 0.0]])  # [to, from]
D = torch.tensor([[0.0, 0.73, 0.2, 2.1], [1.31, 0.0, 5.2, 0.0], [0.4, 0.27, 0.0, 3.3], [1.7, 0.0, 0.8, 0.0]])  # ms


def drawn(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


BATCHES = {
    "k": drawn(3, 1),
    "speed": 2 + 5 * drawn(3, 1),
    "weights": drawn(3, 4, 4),
    "delays": 4 * drawn(3, 4, 4),
    "log_gain": drawn(3, 4, 4),
    "a": drawn(3, 4) - 0.5,
}


@pytest.mark.parametrize("backend", ["eager", "fused"])
@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_of_noisy_networks_is_as_many_runs(name, backend):
    def run(value, first):
        node = tm.HopfStep(4, init_x=torch.linspace(-1, 1, 4), noise_x=tm.WhiteNoise(0.1))
        net = tm.Network(node, W.double(), delays=D.double(), distance=2 * D.double(), k=0.3)
        return tm.Simulator(net.assign(**{name: value}), 0.1, backend=backend).run(4.0, seed=7, first_simulation=first)

    together = run(BATCHES[name], 0)["x"]
    for i, value in enumerate(BATCHES[name]):
        torch.testing.assert_close(together[:, i], run(value, i)["x"], rtol=1e-12, atol=1e-12)


def evoked(net):
    """What a push of one node causes."""
    push = tm.stimuli.Step(1.0, 1.0, 3.0, rise=1.0) * tm.stimuli.regions(4, [1])
    return tm.Simulator(net, 0.1).run(25.0, inputs=push)["x"]


def learned(net, target, rate):
    optimiser = torch.optim.Adam(net.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 300)
    for _ in range(300):
        optimiser.zero_grad()
        (evoked(net) - target).square().mean().backward()
        optimiser.step()
        schedule.step()


@pytest.mark.slow
def test_fitted_delays_are_those_that_were():
    node = tm.LinearStep(4, gamma=-0.4, init_x=0.0)
    build = lambda late: tm.Network(node, W.double(), delays=late, mask=W > 0, coupling="additive", k=0.2, max_delay=30)
    net, late = build(torch.where(W > 0, 1.3 * D + 0.2, 0.0).double()).free("delays"), D.double()
    learned(net, evoked(build(late)).detach(), 0.05)
    torch.testing.assert_close(net.coupling.delays[W > 0], late[W > 0], rtol=0, atol=0.02)


def test_a_fitted_speed_is_that_which_was():
    node = tm.LinearStep(4, gamma=-0.4, init_x=0.0)
    build = lambda v: tm.Network(node, W.double(), distance=3 * D.double(), speed=v, coupling="additive", k=0.2)
    net = build(2.1).free("speed")
    learned(net, evoked(build(3.4)).detach(), 0.05)
    assert float(net.coupling.speed.detach()) == pytest.approx(3.4, abs=1e-3)


@pytest.mark.parametrize("tau", [0.4, 6.5])
def test_delayed_phases_turn_as_fast_as_their_weights_say(tau):
    """Ω = ω − K_eff sin(Ωτ), K_eff = KΣ_j w_ij/N, of nodes that receive equally much from unequal others."""
    w = drawn(7, 7) * (1 - torch.eye(7))
    net = tm.KuramotoNetwork(
        7, 3 * w / w.sum(1, keepdim=True), omega=1.0, k=0.4, delays=tau, init_theta=torch.linspace(0, 0.8, 7)
    )
    theta = tm.Simulator(net, 0.05, backend="fused").run(150.0)["theta"]
    turning = float((theta[-1] - theta[-401]).mean() / 20.0)
    assert (theta[-1] - theta[-1, 0]).abs().max() < 1e-3  # together
    assert turning == pytest.approx(1.0 - 0.4 * 3 / 7 * math.sin(turning * tau), abs=2e-4)


LONG = """
import resource, sys
import torchmass as tm
connectome = tm.datasets.tvb_connectome(76).without_self().normalised()
node = tm.ReducedWongWangStep(76, noise_S=tm.WhiteNoise(0.005))
sim = tm.Simulator(tm.Network(node, connectome, coupling="additive", speed=3.0, k=0.1), dt=0.1)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # MB
sim.run(2_000.0, sample_every=20, seed=1, progress=True)
before = peak()
r = sim.run(float(sys.argv[1]), sample_every=int(sys.argv[2]), seed=1, progress=True)
assert r["S"].shape == (1000, 76) and r.backend == "fused" and bool(r["S"].isfinite().all())
print(peak() - before)
"""


@pytest.mark.slow
def test_ten_minutes_of_76_regions_in_a_thousand_samples_take_no_more_memory_than_two_seconds():
    """At dt = 0.1 ms these are 6,000,000 steps; states alone would take 1.8 GB."""
    ran = subprocess.run([sys.executable, "-c", LONG, "600000", "6000"], capture_output=True, text=True, check=True)
    assert float(ran.stdout) < 20
    assert "100%" in ran.stderr  # the bar
