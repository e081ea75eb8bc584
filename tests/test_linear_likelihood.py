"""Likelihoods: the density of recordings, highest at the truth."""

import math

import pytest
import torch
from scipy.stats import multivariate_normal

import torchmass as tm
from torchmass.linear import linearise
from torchmass.linear.spectrum import folded

W = torch.tensor([[0.0, 0.8, 0.1], [0.3, 0.0, 0.5], [0.6, 0.2, 0.0]], dtype=torch.float64)
REST = {"x": 0.0, "y": 0.0}


def hopf(a=-0.05, k=0.03, delays=None):
    noise = {"noise_x": tm.WhiteNoise(1e-3), "noise_y": tm.WhiteNoise(2e-3)}
    return tm.Network(tm.HopfStep(3, a=a, w=torch.tensor([0.1, 0.2, 0.3]), **noise), W, k=k, delays=delays)


def run(net, duration, seed=0, every=4):
    return tm.Simulator(net, dt=0.25).run(duration + 300.0, transient=300.0, sample_every=every, seed=seed)


def test_the_density_of_a_recording_is_that_of_all_its_rows_at_once():
    dt, found = 3.0, linearise(hopf())
    rows = [[None] * 4 for _ in range(4)]
    for i in range(4):
        for j in range(4):
            phi = torch.linalg.matrix_exp(found.matrix * dt * abs(i - j))
            rows[i][j] = phi @ found.state_covariance if i >= j else found.state_covariance @ phi.mT
    joint = torch.cat([torch.cat(row, 1) for row in rows])
    series = {"x": 1e-3 * torch.randn(4, 3), "y": 1e-3 * torch.randn(4, 3)}
    z = torch.cat([series["x"], series["y"]], 1).flatten()
    expected = multivariate_normal(torch.zeros(24).numpy(), joint.numpy(), allow_singular=False).logpdf(z.numpy())
    torch.testing.assert_close(found.log_likelihood(series, dt).item(), float(expected))


def test_deviations_are_those_from_the_point_of_rest():
    node = lambda current: linearise(
        tm.LinearStep(2, gamma=-0.2, noise_x=tm.WhiteNoise(0.1)), inputs={"x_inp": current}
    )
    x = torch.randn(20, 2)
    torch.testing.assert_close(node(0.4).log_likelihood({"x": x + 2}, 1.0), node(0.0).log_likelihood({"x": x}, 1.0))


def estimate(negative, theta):
    """The minimum of a function by Newton's method, and standard errors from its curvature there."""
    for _ in range(4):
        slope = torch.autograd.functional.jacobian(negative, theta)
        curvature = torch.autograd.functional.hessian(negative, theta)
        theta = theta - torch.linalg.solve(curvature, slope)
    return theta, torch.linalg.inv(curvature).diagonal().sqrt()


TRUTH = torch.tensor([-0.05, 0.03], dtype=torch.float64)  # a and k


@pytest.mark.slow
def test_the_truth_is_recovered_within_two_standard_errors():
    inside = []
    for seed in range(6):
        recording = run(hopf(), 6000.0, seed)
        loss = lambda v, r=recording: -linearise(hopf(v[0], v[1]), REST).log_likelihood(r, 1.0)
        found, error = estimate(loss, TRUTH * 1.1)
        inside.append((found - TRUTH).abs() < 2 * error)
    assert torch.stack(inside).double().mean() > 0.8  # 95 % of 12 are expected


@pytest.mark.slow
@pytest.mark.parametrize("delays", [None, 6.0])
def test_from_one_signal_the_truth_is_recovered_with_delays_and_without(delays):
    x = run(hopf(delays=delays), 8000.0, seed=1, every=16)["x"]
    loss = lambda v: -linearise(hopf(v[0], v[1], delays), REST).whittle_log_likelihood(x, 4.0)
    found, error = estimate(loss, TRUTH * 1.1)
    assert bool(((found - TRUTH).abs() < 2.5 * error).all())


def test_samples_fold_fast_frequencies_into_slow_ones():
    """Without delays the spectrum of samples is known: that of z_{n+1} = Φ z_n + noise."""
    dt, found = 8.0, linearise(hopf())
    omega = torch.tensor([0.05, 0.2, 0.35])
    phi, sigma = torch.linalg.matrix_exp(found.matrix * dt), found.state_covariance
    turned = torch.eye(6) - phi * torch.exp(-1j * omega * dt)[:, None, None]
    noise = (sigma - phi @ sigma @ phi.mT).to(turned.dtype)
    expected = dt * torch.linalg.solve(turned, torch.linalg.solve(turned, noise).mH).mH[:, :3, :3]
    torch.testing.assert_close(folded(found.network, found.readout, omega, dt), expected, rtol=1e-2, atol=1e-8)


