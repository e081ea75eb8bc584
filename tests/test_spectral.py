"""Spectra, filters and analytic signals are scipy's, covariances numpy's, whole or in stretches."""

import sys

import numpy as np
import pytest
import scipy.signal
import torch

import torchmass as tm

lengths = pytest.mark.parametrize("samples", [700, 701])
windows = pytest.mark.parametrize("window", [100.0, 101.0])


def signal(samples: int, *shape: int) -> torch.Tensor:
    return torch.randn(samples, *shape).cumsum(0) * 0.1 + torch.randn(samples, *shape) + 3


@lengths
@windows
def test_a_spectrum_is_scipys_welch(samples, window):
    z = signal(samples, 2, 3)
    f, expected = scipy.signal.welch(z.numpy(), fs=1000.0, nperseg=round(window), axis=0)
    spectrum = tm.Spectrum(window)
    np.testing.assert_allclose(spectrum(z, dt=1.0).numpy(), expected, rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(spectrum.frequencies(1.0).numpy(), f, rtol=1e-12)


@lengths
@windows
def test_a_spectrogram_is_scipys(samples, window):
    z, n = signal(samples, 2, 3), round(window)
    _, t, expected = scipy.signal.spectrogram(
        z.numpy(), fs=1000.0, window="hann", nperseg=n, noverlap=n // 2, axis=0
    )  # (F, *b, N, W)
    spectrogram = tm.Spectrogram(window)
    found = spectrogram(z, dt=1.0)
    np.testing.assert_allclose(found.numpy(), np.moveaxis(expected, -1, 0), rtol=1e-10, atol=1e-15)
    np.testing.assert_allclose(np.diff(t) * 1000, spectrogram.spacing(1.0))
    torch.testing.assert_close(found.mean(0), tm.Spectrum(window)(z, dt=1.0))


def test_a_sine_of_10_hz_has_its_power_at_10_hz():
    t = torch.arange(4000) * 1.0
    z = torch.sin(2 * torch.pi * 10 * t / 1000).unsqueeze(-1)
    spectrum = tm.Spectrum(1000.0)
    density = spectrum(z, dt=1.0)[:, 0]
    assert spectrum.frequencies(1.0)[density.argmax()] == 10.0
    torch.testing.assert_close(density.sum(), torch.tensor(0.5))  # the variance, in bins of 1 Hz


def test_a_signal_shorter_than_a_window_is_refused():
    with pytest.raises(ValueError, match="99 samples, fewer than one window of 100 ms"):
        tm.Spectrum(100.0)(signal(99, 1), dt=1.0)
    assert tm.Spectrogram(100.0)(signal(99, 1), dt=1.0).shape == (0, 51, 1)


@lengths
def test_the_analytic_signal_is_scipys(samples):
    z = signal(samples, 2, 3)
    expected = scipy.signal.hilbert(z.numpy(), axis=0)
    np.testing.assert_allclose(tm.Hilbert("analytic")(z, dt=1.0).numpy(), expected, atol=1e-11)
    np.testing.assert_allclose(tm.Hilbert()(z, dt=1.0).numpy(), np.abs(expected), atol=1e-11)
    np.testing.assert_allclose(tm.Hilbert("phase")(z, dt=1.0).numpy(), np.angle(expected), atol=1e-10)


def test_the_envelope_of_a_modulated_oscillation_is_its_modulation():
    t = torch.arange(2000) / 1000
    envelope = 1 + 0.5 * torch.cos(2 * torch.pi * 2 * t)
    z = (envelope * torch.sin(2 * torch.pi * 40 * t)).unsqueeze(-1)
    torch.testing.assert_close(tm.Hilbert()(z, dt=1.0)[:, 0], envelope)


@pytest.mark.parametrize("samples", [1, 200, 256, 1000])
@pytest.mark.parametrize(("band", "order"), [((8.0, 12.0), 4), ((1.0, 200.0), 3), ((20.0, 80.0), 1)])
def test_the_recursive_filter_is_scipys(samples, band, order):
    z = signal(samples, 2, 3)
    sections = scipy.signal.butter(order, band, "bandpass", fs=500.0, output="sos")
    expected = scipy.signal.sosfilt(sections, z.numpy(), axis=0)
    found = tm.BandPass(*band, method="iir", order=order)(z, dt=2.0)
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-10 * np.abs(expected).max())


def test_the_recursive_filter_of_slow_bands_works_in_float32():
    z = signal(5000, 2).float()
    sections = scipy.signal.butter(2, (0.05, 0.2), "bandpass", fs=100.0, output="sos")
    expected = scipy.signal.sosfilt(sections, z.double().numpy(), axis=0)
    found = tm.BandPass(0.05, 0.2, method="iir", order=2)(z, dt=10.0)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6 * np.abs(expected).max())


