"""What tvb-data ships is read as it is, and the facts told about it hold."""

import importlib.util
import inspect
import io
import subprocess
import sys
import zipfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from torchmass.datasets import Connectome, synthetic_connectome, tvb_connectome, tvb_eeg_projection, tvb_meg_projection
from torchmass.datasets.projection import region_means

pytest.importorskip("tvb_data")
FOLDER = Path(next(iter(importlib.util.find_spec("tvb_data").submodule_search_locations)))
ALL = pytest.mark.parametrize("regions", [66, 68, 76, 96, 192])


def off_diagonal(one: Connectome) -> torch.Tensor:
    return ~torch.eye(len(one), dtype=torch.bool)


def sides(labels: tuple[str, ...]) -> set[str]:
    return {label[0] for label in labels}


@ALL
def test_a_connectome_has_the_regions_asked_for_in_the_default_dtype(regions):
    one = tvb_connectome(regions)
    assert len(one) == regions
    assert one.centres is not None
    assert one.weights.dtype == one.distances.dtype == one.centres.dtype == torch.get_default_dtype()


def test_a_connectome_holds_the_numbers_of_the_file():
    one = tvb_connectome(76)
    with zipfile.ZipFile(FOLDER / "connectivity" / "connectivity_76.zip") as archive:
        for name, values in (("weights", one.weights), ("tract_lengths", one.distances)):
            expected = np.loadtxt(io.BytesIO(archive.read(f"{name}.txt")))
            np.testing.assert_allclose(values.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize(("regions", "first"), [(66, "r"), (68, "r"), (76, "r"), (192, "l")])
def test_one_hemisphere_follows_the_other_with_the_same_regions(regions, first):
    labels, half = tvb_connectome(regions).labels, regions // 2
    assert [sides(labels[:half]), sides(labels[half:])] == [{first}, {"l" if first == "r" else "r"}]
    assert [label[1:] for label in labels[:half]] == [label[1:] for label in labels[half:]]


def test_the_96_regions_end_with_their_side():
    labels = tvb_connectome(96).labels
    assert [{label[-2:] for label in labels[:48]}, {label[-2:] for label in labels[48:]}] == [{"_R"}, {"_L"}]


@pytest.mark.parametrize(("regions", "difference"), [(66, 1e-4), (68, 0.0)])
def test_66_and_68_are_the_same_in_both_directions(regions, difference):
    weights = tvb_connectome(regions).weights
    assert (weights - weights.T).abs().max() <= difference


@pytest.mark.parametrize("regions", [76, 96, 192])
def test_76_96_and_192_are_directed_with_weights_from_0_to_3(regions):
    weights = tvb_connectome(regions).weights
    assert bool(((weights > 0) != (weights.T > 0)).any())
    assert (float(weights.min()), float(weights.max())) == (0.0, 3.0)


@pytest.mark.parametrize(("regions", "count"), [(66, 61), (68, 68), (76, 66), (96, 79), (192, 66)])
def test_regions_have_weights_to_themselves_which_without_self_clears(regions, count):
    one = tvb_connectome(regions)
    assert int((one.weights.diagonal() > 0).sum()) == count
    assert int(one.without_self().weights.diagonal().count_nonzero()) == 0


@pytest.mark.parametrize(("regions", "deaf", "mute"), [(66, 0, 0), (68, 0, 0), (76, 2, 2), (96, 0, 0), (192, 12, 4)])
def test_some_regions_of_76_and_192_hear_of_no_other_or_send_nothing(regions, deaf, mute):
    linked = tvb_connectome(regions).without_self().weights > 0
    assert (int((~linked.any(1)).sum()), int((~linked.any(0)).sum())) == (deaf, mute)


@ALL
def test_distances_are_the_same_in_both_directions(regions):
    distances = tvb_connectome(regions).distances
    torch.testing.assert_close(distances, distances.T)


@pytest.mark.parametrize(("regions", "count"), [(66, 0), (68, 0), (76, 0), (96, 0), (192, 22)])
def test_only_192_has_links_between_regions_that_are_0_mm_apart(regions, count):
    one = tvb_connectome(regions)
    assert int(((one.weights > 0) & (one.distances == 0) & off_diagonal(one)).sum()) == count


def test_the_192_regions_are_named_for_the_side_opposite_to_76():
    few, many = tvb_connectome(76), tvb_connectome(192)
    here, there = few.subset(["lV1", "rA1"]).centres, many.subset(["rV1", "lA1"]).centres
    torch.testing.assert_close(here, there)


def test_the_defaults_of_the_synthetic_connectome_are_found_in_68_regions():
    one = tvb_connectome(68)
    mirrored = torch.eye(68, dtype=torch.bool).roll(34, 1)
    linked = (one.weights > 0) & off_diagonal(one)
    x, y = (values[linked & ~mirrored].double().numpy() for values in (one.distances, one.weights.log()))
    slope, intercept = np.polyfit(x, y, 1)
    straight = (one.centres[:, None] - one.centres).norm(dim=-1)
    extra = (one.weights.log() - slope * one.distances - intercept)[linked & mirrored].mean()
    found = {
        "n": len(one),
        "density": float(linked.sum()) / (68 * 67),
        "decay": -1 / slope,
        "spread": (y - slope * x - intercept).std(),
        "homotopic": float(extra.exp()),
        "tortuosity": float((one.distances / straight)[linked].median()),
    }
    defaults = inspect.signature(synthetic_connectome).parameters
    assert found == {name: pytest.approx(defaults[name].default, rel=0.03) for name in found}


def test_a_number_of_regions_that_is_not_shipped_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="66, 68, 76, 96, 192 regions, got 80"):
        tvb_connectome(80)


