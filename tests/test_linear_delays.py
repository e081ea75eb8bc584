"""Delays in the linear theory: spectra in closed form, modes counted, covariances as integrals."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.special import lambertw

import torchmass as tm
from torchmass.linear import linearise

F = torch.tensor([0.0, 3.0, 11.0, 29.0, 90.0], dtype=torch.float64)
REST = {"x": 0.0, "y": 0.0}
OMEGA = 2 * math.pi * F / 1000


def loop(a=-0.1, b=-0.2, d=5.0, sigma=0.3, **values):
    """One node that hears itself d ms later: dx = (a x + b x(t − d)) dt + σ dW."""
    node = tm.LinearStep(1, gamma=a, noise_x=tm.WhiteNoise(sigma))
    return tm.Network(node, [[1.0]], coupling="additive", k=b, delays=d, **values)


def pair(k=0.05, d=((0.0, 7.0), (3.0, 0.0))):
    """Two nodes that hear each other, after different times."""
    node = tm.LinearStep(2, gamma=torch.tensor([-0.1, -0.2]), noise_x=tm.WhiteNoise(torch.tensor([0.3, 0.1])))
    return tm.Network(node, [[0.0, 1.0], [2.0, 0.0]], coupling="additive", k=k, delays=d)


def hopf(k=0.02, d=None):
    """Three oscillators with a delay for each pair; `d` times these."""
    w = torch.tensor([[0.0, 0.8, 0.1], [0.3, 0.0, 0.5], [0.6, 0.2, 0.0]])
    delays = 9.0 * w.sqrt() if d is None else d * w.sqrt()
    node = tm.HopfStep(3, a=-0.05, w=torch.tensor([0.1, 0.2, 0.3]), noise_x=tm.WhiteNoise(1e-3))
    return tm.Network(node, w, k=k, delays=delays)


def test_the_spectrum_of_one_delayed_loop_is_its_closed_form():
    expected = 2e-3 * 0.3**2 / (1j * OMEGA + 0.1 + 0.2 * torch.exp(-5j * OMEGA)).abs() ** 2
    torch.testing.assert_close(linearise(loop()).spectrum(F)[:, 0], expected)


def test_the_cross_spectrum_of_two_nodes_is_its_closed_form():
    i = 1j * OMEGA
    one, other = i + 0.1, i + 0.2
    to_first, to_second = 0.05 * torch.exp(-7 * i), 0.1 * torch.exp(-3 * i)
    determinant = one * other - to_first * to_second
    rows = [torch.stack(row, -1) for row in ((other, to_first), (to_second, one))]
    transfer = torch.stack(rows, -2) / determinant[:, None, None] * torch.tensor([0.3, 0.1])
    torch.testing.assert_close(linearise(pair()).cross_spectrum(F), 2e-3 * transfer @ transfer.mH)


def test_delays_that_vanish_leave_what_is_without_delays():
    late, at_once = linearise(hopf(d=1e-9)), linearise(hopf(d=0.0))
    assert late.network.delayed
    torch.testing.assert_close(late.spectrum(F), at_once.spectrum(F))
    for lag in (0.0, 4.0):
        expected = tm.Network(
            tm.HopfStep(3, a=-0.05, w=torch.tensor([0.1, 0.2, 0.3]), noise_x=tm.WhiteNoise(1e-3)),
            hopf().coupling.weights,
            k=0.02,
        )
        expected = linearise(expected).lagged_covariance(lag)
        torch.testing.assert_close(late.lagged_covariance(lag), expected, rtol=1e-5, atol=1e-11)


@pytest.mark.parametrize("lag", [0.0, 2.0, 12.0])
def test_the_covariance_is_the_integral_of_the_spectrum(lag):
    power = lambda w: 0.3**2 / abs(1j * w + 0.1 + 0.2 * np.exp(-5j * w)) ** 2 / math.pi * math.cos(w * lag)
    expected = sum(quad(power, low, low + 10, limit=400)[0] for low in range(0, 200, 10))
    found = linearise(loop()).lagged_covariance(lag)
    torch.testing.assert_close(found, torch.tensor([[expected]]), rtol=2e-3, atol=0)  # quad stops at 200 rad/ms


@pytest.mark.parametrize("decay", [1e-2, 1e-3, 1e-4])
def test_a_sharp_resonance_is_not_missed_between_two_frequencies(decay):
    w, noise = torch.tensor([0.0731, 0.2, 0.3217]), {"noise_x": tm.WhiteNoise(1e-3)}
    make = lambda delays: tm.Network(
        tm.HopfStep(3, a=-decay, w=w, **noise), hopf().coupling.weights, k=1e-9, delays=delays
    )
    expected = linearise(make(None), REST).covariance()
    torch.testing.assert_close(linearise(make(5.0), REST).covariance(), expected, rtol=1e-4, atol=1e-10)


@pytest.mark.parametrize("seed", range(6))
def test_the_modes_that_grow_are_counted(seed):
    """All roots of λ = a + b e^(−λd) are known: λ = a + W_k(b d e^(−ad))/d."""
    rng = np.random.default_rng(seed)
    for _ in range(5):
        a, b, d = rng.uniform(-1, 0.3), rng.uniform(-3, 3), rng.uniform(0.1, 20)
        roots = np.array([a + lambertw(b * d * np.exp(-a * d), k) / d for k in range(-100, 101)])
        growing, found = int((roots.real > 0).sum()), linearise(loop(a, b, d), {"x": 0.0})
        if growing:
            with pytest.raises(ValueError, match=f"not stable: with its delays {growing} modes grow"):
                found.check_stable()
        else:
            found.check_stable()


def test_a_delay_can_make_what_is_stable_without_it_oscillate():
    linearise(loop(d=5.0)).covariance()
    with pytest.raises(ValueError, match="with its delays 2 modes grow"):
        linearise(loop(d=20.0)).spectrum([1.0])


def test_a_mode_on_the_verge_is_not_guessed_at():
    with pytest.raises(ValueError, match="could not be decided"):
        linearise(loop(a=-0.2, b=-0.2 * 2**0.5, d=0.75 * math.pi / 0.2), {"x": 0.0}).check_stable()


def test_gradients_reach_delays_and_speed():
    def predict(k, d):
        found = linearise(hopf(k, d), {"x": 0.0, "y": 0.0})
        return found.spectrum(F), found.covariance(), found.lagged_covariance(3.0)

    values = torch.tensor(0.02, requires_grad=True), torch.tensor(9.0, requires_grad=True)
    assert torch.autograd.gradcheck(predict, values)
    net = loop(d=None, distance=10.0, speed=2.0).free("speed")
    linearise(net).spectrum([20.0]).sum().backward()
    assert all(bool(parameter.grad.abs() > 0) for parameter in net.parameters())


def test_a_batch_of_delays_is_a_loop():
    delays = torch.tensor([[[0.0, 7.0], [3.0, 0.0]], [[0.0, 1.0], [9.0, 0.0]]])
    batch, each = linearise(pair(d=delays)), [linearise(pair(d=d)) for d in delays]
    torch.testing.assert_close(batch.spectrum(F), torch.stack([one.spectrum(F) for one in each], 1))
    expected = torch.stack([one.covariance() for one in each])
    torch.testing.assert_close(batch.covariance(), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.slow
def test_runs_have_the_covariance_that_is_predicted():
    net = hopf()
    x = tm.Simulator(net, dt=0.25).run(4200.0, transient=200.0, sample_every=4, batch_size=64, seed=1)["x"]
    for lag in (0, 6):
        runs = torch.einsum("tbi,tbj->bij", x[lag:], x[: len(x) - lag]) / (len(x) - lag)
        predicted = linearise(net).lagged_covariance(float(lag))
        assert bool(((runs.mean(0) - predicted).abs() < runs.std(0) / 2 + 3e-3 * predicted.abs().max()).all())


def test_no_matrix_governs_a_delayed_network():
    with pytest.raises(ValueError, match="with delays no matrix"):
        linearise(loop()).matrix  # noqa: B018