@lengths
def test_the_filter_of_the_whole_signal_keeps_the_frequencies_of_the_band(samples):
    z = signal(samples, 2)
    spectrum, f = np.fft.rfft(z.numpy(), axis=0), np.fft.rfftfreq(samples, 0.001)
    expected = np.fft.irfft(spectrum * ((f >= 8) & (f <= 12))[:, None], samples, axis=0)
    np.testing.assert_allclose(tm.BandPass(8.0, 12.0)(z, dt=1.0).numpy(), expected, atol=1e-12)


def test_an_edge_of_the_band_belongs_to_it():
    z = torch.sin(2 * torch.pi * 12 * torch.arange(1000) / 1000).unsqueeze(-1)
    torch.testing.assert_close(tm.BandPass(8.0, 12.0)(z, dt=1.0), z)


@pytest.mark.parametrize(("low", "high"), [(12.0, 8.0), (8.0, 8.0), (0.0, 8.0), (-1.0, 8.0), (8.0, float("inf"))])
def test_empty_bands_are_refused(low, high):
    with pytest.raises(ValueError, match="0 < low < high"):
        tm.BandPass(low, high)


@pytest.mark.parametrize("method", ["fft", "iir"])
def test_bands_beyond_half_the_sampling_rate_are_refused(method):
    with pytest.raises(ValueError, match="below 50 Hz, half the sampling rate for dt=10 ms"):
        tm.BandPass(8.0, 50.0, method=method)(signal(100, 1), dt=10.0)


def test_a_signal_too_short_to_have_frequencies_in_the_band_is_refused():
    with pytest.raises(ValueError, match="no frequency of a signal of 100 ms lies in 11 to 19 Hz"):
        tm.BandPass(11.0, 19.0)(signal(100, 1), dt=1.0)


def test_wrong_names_are_refused():
    with pytest.raises(tm.UnknownNameError, match="did you mean 'fft'"):
        tm.BandPass(8.0, 12.0, method="ft")
    with pytest.raises(tm.UnknownNameError, match="did you mean 'phase'"):
        tm.Hilbert("phases")
    with pytest.raises(ValueError, match="order must be a whole number"):
        tm.BandPass(8.0, 12.0, order=0)


@pytest.mark.parametrize("make", [lambda: tm.BandPass(8.0, 12.0), tm.Hilbert], ids=["BandPass", "Hilbert"])
def test_what_needs_the_whole_signal_refuses_stretches_and_says_so(make):
    with pytest.raises(ValueError, match="sees whole signals"):
        make().feed(None, signal(500, 1), dt=1.0)


def test_the_filter_of_whole_signals_names_the_one_that_takes_stretches():
    with pytest.raises(ValueError, match="method='iir' takes them"):
        tm.BandPass(8.0, 12.0).feed(None, signal(500, 1), dt=1.0)


def test_a_chain_takes_a_whole_signal_through_what_needs_it():
    z = signal(500, 2)
    envelope = tm.BandPass(8.0, 30.0).then(tm.Hilbert(), tm.TemporalAverage(100.0))
    expected = tm.TemporalAverage(100.0)(tm.Hilbert()(tm.BandPass(8.0, 30.0)(z, dt=1.0), dt=1.0), dt=1.0)
    assert torch.equal(envelope(z, dt=1.0), expected)


def test_without_scipy_the_recursive_filter_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.signal", None)
    with pytest.raises(ImportError, match=r"torchmass\[filters\]"):
        tm.BandPass(8.5, 12.5, method="iir")(signal(10, 1), dt=1.0)


def test_a_covariance_is_numpys():
    z = signal(50, 2, 3)
    found, correlation = tm.Covariance()(z, dt=1.0), tm.Correlation()(z, dt=1.0)
    for i in range(2):
        np.testing.assert_allclose(found[i].numpy(), np.cov(z[:, i].numpy().T), rtol=1e-12)
        np.testing.assert_allclose(correlation[i].numpy(), np.corrcoef(z[:, i].numpy().T), rtol=1e-12)


def test_a_covariance_keeps_its_digits_beside_a_large_mean():
    z = torch.randn(1000, 3)
    found = tm.Covariance()
    carry = None
    for stretch in (z + 1e8).split(37):
        carry, _ = found.feed(carry, stretch, dt=1.0)
    torch.testing.assert_close(found.finish(carry), torch.cov(z.T), rtol=1e-6, atol=1e-7)


def test_correlation_is_functional_connectivity():
    z = signal(60, 2, 3)
    torch.testing.assert_close(tm.Correlation()(z, dt=1.0), tm.objectives.functional_connectivity(z))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e8])
def test_the_correlation_of_a_constant_signal_is_refused(value):
    z = signal(60, 2, 3)
    z[:, 1, 2] = value
    with pytest.raises(ValueError, match=r"constant at index \[1, 2\]"):
        tm.Correlation()(z, dt=1.0)


def test_a_covariance_needs_two_samples():
    with pytest.raises(ValueError, match="at least 2 samples, got 1"):
        tm.Covariance()(torch.ones(1, 2), dt=1.0)


def test_a_spectrum_ends_a_chain():
    with pytest.raises(ValueError, match="must come last"):
        tm.Spectrum(100.0).then(tm.TemporalAverage(10.0))(signal(500, 2), dt=1.0)
