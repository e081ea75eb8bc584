"""Spectra are scipy's, in Hz for samples every so many ms, and what is read off them is where it was put."""

import numpy as np
import pytest
import scipy.signal
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.func import vmap

from torchmass import objectives as o
from torchmass.spectra import analytic_signal, band, power_spectral_density

T = torch.arange(4000, dtype=torch.float64) / 1000  # s, a sample every ms


def tones(*hz: float) -> torch.Tensor:
    """(T, N): a tone of amplitude √2, and so of power 1, in each region, and a little noise."""
    return (2 * torch.pi * T[:, None] * torch.tensor(hz)).sin() * 2**0.5 + 0.01 * torch.randn(len(T), len(hz))


@given(st.integers(8, 90), st.integers(8, 90), st.sampled_from([0.1, 1.0, 720.0]))
def test_the_power_density_is_scipys(samples, nperseg, dt):
    nperseg = min(samples, nperseg)
    x = torch.randn(samples, 2, 3) + 5
    f, power = power_spectral_density(x, dt, nperseg)
    expected_f, expected = scipy.signal.welch(x.numpy(), 1000 / dt, nperseg=nperseg, axis=0)
    np.testing.assert_allclose(f, expected_f, rtol=1e-12)
    np.testing.assert_allclose(power, expected, rtol=1e-9, atol=1e-12 * expected.max())


def test_segments_are_scipys_unless_given():
    x = torch.randn(600, 2)
    for series in (x, x[:100]):
        expected = scipy.signal.welch(series.numpy(), 500.0, nperseg=min(256, len(series)), axis=0)[1]
        np.testing.assert_allclose(power_spectral_density(series, 2.0)[1], expected, rtol=1e-9)


@given(st.integers(2, 50))
def test_the_analytic_signal_is_scipys(samples):
    x = torch.randn(samples, 2, 3)
    np.testing.assert_allclose(analytic_signal(x), scipy.signal.hilbert(x.numpy(), axis=0), atol=1e-12)


@pytest.mark.parametrize(("nperseg", "samples"), [(7, 100), (101, 100), (True, 100), (64.0, 100), (None, 7)])
def test_a_segment_that_does_not_fit_is_refused(nperseg, samples):
    with pytest.raises(ValueError, match="nperseg must be a whole number"):
        power_spectral_density(torch.randn(samples, 2), 1.0, nperseg)


@pytest.mark.parametrize("dt", [0.0, -1.0, float("inf"), float("nan")])
def test_a_dt_that_is_no_time_is_refused(dt):
    with pytest.raises(ValueError, match="dt must be > 0 ms"):
        power_spectral_density(torch.randn(100, 2), dt)


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (10.0, 10.0, "a band is from"),
        (-1.0, 10.0, "a band is from"),
        (600.0, None, "a band is from"),
        (10.0, 501.0, "above 500 Hz"),
        (10.5, 11.5, "no frequency lies in"),
    ],
)
def test_bands_without_frequencies_are_refused(low, high, message):
    with pytest.raises(ValueError, match=message):
        band(low, high, 500, 1.0)


@given(st.integers(8, 500), st.sampled_from([0.1, 0.7, 1.0, 720.0]), st.data())
def test_neighbouring_bands_share_no_frequency_and_leave_none_out(samples, dt, data):
    last = samples // 2
    cut = data.draw(st.integers(1, last - 1)) * 1000 / (samples * dt)  # a frequency itself, to rounding
    below, above = band(0.0, cut, samples, dt), band(cut, None, samples, dt)
    assert (below.start, above.stop) == (0, last + 1)
    assert below.stop == above.start == round(cut * samples * dt / 1000)


def test_band_powers_add_up_to_the_variance():
    x = torch.randn(256, 3, 2)
    parts = [o.band_power(x, 1.0, low, high, nperseg=256) for low, high in ((0, 40), (40, 200.5), (200.5, None))]
    total = o.power_spectral_density(x, 1.0, 256)[1].sum(0) * 1000 / 256
    torch.testing.assert_close(sum(parts), total)
    noise = torch.randn(20_000, 1)
    torch.testing.assert_close(o.band_power(noise, 1.0, 0, None), noise.var(0), rtol=0.02, atol=0)


