"""Objectives are the textbook quantities, for every batch shape, with exact gradients."""

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass.objectives import (
    cosine_similarity,
    fc_correlation,
    fc_rmse,
    functional_connectivity,
    lagged_correlation,
    lagged_covariance,
    timeseries_correlation,
    timeseries_rmse,
)


def signals(*shape: int) -> torch.Tensor:
    """Correlated signals (*shape) with different means and sizes."""
    x = torch.randn(*shape)
    return x.cumsum(0) * torch.linspace(0.1, 30, shape[-1]) + x.flip(-1) - 5


def lagged_by_hand(x: np.ndarray, lag: int) -> np.ndarray:
    later, earlier = x[lag:], x[: len(x) - lag]
    n = x.shape[1]
    return np.array([[np.corrcoef(later[:, i], earlier[:, j])[0, 1] for j in range(n)] for i in range(n)])


def test_functional_connectivity_is_numpys_corrcoef():
    x = signals(50, 4)
    np.testing.assert_allclose(functional_connectivity(x).numpy(), np.corrcoef(x.numpy().T), atol=1e-12)


@pytest.mark.parametrize("lag", [0, 1, 7])
def test_lagged_correlation_is_to_the_later_signal_from_the_earlier(lag):
    x = signals(50, 3)
    np.testing.assert_allclose(lagged_correlation(x, lag).numpy(), lagged_by_hand(x.numpy(), lag), atol=1e-12)


def test_a_signal_that_follows_another_shows_in_the_row_of_the_follower():
    leader = torch.randn(400)
    x = torch.stack([leader, leader.roll(2)], 1)  # signal 1 repeats signal 0 two samples later
    found = lagged_correlation(x, 2)
    assert found[1, 0] > 0.99
    assert found[0, 1].abs() < 0.3


def test_fc_correlation_is_pearson_over_the_strict_upper_triangle():
    p, q = torch.randn(5, 5), torch.randn(5, 5)
    upper = np.triu_indices(5, 1)
    expected = np.corrcoef(p.numpy()[upper], q.numpy()[upper])[0, 1]
    np.testing.assert_allclose(fc_correlation(p, q).item(), expected, atol=1e-12)


def test_fc_correlation_of_a_matrix_with_itself_is_1_and_with_its_negative_minus_1():
    p = torch.randn(4, 4)
    torch.testing.assert_close(fc_correlation(p, 3 * p + 1), torch.tensor(1.0))
    torch.testing.assert_close(fc_correlation(p, -p), torch.tensor(-1.0))


@pytest.mark.parametrize("batch", [(2,), (2, 3)])
def test_a_batch_is_a_loop(batch):
    x = signals(30, *batch, 4)
    fc, lagged = functional_connectivity(x), lagged_correlation(x, 2)
    target = torch.randn(4, 4)
    scores = fc_correlation(fc, target)
    assert fc.shape == lagged.shape == (*batch, 4, 4)
    assert scores.shape == batch
    for i in np.ndindex(*batch):
        one = x[(slice(None), *i)]
        torch.testing.assert_close(fc[i], functional_connectivity(one))
        torch.testing.assert_close(lagged[i], lagged_correlation(one, 2))
        torch.testing.assert_close(scores[i], fc_correlation(fc[i], target))


@pytest.mark.parametrize("size", [1e-25, 1e15])
def test_correlations_do_not_depend_on_the_size_of_the_signals_in_float32(size):
    x = torch.randn(40, 3)
    expected = functional_connectivity(x).float()
    torch.testing.assert_close(functional_connectivity((x * size).float()), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "function",
    [
        functional_connectivity,
        lambda x: lagged_correlation(x, 2),
        lambda x: fc_correlation(functional_connectivity(x), torch.arange(16.0).reshape(4, 4).sin()),
    ],
    ids=["functional_connectivity", "lagged_correlation", "fc_correlation"],
)
def test_gradients_are_exact(function):
    assert torch.autograd.gradcheck(function, torch.randn(9, 2, 4, requires_grad=True))


