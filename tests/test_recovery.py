"""Fits with a stated likelihood find what recordings were made with, within the errors that they report."""

import math

import pytest
import torch

import torchmass as tm
from torchmass.linear import linearise

pytestmark = pytest.mark.slow

SEEDS = 20
W = torch.tensor([[0.0, 0.8, 0.1, 0.0], [0.3, 0.0, 0.5, 0.2], [0.6, 0.2, 0.0, 0.4], [0.0, 0.5, 0.3, 0.0]])  # [to, from]
DISTANCE = torch.tensor(
    [[0.0, 70.0, 25.0, 0.0], [80.0, 0.0, 55.0, 40.0], [30.0, 60.0, 0.0, 90.0], [0.0, 35.0, 75.0, 0.0]]
)
REST = {"x": 0.0, "y": 0.0}


def slow(a=(-1.2e-4, -0.5e-4, -0.8e-4, -1.0e-4), k=5e-5, sigma=1e-6):
    """Four Hopf nodes of 0.03 to 0.06 Hz, as they are taken for BOLD; so little noise that they stay linear."""
    w = 2e-3 * math.pi * torch.tensor([0.03, 0.04, 0.05, 0.06])
    noise = {f"noise_{name}": tm.WhiteNoise(sigma) for name in REST}
    return tm.Network(tm.HopfStep(4, a=torch.as_tensor(a).expand(4), w=w, **noise), W.double(), k=k)


def fast(speed=6.0):
    """Four Hopf nodes near 10 Hz with delays of 4 to 15 ms."""
    w = 2e-3 * math.pi * torch.tensor([9.0, 10.0, 10.5, 11.0])
    node = tm.HopfStep(4, a=-0.01, w=w, noise_x=tm.WhiteNoise(1e-5), noise_y=tm.WhiteNoise(1e-5))
    return tm.Network(node, W.double(), distance=DISTANCE.double(), speed=speed, max_delay=60.0, k=0.01)


def distances_from_truth(build, truth, loss, record):
    """(estimate − truth) / reported standard error, of every number and seed."""
    found = []
    for seed in range(SEEDS):
        recording, sim = record(seed), tm.Simulator(build(), dt=1.0)
        predict = lambda sim: linearise(sim.model, REST)
        fitter = tm.Fitter(sim, lambda linear, r=recording: loss(linear, r), predict=predict, backend="lbfgs")
        known = tm.fit.identifiability(fitter.fit(20, patience=2, tolerance=1e-6))
        found.append((known.estimates - truth) / known.standard_errors)
    return torch.stack(found)


def test_coupling_noise_and_each_regions_a_come_back_from_data_at_the_rate_of_bold():
    def start():
        net = slow(a=-1.5e-4, k=3e-5, sigma=2e-6)
        net.node.free(a=(-4e-4, -1e-6)), net.coupling.free(k=(0.0, 3e-4))
        for process in net.node.noise.values():
            process.free("sigma")
        return net

    truth = torch.tensor([-1.2e-4, -0.5e-4, -0.8e-4, -1.0e-4, 1e-6, 1e-6, 5e-5])  # a, σ of x and y, k
    record = lambda seed: tm.Simulator(slow(), dt=72.0).run(936_000.0, transient=72_000.0, sample_every=10, seed=seed)
    z = distances_from_truth(start, truth, lambda linear, r: -linear.log_likelihood(r, 720.0), record)
    assert (z.abs() < 2).double().mean() >= 0.9
    assert 0.8 < z.std() < 1.25  # neither too small nor too large


def test_the_speed_of_conduction_comes_back_from_data_at_the_rate_of_eeg():
    start = lambda: fast(speed=7.5).free(speed=(2.0, 20.0))
    record = lambda seed: tm.Simulator(fast(), dt=0.5).run(16_500.0, transient=500.0, sample_every=8, seed=seed)["x"]
    loss = lambda linear, x: -linear.whittle_log_likelihood(x, 4.0)
    z = distances_from_truth(start, torch.tensor([6.0]), loss, record)
    assert (z.abs() < 2).double().mean() >= 0.9
