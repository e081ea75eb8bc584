"""A recording is read as it was shipped, and its parts are what their names say."""

import importlib.util
import subprocess
import sys
from dataclasses import FrozenInstanceError
from importlib.machinery import ModuleSpec
from importlib.metadata import files

import numpy as np
import pytest
import torch

from torchmass.datasets import Recording, nitime_fmri, tvb_connectome, tvb_eeg_projection, tvb_meg_projection

TR = 1890.0


@pytest.fixture(scope="module")
def fmri() -> Recording:
    pytest.importorskip("nitime")
    return nitime_fmri()


def waves(samples: int, *frequencies_hz: float) -> Recording:
    seconds = torch.arange(samples) * TR / 1000
    data = torch.stack([torch.sin(2 * torch.pi * f * seconds) for f in frequencies_hz], 1)
    return Recording(data, TR, tuple(f"{f} Hz" for f in frequencies_hz))


def test_the_recording_has_28_regions_of_250_samples_and_no_nuisance_signal(fmri):
    assert fmri.data.shape == (250, 28)
    assert fmri.tr == TR
    assert fmri.labels[0] == "LCau"
    assert fmri.labels[-1] == "RPrec"
    assert len(set(fmri.labels)) == 28
    assert not {"WM", "Vent", "Brain"} & set(fmri.labels)


def test_the_recording_holds_the_numbers_of_the_file(fmri):
    path = next(file.locate() for file in files("nitime") or [] if file.name == "fmri_timeseries.csv")
    expected = np.genfromtxt(str(path), delimiter=",", skip_header=1)[:, 3:]
    np.testing.assert_allclose(fmri.data.numpy(), expected, rtol=1e-6)


def test_the_recording_is_read_without_importing_nitime():
    pytest.importorskip("nitime")
    code = "import sys; from torchmass.datasets import nitime_fmri; nitime_fmri(); assert 'nitime' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("load", "package"),
    [
        (nitime_fmri, "nitime"),
        (tvb_connectome, "tvb-data"),
        (tvb_eeg_projection, "tvb-data"),
        (tvb_meg_projection, "tvb-data"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(load, package, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"{package}.*torchmass\[data\]"):
        load()


@pytest.mark.parametrize(
    ("load", "module", "file"),
    [(nitime_fmri, "nitime", r"fmri_timeseries\.csv"), (tvb_connectome, "tvb_data", r"connectivity_76\.zip")],
)
def test_a_missing_file_is_named_with_its_path(load, module, file, monkeypatch, tmp_path):
    spec = ModuleSpec(module, None, is_package=True)
    spec.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(FileNotFoundError, match=file) as caught:
        load()
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(("samples", "starts"), [(6, (0, 3)), (7, (0, 4))])
def test_halves_are_equally_long_and_share_no_sample(samples, starts):
    recording = Recording(torch.arange(float(samples))[:, None], TR, ("A",))
    for half, start in zip(recording.halves(), starts, strict=True):
        assert half.data[:, 0].tolist() == [start, start + 1, start + 2]
        assert (half.tr, half.labels) == (TR, ("A",))


def test_a_standardised_recording_has_mean_0_and_deviation_1(fmri):
    data = fmri.standardised().data.double().numpy()
    np.testing.assert_allclose(data.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(data.std(0, ddof=1), 1, rtol=1e-5)


def test_a_constant_region_cannot_be_standardised():
    still = Recording(torch.tensor([[0.1, 1.0], [0.1, 2.0], [0.1, 4.0]]), TR, ("still", "moving"))
    with pytest.raises(ValueError, match=r"still\.$"):
        still.standardised()


def test_a_band_pass_keeps_its_band_without_delay_and_removes_the_rest():
    pytest.importorskip("scipy")
    slow, inside, fast = waves(2000, 0.001, 0.04, 0.2).band_pass(0.01, 0.1).data[500:1500].T
    kept = waves(2000, 0.04).data[500:1500, 0]
    torch.testing.assert_close(inside, kept, rtol=0, atol=0.02)
    assert slow.abs().max() < 1e-3
    assert fast.abs().max() < 0.02


@pytest.mark.parametrize("band", [(0.1, 0.01), (0.0, 0.1), (0.01, 0.3), (float("nan"), 0.1)])
def test_a_band_must_lie_between_0_and_the_nyquist_frequency(band):
    with pytest.raises(ValueError, match="0 < low < high <"):
        waves(100, 0.04).band_pass(*band)


def test_a_band_pass_keeps_dtype_and_leaves_the_original_alone():
    pytest.importorskip("scipy")
    recording = waves(100, 0.04, 0.2)
    before = recording.data.clone()
    assert Recording(recording.data.float(), TR, recording.labels).band_pass(0.01, 0.1).data.dtype == torch.float32
    assert torch.equal(recording.data, before)


def test_times_are_in_ms_from_the_first_sample():
    assert waves(3, 0.04).ts.tolist() == [0.0, 1890.0, 3780.0]


def test_a_recording_is_frozen():
    with pytest.raises(FrozenInstanceError):
        waves(3, 0.04).tr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("data", "tr", "labels", "told"),
    [
        (torch.rand(5), TR, ("A",), "time first"),
        (torch.rand(5, 2), TR, ("A",), "as many"),
        (torch.rand(5, 2), TR, ("A", "A"), "different labels"),
        (torch.rand(5, 1), 0.0, ("A",), "tr must be"),
        (torch.tensor([[0.0], [float("nan")]]), TR, ("A",), "A is not at sample 1"),
    ],
)
def test_a_recording_that_does_not_fit_together_is_refused(data, tr, labels, told):
    with pytest.raises(ValueError, match=told):
        Recording(data, tr, labels)
