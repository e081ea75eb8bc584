"""Phases, orders and envelopes are the textbook's, for rhythms whose synchrony is known."""

import numpy as np
import pytest
import scipy.signal
import torch

from torchmass import objectives as o

T = (
    torch.arange(1000, dtype=torch.float64) / 1000
)  # s: whole periods of whole frequencies, so that the ends are right too


def rhythm(hz: float, shift: float = 0.0) -> torch.Tensor:
    return (2 * torch.pi * hz * T + shift).cos()


def test_the_phase_of_a_cosine_is_its_argument_whatever_its_size_and_mean():
    x = torch.stack([rhythm(10.0), 7 * rhythm(10.0, 1.0) + 3], 1)
    phi = o.phase(x)
    expected = torch.stack([2 * torch.pi * 10 * T, 2 * torch.pi * 10 * T + 1], 1)
    torch.testing.assert_close(torch.polar(torch.ones_like(phi), phi), torch.polar(torch.ones_like(phi), expected))
    torch.testing.assert_close(o.envelope(x), torch.tensor([1.0, 7.0]).expand(1000, 2))


def test_the_envelope_of_a_beat_is_its_modulation():
    slow = 1 + 0.5 * rhythm(2.0)
    torch.testing.assert_close(o.envelope((slow * rhythm(40.0))[:, None])[:, 0], slow)


def test_phase_locking_is_1_for_one_frequency_and_0_for_two():
    found = o.phase_locking(torch.stack([rhythm(10.0), rhythm(10.0, 2.0), rhythm(11.0)], 1))
    expected = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(found, expected)


def test_phase_locking_is_the_mean_rotation_of_the_differences_of_scipys_phases():
    x = torch.randn(200, 3)
    phi = np.angle(scipy.signal.hilbert(x.numpy() - x.numpy().mean(0), axis=0))
    expected = np.abs(np.exp(1j * (phi[:, :, None] - phi[:, None])).mean(0))
    np.testing.assert_allclose(o.phase_locking(x), expected, atol=1e-12)


def test_envelope_correlation_is_pearsons_of_scipys_envelopes():
    x = torch.randn(200, 3)
    expected = np.corrcoef(np.abs(scipy.signal.hilbert(x.numpy() - x.numpy().mean(0), axis=0)).T)
    np.testing.assert_allclose(o.envelope_correlation(x), expected, atol=1e-12)


def test_the_order_is_1_in_phase_0_spread_evenly_and_between_for_two_of_three():
    even = torch.tensor([0.0, 2 * torch.pi / 3, 4 * torch.pi / 3])
    phi = torch.stack([torch.full((3,), 0.7), even, torch.tensor([0.0, 0.0, torch.pi])])
    torch.testing.assert_close(o.kuramoto_order(phi), torch.tensor([1.0, 0.0, 1 / 3]))


def test_metastability_is_the_standard_deviation_of_the_order():
    phi = torch.rand(50, 2, 4) * 6
    expected = np.abs(np.exp(1j * phi.numpy()).mean(-1)).std(0)
    np.testing.assert_allclose(o.metastability(phi), expected, atol=1e-12)
    drifting = torch.linspace(0, 9, 50)[:, None] + torch.arange(4.0)
    torch.testing.assert_close(o.metastability(drifting), torch.tensor(0.0))


@pytest.mark.parametrize("batch", [(2,), (2, 3)])
@pytest.mark.parametrize(
    ("function", "after"),
    [(o.phase_locking, 0), (o.envelope_correlation, 0), (o.kuramoto_order, 1), (o.metastability, 0), (o.phase, 1)],
)
def test_a_batch_is_a_loop(function, after, batch):
    x = torch.randn(30, *batch, 4)
    found = function(x)
    for i in np.ndindex(*batch):
        torch.testing.assert_close(found[(slice(None),) * after + i], function(x[:, *i]))


@pytest.mark.parametrize(
    "function",
    [o.phase_locking, o.envelope_correlation, o.envelope, lambda x: o.metastability(o.phase(x))],
    ids=["phase_locking", "envelope_correlation", "envelope", "metastability"],
)
def test_gradients_are_exact(function):
    assert torch.autograd.gradcheck(function, torch.randn(15, 2, 3, requires_grad=True))


@pytest.mark.parametrize("function", [o.phase, o.envelope, o.phase_locking, o.envelope_correlation])
def test_a_constant_signal_has_no_phase(function):
    x = torch.randn(30, 2, 3)
    x[:, 1, 0] = 0.1
    with pytest.raises(ValueError, match=r"x is constant at index \[1, 0\]: its phase"):
        function(x)


def test_the_order_of_one_region_is_refused():
    with pytest.raises(ValueError, match="at least 2 regions"):
        o.kuramoto_order(torch.randn(30, 1))


def test_an_evoked_response_is_the_mean_of_what_follows_its_onsets():
    response, x = torch.tensor([0.0, 1.0, 3.0, 2.0]), torch.zeros(60, 2, 3)
    for onset in (10, 30, 45):  # samples
        x[onset : onset + 4] += response[:, None, None]
    found = o.evoked_response(x, [20.0, 60.0, 90.0], dt=2.0, before=4.0, after=10.0)
    expected = torch.cat([torch.zeros(2), response, torch.zeros(1)])
    torch.testing.assert_close(found, expected[:, None, None].expand(7, 2, 3))


def test_an_onset_belongs_to_the_nearest_sample_and_noise_averages_out():
    x = torch.randn(3000, 1)
    x[100::100] += 5.0
    found = o.evoked_response(x, [100.4 + 100 * i for i in range(29)], dt=1.0, before=3.0, after=3.0)
    assert found.argmax() == 3
    assert found[:3].abs().max() < 1.0


@pytest.mark.parametrize("onsets", [[2.0], [10.0, 58.0], [-10.0]])
def test_an_epoch_that_leaves_the_series_is_refused_and_named(onsets):
    with pytest.raises(ValueError, match=f"the epoch around {onsets[-1]} ms"):
        o.evoked_response(torch.randn(60, 2), onsets, dt=1.0, before=4.0, after=4.0)


def test_an_epoch_without_samples_and_no_onsets_are_refused():
    with pytest.raises(ValueError, match="an epoch needs a sample"):
        o.evoked_response(torch.randn(60, 2), [10.0], dt=1.0, before=0.0, after=0.2)
    with pytest.raises(ValueError, match="at least one onset"):
        o.evoked_response(torch.randn(60, 2), [], dt=1.0, before=4.0, after=4.0)