def test_whittle_is_exact_for_independent_samples():
    """Of T rows without their mean, T − 1 numbers are left."""
    found, rows = linearise(tm.LinearStep(1, gamma=-5.0, noise_x=tm.WhiteNoise(1.0))), 101  # 0.2 ms of memory
    x = math.sqrt(0.1) * torch.randn(rows, 1)
    x = x - x.mean()
    expected = torch.distributions.Normal(0.0, math.sqrt(0.1)).log_prob(x).sum() + 0.5 * math.log(2 * math.pi * 0.1)
    torch.testing.assert_close(found.whittle_log_likelihood(x, 10.0), expected, rtol=0, atol=0.2)


def test_whittle_tells_parameters_apart_as_the_exact_likelihood_does():
    node = lambda gamma: tm.LinearStep(2, gamma=gamma, noise_x=tm.WhiteNoise(0.1))
    net = lambda gamma: tm.Network(node(gamma), [[0.0, 1.0], [0.5, 0.0]], coupling="additive", k=0.05)
    x = tm.Simulator(net(-0.2), dt=0.25).run(6000.0, transient=100.0, sample_every=8, seed=0)["x"]
    ratios = []
    for ask in (lambda f: f.log_likelihood({"x": x}, 2.0), lambda f: f.whittle_log_likelihood(x, 2.0)):
        ratios.append(ask(linearise(net(-0.2))) - ask(linearise(net(-0.25))))
    assert ratios[0] > 5
    torch.testing.assert_close(ratios[1], ratios[0], rtol=0.1, atol=0)


def test_a_batch_of_parameters_meets_one_recording_as_a_loop():
    a, dt = torch.tensor([-0.05, -0.08]), 1.0
    series = {name: 1e-3 * torch.randn(30, 3) for name in REST}
    batch, each = linearise(hopf(a.unsqueeze(-1))), [linearise(hopf(one)) for one in a]
    for ask in (lambda one: one.log_likelihood(series, dt), lambda one: one.whittle_log_likelihood(series["x"], dt)):
        torch.testing.assert_close(ask(batch), torch.stack([ask(one) for one in each]))


def test_gradients_are_exact():
    series = {name: 1e-3 * torch.randn(30, 3) for name in REST}
    for delays in (None, 6.0):
        whittle = lambda a, k, d=delays: linearise(hopf(a, k, d), REST).whittle_log_likelihood(series["x"], 1.0)
        assert torch.autograd.gradcheck(whittle, (torch.tensor(-0.05).requires_grad_(), torch.tensor(0.03)))
    exact = lambda a, k: linearise(hopf(a, k), REST).log_likelihood(series, 1.0)
    values = torch.tensor(-0.05).requires_grad_(), torch.tensor(0.03).requires_grad_()
    assert torch.autograd.gradcheck(exact, values)


def test_what_cannot_be_compared_is_refused():
    found, good = linearise(hopf()), torch.randn(30, 3)
    with pytest.raises(ValueError, match="the recording has no state 'y'"):
        found.log_likelihood({"x": good}, 1.0)
    with pytest.raises(ValueError, match=r"x must be \(T, \*b, N\) with T ≥ 3 and N=3, got shape \(30, 2\)"):
        found.whittle_log_likelihood(good[:, :2], 1.0)
    with pytest.raises(ValueError, match="x must be finite, got nan"):
        found.whittle_log_likelihood(torch.where(good > 1, math.nan, good), 1.0)
    with pytest.raises(ValueError, match=r"lies in the band \(600, 700\) Hz"):
        found.whittle_log_likelihood(good, 1.0, band=(600, 700))
    quiet = tm.HopfStep(1, a=-0.05, noise_x=tm.WhiteNoise(0.0))
    with pytest.raises(ValueError, match="not random enough"):
        linearise(quiet, REST).log_likelihood({"x": good[:, :1], "y": good[:, :1]}, 1.0)
    with pytest.raises(ValueError, match="cross-spectrum has no inverse"):
        linearise(quiet, REST).whittle_log_likelihood(good[:, :1], 1.0)
