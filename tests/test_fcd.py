"""Functional connectivity dynamics and its distributions are those of numpy and scipy, window by window."""

from pathlib import Path

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchmass import objectives as o

ORACLE = np.load(Path(__file__).parent / "reference" / "objectives.npz")
P = torch.tensor(ORACLE["prediction"])


def fcd_by_hand(x: np.ndarray, window: int, step: int) -> np.ndarray:
    upper = np.triu_indices(x.shape[1], 1)
    starts = range(0, len(x) - window + 1, step)
    return np.corrcoef([np.corrcoef(x[i : i + window].T)[upper] for i in starts])


@given(st.integers(4, 20), st.integers(1, 9), st.integers(0, 20))
def test_fcd_is_the_correlation_of_every_two_windows(window, step, more):
    x = torch.randn(window + step + more, 4)
    np.testing.assert_allclose(o.fcd(x, window, step), fcd_by_hand(x.numpy(), window, step), atol=1e-10)


def test_fcd_and_its_distribution_equal_the_functional_reference():
    d = o.fcd(P, 30, 5)
    np.testing.assert_allclose(d, ORACLE["fcd_prediction_w30_s5"], atol=1e-12)
    np.testing.assert_allclose(o.fcd_distribution(d), ORACLE["fcd_density_prediction"], atol=1e-12)
    narrow = o.fcd_distribution(d, bandwidth=0.2)
    np.testing.assert_allclose(narrow, ORACLE["fcd_density_prediction_bw0.2"], atol=1e-12)


@pytest.mark.parametrize("bandwidth", [None, 0.3])
def test_a_density_is_scipys_with_an_integral_of_1(bandwidth):
    samples, x = torch.randn(50) / 4, torch.linspace(-2, 2, 401)
    found = o.density(samples, x, bandwidth)
    np.testing.assert_allclose(found, scipy.stats.gaussian_kde(samples, bandwidth)(x), atol=1e-6)
    torch.testing.assert_close(found.sum() * 0.01, torch.tensor(1.0))


def test_a_batch_of_distributions_is_a_loop():
    x = torch.randn(60, 2, 4)
    d = o.fcd(x, 15, 5)
    assert d.shape == (2, 10, 10)
    for i in range(2):
        torch.testing.assert_close(d[i], o.fcd(x[:, i], 15, 5))
        torch.testing.assert_close(o.fcd_distribution(d)[i], o.fcd_distribution(d[i]))


@given(st.integers(2, 12), st.integers(2, 12), st.booleans())
def test_distances_of_samples_are_scipys_ties_included(n, m, tied):
    p, q = torch.randn(n), torch.randn(m) + 0.5
    p, q = (p.round(), q.round()) if tied else (p, q)
    np.testing.assert_allclose(o.sample_ks(p, q), scipy.stats.ks_2samp(p, q, method="asymp").statistic, atol=1e-12)
    np.testing.assert_allclose(o.sample_wasserstein(p, q), scipy.stats.wasserstein_distance(p, q), atol=1e-12)


def test_distances_of_densities_are_near_those_of_their_samples():
    x = torch.linspace(-1, 1, 401)
    for shift in (0.0, 0.1, 0.3):
        p, q = 0.2 * torch.randn(400) - 0.2, 0.2 * torch.randn(300) - 0.2 + shift
        first, second = o.density(p, x), o.density(q, x)
        torch.testing.assert_close(o.ks_distance(first, second), o.sample_ks(p, q), atol=0.05, rtol=0)
        torch.testing.assert_close(o.wasserstein_1d(first, second, x), o.sample_wasserstein(p, q), atol=0.02, rtol=0)


def test_distances_of_samples_batch_and_broadcast():
    p, q = torch.randn(2, 3, 9), torch.randn(3, 7)
    for distance in (o.sample_ks, o.sample_wasserstein):
        found = distance(p, q)
        assert found.shape == (2, 3)
        torch.testing.assert_close(found[1, 2], distance(p[1, 2], q[2]))


def test_gradients_of_distributions_are_exact():
    p, q, x = torch.randn(8, requires_grad=True), torch.randn(6), torch.linspace(-3, 3, 31)
    assert torch.autograd.gradcheck(lambda p: o.density(p, x), p)
    assert torch.autograd.gradcheck(lambda p: o.sample_wasserstein(p, q), p)
    assert torch.autograd.gradcheck(lambda x: o.fcd(x, 6, 4), torch.randn(14, 2, 3, requires_grad=True))


def test_switching_states_show_as_blocks_and_widen_the_distribution():
    mix = torch.randn(2, 6, 6)
    noise = torch.randn(400, 6)
    still, switching = noise @ mix[0], torch.cat([noise[:200] @ mix[0], noise[200:] @ mix[1]])
    d = o.fcd(switching, 40, 20)
    assert d[:8, :8].mean() > d[:8, 11:].mean() + 0.3
    assert o.FCD(window=40, step=20)(switching, still) > 0.3


@pytest.mark.parametrize(
    ("shape", "window", "step"), [((30, 4), 30, 1), ((30, 4), 40, 1), ((30, 2), 10, 5), ((30,), 10, 5)]
)
def test_fewer_than_two_windows_or_three_regions_are_refused(shape, window, step):
    with pytest.raises(ValueError, match=r"two windows of|must be \(T, \*b, N\)"):
        o.fcd(torch.randn(shape), window, step)


@pytest.mark.parametrize(("window", "step"), [(1, 1), (10, 0), (10.0, 1), (10, True), (10, 2.0)])
def test_windows_and_steps_are_whole_numbers_of_samples(window, step):
    with pytest.raises(ValueError, match="must be a whole number of samples"):
        o.fcd(torch.randn(30, 4), window, step)


def test_a_signal_that_stands_still_in_one_window_is_refused_and_named():
    x = torch.randn(30, 2, 4)
    x[10:20, 1, 3] = 0.3
    with pytest.raises(ValueError, match=r"constant at index \[2, 1, 3\]"):
        o.fcd(x, 10, 5)


def test_a_distribution_of_one_value_or_between_the_points_of_the_grid_is_refused():
    with pytest.raises(ValueError, match="a set of samples is constant"):
        o.density(torch.ones(5), torch.linspace(0, 2, 5))
    with pytest.raises(ValueError, match="give a finer grid"):
        o.density(torch.tensor([0.5, 0.501]), torch.linspace(0, 10, 11))
    with pytest.raises(ValueError, match="both sets need a sample"):
        o.sample_ks(torch.ones(0), torch.ones(3))