def test_a_tone_has_its_power_in_its_band_and_its_peak_at_its_frequency():
    x = tones(10.0, 33.3, 41.7)
    power = o.band_power(x, 1.0, 25.0, 60.0, nperseg=1000)
    torch.testing.assert_close(power, torch.tensor([0.0, 1.0, 1.0]), atol=0.01, rtol=0)
    peak = o.peak_frequency(x, 1.0, 5.0, 60.0, nperseg=1000)
    torch.testing.assert_close(peak, torch.tensor([10.0, 33.3, 41.7]), atol=0.05, rtol=0)
    centroid = o.spectral_centroid(x, 1.0, 5.0, 60.0, nperseg=1000)
    torch.testing.assert_close(centroid, torch.tensor([10.0, 33.3, 41.7]), atol=0.05, rtol=0)


@pytest.mark.parametrize("function", [o.peak_frequency, o.spectral_centroid])
def test_the_gradient_of_a_frequency_follows_it(function):
    t = torch.arange(500)[:, None] / 1000

    def found(hz):
        return function((2 * torch.pi * t * hz).sin() + (9 * t).cos() / 9, 1.0, 5.0, 60.0, 250).sum()

    hz = torch.tensor([23.0, 31.0], requires_grad=True)
    assert torch.autograd.gradcheck(found, hz)
    (slope,) = torch.autograd.grad(found(hz), hz)
    torch.testing.assert_close(slope, torch.ones(2), atol=0.2, rtol=0)


def test_a_band_whose_power_is_highest_at_an_end_has_no_peak():
    x = tones(10.0, 33.0)
    with pytest.raises(ValueError, match=r"no peak in \[10.0, 60.0\) Hz at index \[0\]"):
        o.peak_frequency(x, 1.0, 10.0, 60.0, nperseg=1000)
    with pytest.raises(ValueError, match="needs 3 frequencies"):
        o.peak_frequency(x, 1.0, 10.0, 12.0, nperseg=1000)
    batch = torch.stack([x, tones(33.0, 33.0)], 1)
    found = vmap(lambda x: o.peak_frequency(x, 1.0, 10.0, 60.0, nperseg=1000), in_dims=1)(batch)
    assert found.isnan().tolist() == [[True, False], [False, False]]


def test_a_factor_of_10_in_power_is_10_db_and_no_other_shape():
    p = torch.rand(20, 2, 4) + 0.1
    torch.testing.assert_close(o.log_spectral_distance(10 * p, p), torch.full((2,), 10.0))
    torch.testing.assert_close(o.relative_spectral_distance(10 * p, p), torch.full((2,), 9.0))
    torch.testing.assert_close(o.spectral_shape_distance(10 * p, p), torch.zeros(2))


def test_spectra_without_a_common_frequency_have_the_greatest_distance_of_shape():
    p = torch.zeros(4, 2)
    p[1] = 3.0
    torch.testing.assert_close(o.spectral_shape_distance(p, p.flip(0)), torch.tensor(1.0))
    with pytest.raises(ValueError, match=r"prediction has no power at index \[0, 0\]"):
        o.log_spectral_distance(p, p + 1)


def test_spectra_do_not_depend_on_the_mean_in_float32():
    x = torch.randn(300, 2)
    near = o.power_spectral_density((x + 1000).float(), 1.0, 64)[1]
    expected = o.power_spectral_density(x, 1.0, 64)[1].float()
    torch.testing.assert_close(near, expected, rtol=2e-2, atol=1e-6)


@pytest.mark.parametrize("function", [o.band_power, o.peak_frequency, o.spectral_centroid])
def test_a_constant_signal_has_no_spectrum(function):
    x = tones(10.0, 20.0)
    x[:, 1] = 0.1
    with pytest.raises(ValueError, match=r"x is constant at index \[1\]: its spectrum"):
        function(x, 1.0, 5.0, 60.0)