def test_it_is_read_without_importing_the_package():
    code = "import sys; from torchmass.datasets import tvb_connectome as t; t(); assert 'tvb_data' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


# EEG and MEG


def test_a_regions_gain_is_the_mean_over_its_vertices_and_0_without_any():
    gain = torch.tensor([[1.0, 10.0, 3.0, 100.0], [2.0, 20.0, 6.0, 200.0]])
    means = region_means(gain, torch.tensor([2, 0, 2, 0]), 4)
    assert means.tolist() == [[55.0, 0.0, 2.0, 0.0], [110.0, 0.0, 4.0, 0.0]]


READ = {
    63: tvb_eeg_projection,
    62: partial(tvb_eeg_projection, electrodes=62),
    248: tvb_meg_projection,
}


@pytest.mark.parametrize("sensors", READ)
@pytest.mark.parametrize(("regions", "cortical"), [(76, 76), (192, 76)])
def test_a_projection_goes_from_the_regions_of_the_connectome_to_all_sensors_with_numbers(regions, cortical, sensors):
    one = READ[sensors](regions)
    assert one.gain.shape == (sensors, regions)
    assert one.labels == tvb_connectome(regions).labels
    assert len(set(one.sensors)) == sensors
    assert one.gain.dtype == torch.get_default_dtype()
    assert bool(one.gain.isfinite().all())
    assert int((one.gain != 0).any(0).sum()) == cortical


@pytest.mark.parametrize(
    ("file", "sensors", "name", "row"),
    [
        ("eeg_65_surface_16k.npy", 63, "Fz", 17),
        ("eeg_62_surface_16k.mat", 62, "Fz", 16),
        ("meg_276_surface_16k.npy", 248, "A22", 7),
    ],
)
def test_a_projection_holds_the_means_of_the_file(file, sensors, name, row):
    path = FOLDER / "projectionMatrix" / f"projection_{file}"
    gain = np.load(path) if path.suffix == ".npy" else scipy.io.loadmat(path)["ProjectionMatrix"]
    region_of = np.loadtxt(FOLDER / "regionMapping" / "regionMapping_16k_76.txt")
    one, expected = READ[sensors](76), gain[row, region_of == 40].mean()
    assert float(one.gain[one.sensors.index(name), 40]) == pytest.approx(expected, rel=1e-6)


def test_the_28_channels_of_the_meg_that_are_left_out_are_no_magnetometers_of_the_head():
    lines = (FOLDER / "sensors" / "meg_brainstorm_276.txt").read_text().splitlines()
    sensors = tvb_meg_projection().sensors
    left_out = [line.split()[0] for line in lines if line.split()[0] not in sensors]
    assert {"TRIGGER", "RESPONSE", "EOG", "ECG"} < set(left_out)
    assert len(left_out) == 28
    assert sorted(sensors) == sorted(f"A{k}" for k in range(1, 249))


def test_the_two_electrodes_left_out_have_no_number_in_the_file():
    gain = np.load(FOLDER / "projectionMatrix" / "projection_eeg_65_surface_16k.npy")
    names = [line.split()[0] for line in (FOLDER / "sensors" / "eeg_brainstorm_65.txt").read_text().splitlines()]
    left_out = [name for name in names if name not in tvb_eeg_projection().sensors]
    assert left_out == ["IO1", "IO2"]
    assert bool(np.isnan(gain[[names.index(name) for name in left_out]]).all())


@pytest.mark.parametrize(
    ("electrode", "region"), [("T7/T3", "lTCS"), ("T8/T4", "rA2"), ("Fp1", "lPFCPOL"), ("O2", "rA1")]
)
def test_an_electrode_hears_a_region_of_its_own_side_best(electrode, region):
    eeg = tvb_eeg_projection(76)
    assert eeg.labels[int(eeg.gain[eeg.sensors.index(electrode)].abs().argmax())] == region


@pytest.mark.parametrize(("electrode", "region"), [("T7", "lA2"), ("T8", "rA2"), ("Fp1", "lPFCPOL"), ("O2", "rV2")])
def test_of_62_electrodes_each_hears_the_other_side_best_as_76_names_it_and_its_own_as_192_does(electrode, region):
    few, many = (tvb_eeg_projection(regions, electrodes=62) for regions in (76, 192))
    row = few.sensors.index(electrode)
    assert few.labels[int(few.gain[row].abs().argmax())] == {"l": "r", "r": "l"}[region[0]] + region[1:]
    assert many.labels[int(many.gain[row].abs().argmax())][0] == region[0]


def test_the_192_regions_have_the_gain_of_the_opposite_names_in_76():
    few, many = tvb_eeg_projection(76), tvb_eeg_projection(192)
    torch.testing.assert_close(few.gain[:, few.labels.index("lV1")], many.gain[:, many.labels.index("rV1")])


def test_a_projection_without_a_region_mapping_is_refused():
    with pytest.raises(ValueError, match="region mappings of 76, 192 regions, got 68"):
        tvb_eeg_projection(68)


def test_a_number_of_electrodes_that_is_not_shipped_is_refused_with_those_that_are():
    with pytest.raises(ValueError, match="gains to 62 or 63 electrodes, got 65"):
        tvb_eeg_projection(76, 65)