def test_objectives_work_under_vmap_and_grad():
    x = signals(20, 3, 4)
    found = torch.func.vmap(functional_connectivity, in_dims=1)(x)
    torch.testing.assert_close(found, functional_connectivity(x))
    slope = torch.func.grad(lambda x: lagged_correlation(x, 1).square().sum())(x)
    assert slope.isfinite().all()
    assert slope.abs().max() > 0


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8])
@pytest.mark.parametrize("function", [functional_connectivity, lambda x: lagged_correlation(x, 1)])
def test_a_constant_signal_is_refused_and_named(function, value):
    x = torch.randn(10, 2, 3, requires_grad=True).clone()
    x[:, 1, 2] = value
    with pytest.raises(ValueError, match=r"constant at index \[1, 2\]"):
        function(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_roundings_of_a_constant_have_no_correlation(dtype):
    activity = torch.rand(4, dtype=dtype).expand(40_000, 4)
    bold = tm.HRFBold(tr=1000.0).to(dtype)(activity, dt=10.0)[60:]  # by a fast convolution
    assert bool((bold != bold[0]).any())
    with pytest.raises(ValueError, match="constant"):
        functional_connectivity(bold)
    small = 1e4 * torch.finfo(dtype).eps * torch.randn(50, 3, dtype=dtype)
    found = functional_connectivity(1 + small)
    torch.testing.assert_close(found, functional_connectivity(small), atol=1e-3, rtol=0)


@pytest.mark.parametrize("lag", [-1, 9, 1.0, True])
def test_a_lag_that_leaves_fewer_than_two_samples_is_refused(lag):
    with pytest.raises(ValueError, match="lag must be"):
        lagged_correlation(torch.randn(10, 2), lag)


@pytest.mark.parametrize("shapes", [((3, 3), (4, 4)), ((3, 4), (3, 4)), ((2, 2), (2, 2)), ((3,), (3,))])
def test_matrices_that_cannot_be_compared_are_refused(shapes):
    p, q = (torch.randn(shape) for shape in shapes)
    with pytest.raises(ValueError, match="are needed"):
        fc_correlation(p, q)


def test_a_matrix_whose_entries_are_all_equal_is_refused():
    with pytest.raises(ValueError, match="p is constant"):
        fc_correlation(torch.ones(3, 3), torch.randn(3, 3))


def test_time_must_lead_and_have_two_samples():
    for x in (torch.randn(10), torch.randn(1, 3)):
        with pytest.raises(ValueError, match="at least 2 samples"):
            functional_connectivity(x)


def test_lagged_covariance_is_numpys_of_the_later_and_the_earlier_signals():
    x = signals(50, 3)
    np.testing.assert_allclose(lagged_covariance(x).numpy(), np.cov(x.numpy().T), rtol=1e-12)
    later, earlier = x[4:].numpy().T, x[:-4].numpy().T
    np.testing.assert_allclose(lagged_covariance(x, 4).numpy(), np.cov(later, earlier)[:3, 3:], rtol=1e-9)


def test_lagged_covariance_over_the_deviations_of_its_factors_is_lagged_correlation():
    x = signals(50, 2, 3)
    deviations = x[2:].std(0)[:, :, None] * x[:-2].std(0)[:, None, :]
    torch.testing.assert_close(lagged_covariance(x, 2) / deviations, lagged_correlation(x, 2))


def test_fc_rmse_is_over_the_strict_upper_triangle():
    p, q = torch.randn(2, 5, 5), torch.randn(5, 5)
    upper = np.triu_indices(5, 1)
    expected = ((p - q).numpy()[:, *upper] ** 2).mean(-1) ** 0.5
    np.testing.assert_allclose(fc_rmse(p, q), expected, atol=1e-12)


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_root_mean_squares_neither_vanish_nor_overflow_in_float32(size):
    p, q = (torch.randn(20, 3) * size).float(), torch.zeros(20, 3)
    expected = p.double().square().mean().sqrt()
    torch.testing.assert_close(timeseries_rmse(p, q.float()).double(), expected, rtol=1e-5, atol=0)


def test_a_correlation_of_series_is_the_mean_over_regions_and_a_cosine_keeps_the_mean():
    p, q = torch.randn(30, 4) + 3, torch.randn(30, 4) + 3
    each = [np.corrcoef(p[:, i], q[:, i])[0, 1] for i in range(4)]
    np.testing.assert_allclose(timeseries_correlation(p, q), np.mean(each), atol=1e-12)
    torch.testing.assert_close(cosine_similarity(p, q), torch.cosine_similarity(p.flatten(), q.flatten(), 0))
    with pytest.raises(ValueError, match="prediction is 0 throughout"):
        cosine_similarity(torch.zeros(30, 4), q)


def test_under_vmap_the_correlations_of_a_constant_signal_are_nan():
    x = torch.randn(20, 3, 4)
    x[:, 1, 2] = 0.3  # whose mean over time rounds to another number
    found = torch.func.vmap(functional_connectivity, in_dims=1)(x)
    undefined = torch.zeros(3, 4, 4, dtype=torch.bool)
    undefined[1, 2] = undefined[1, :, 2] = True
    assert torch.equal(found.isnan(), undefined)
