"""Sensors see regions through a lead field, with noise of the covariance that is asked for."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass.datasets import Projection, tvb_eeg_projection
from torchmass.kernels.draws import SENSORS, STARTS, STIMULI, normals

ORACLE = np.load(Path(__file__).parent / "reference" / "leadfield.npz")
COVARIANCE = [[1.0, 2.0, 0.0], [2.0, 5.0, 3.0], [0.0, 3.0, 10.0]]  # its CᵀC is far from its CCᵀ
FIELDS = pytest.mark.parametrize("field", [tm.EEGLeadField, tm.MEGLeadField])
QUIET = {
    "eeg": lambda L: tm.EEGLeadField(L),
    "average": lambda L: tm.EEGLeadField(L, reference="average"),
    "l1": lambda L: tm.LeadfieldReadout(L, cy0=1.7, y0=0.3),
    "l2": lambda L: tm.LeadfieldReadout(L, normalize="l2", demean=False),
}
NOISY = {"noise": lambda L: tm.MEGLeadField(L, noise_cov=np.diag([1.0, 2.0, 3.0]), seed=1)}
WITHOUT_NOISE = pytest.mark.parametrize("observer", QUIET.values(), ids=QUIET)
ALL = pytest.mark.parametrize("observer", (QUIET | NOISY).values(), ids=QUIET | NOISY)


def oracle(name: str) -> torch.Tensor:
    return torch.tensor(ORACLE[name])


def test_an_eeg_equals_the_reference():
    eeg = tm.EEGLeadField(ORACLE["L"].T)
    torch.testing.assert_close(eeg(oracle("source_mV")), oracle("eeg_V"))


@pytest.mark.parametrize("normalize", ["l1", "l2", "none"])
@pytest.mark.parametrize("demean", [False, True])
def test_a_readout_equals_the_reference(normalize, demean):
    readout = tm.LeadfieldReadout(oracle("readout_lm"), cy0=1.7, y0=0.25, normalize=normalize, demean=demean)
    expected = oracle(f"readout_{normalize}_demean{demean:d}")
    torch.testing.assert_close(readout(oracle("source_mV")), expected)


@WITHOUT_NOISE
def test_batch_axes_are_a_loop_of_the_signal_and_of_the_matrix(observer):
    z, L = torch.randn(6, 2, 4), torch.randn(2, 3, 4)
    same, own = observer(L[0]), observer(L)
    torch.testing.assert_close(same(z), torch.stack([same(z[:, i]) for i in range(2)], 1))
    torch.testing.assert_close(own(z), torch.stack([observer(L[i])(z[:, i]) for i in range(2)], 1))


@ALL
@pytest.mark.parametrize("batch", [(), (2,), (2, 5)])
def test_rows_keep_the_batch_axes_and_have_an_entry_for_each_sensor(observer, batch):
    assert observer(torch.randn(3, 4))(torch.randn(6, *batch, 4)).shape == (6, *batch, 3)


@ALL
@pytest.mark.parametrize("cuts", [[0, 7, 20], [1, 4, 5], [20]])
def test_stretches_make_the_whole(observer, cuts):
    z, one, carry, rows = torch.randn(20, 2, 4), observer(torch.randn(3, 4)), None, []
    for begin, end in zip([0, *cuts], [*cuts, 20], strict=True):
        carry, more = one.feed(carry, z[begin:end], dt=1.0)
        rows.append(more)
    torch.testing.assert_close(torch.cat(rows), one(z))


@ALL
def test_gradients_are_exact(observer):
    one = observer(torch.randn(3, 4))
    names = list(one.declarations)
    one.free(*names)
    values = [getattr(one.raw, name) for name in names]

    def see(z, *values):
        return torch.func.functional_call(one, {f"raw.{n}": v for n, v in zip(names, values, strict=True)}, (z,))

    assert torch.autograd.gradcheck(see, (torch.randn(2, 2, 4, requires_grad=True), *values))


@WITHOUT_NOISE
def test_sensors_work_under_vmap(observer):
    z, one = torch.randn(5, 2, 4), observer(torch.randn(3, 4))
    torch.testing.assert_close(torch.func.vmap(one, in_dims=1, out_dims=1)(z), one(z))


def test_an_average_reference_leaves_a_mean_of_zero_in_noise_too():
    eeg = tm.EEGLeadField(torch.randn(3, 4), reference="average", noise_cov=COVARIANCE, seed=0)
    torch.testing.assert_close(eeg(torch.randn(5, 4)).mean(-1), torch.zeros(5))


def test_a_moment_scales_what_a_region_sends():
    L, z = torch.randn(3, 2), torch.randn(5, 2)
    torch.testing.assert_close(
        tm.EEGLeadField(L, scale=[2.0, 0.5])(z), tm.EEGLeadField(L)(z * torch.tensor([2.0, 0.5]))
    )


@FIELDS
def test_the_noise_of_sensors_has_the_covariance_that_is_asked_for(field):
    noise = field(torch.zeros(3, 2), noise_cov=COVARIANCE, seed=7)(torch.zeros(40_000, 2))
    torch.testing.assert_close(torch.cov(noise.T), torch.tensor(COVARIANCE), atol=0.2, rtol=0)
    assert noise.mean(0).abs().max() < 0.05
    lagged = noise[1:].T @ noise[:-1] / len(noise)
    assert lagged.abs().max() < 0.2  # white in time


def test_noise_is_independent_for_each_simulation_and_depends_on_the_seed_alone():
    field = lambda seed: tm.EEGLeadField(torch.zeros(3, 2), noise_cov=np.eye(3), seed=seed)
    z = torch.zeros(5_000, 2, 2)
    before, one = torch.get_rng_state(), field(3)(z)
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one, field(3)(z))
    assert not torch.equal(one, field(4)(z))
    assert torch.corrcoef(one.flatten(1).T).triu(1).abs().max() < 0.06


def test_sensors_draw_from_a_source_of_their_own():
    noise = tm.EEGLeadField(torch.zeros(1, 1), noise_cov=[[4.0]], seed=5)(torch.zeros(3000, 1))[:, 0]
    draw = lambda source: normals(5, 0, 3000, torch.zeros(1, dtype=torch.int64), 1, source)[:, 0, 0]
    torch.testing.assert_close(noise, 2 * draw(SENSORS))
    for other in (0, 1, STARTS, STIMULI):
        assert torch.corrcoef(torch.stack([noise, draw(other)]))[0, 1].abs() < 0.1


def test_noise_is_saved_and_follows_the_precision():
    eeg = tm.EEGLeadField(torch.randn(3, 2), noise_cov=COVARIANCE, seed=7).float()
    other = tm.EEGLeadField(torch.zeros(3, 2), noise_cov=np.eye(3), seed=7).float()
    other.load_state_dict(eeg.state_dict())
    z = torch.randn(4, 2, dtype=torch.float32)
    assert torch.equal(other(z), eeg(z))
    assert eeg(z).dtype == torch.float32


def test_units_are_stated():
    assert (tm.EEGLeadField.unit, tm.EEGLeadField.L.unit) == ("µV", "µV/(nA m)")
    assert (tm.MEGLeadField.unit, tm.MEGLeadField.L.unit) == ("fT", "fT/(nA m)")
    assert tm.EEGLeadField.scale.unit == tm.MEGLeadField.scale.unit == "nA m"


@pytest.mark.parametrize(("sensors", "name"), [(tm.EEGLeadField, "eeg"), (tm.MEGLeadField, "meg")])
def test_a_result_calls_what_sensors_record_by_the_kind_of_recording(sensors, name):
    assert list(tm.Simulator(tm.HopfStep(2), dt=1.0).run(5.0, observe=sensors(torch.ones(3, 2)))) == [name, "ts"]


def test_a_fit_finds_the_gains_of_a_readout():
    true, z = torch.randn(3, 4), torch.randn(50, 4)
    target = tm.LeadfieldReadout(true, cy0=2.0)(z)
    readout = tm.LeadfieldReadout(true + 0.3 * torch.randn(3, 4)).free("lm", "cy0")
    optimiser = torch.optim.LBFGS(readout.parameters(), line_search_fn="strong_wolfe", max_iter=100)

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        error = (readout(z) - target).square().mean()
        error.backward()
        return error

    optimiser.step(loss)
    assert loss().item() < 1e-6


def test_a_projection_of_the_virtual_brain_names_sensors_and_regions():
    pytest.importorskip("tvb_data")
    eeg, projection = tm.EEGLeadField(tvb_eeg_projection(76), reference="average"), tvb_eeg_projection(76)
    assert (eeg.sensors, eeg.labels) == (projection.sensors, projection.labels)
    z = torch.randn(4, 76)
    seen = z @ projection.gain.T
    torch.testing.assert_close(eeg(z), seen - seen.mean(-1, keepdim=True))


@pytest.mark.parametrize("kind", [".npy", ".mat"])
def test_a_lead_field_is_the_mean_over_the_vertices_of_a_region_in_a_file_of_the_virtual_brain(tmp_path, kind):
    rows = np.random.default_rng(0).normal(size=(4, 5))
    rows[1] = np.nan  # a trigger, no sensor
    if kind == ".npy":
        np.save(tmp_path / "gain.npy", rows)
    else:
        pytest.importorskip("scipy.io").savemat(tmp_path / "gain.mat", {"ProjectionMatrix": rows})
    (tmp_path / "mapping.txt").write_text("0 2 2 0 0 1 1")  # two vertices that are no cortex
    files = tmp_path / f"gain{kind}", tmp_path / "mapping.txt"
    meg = tm.MEGLeadField.from_tvb(*files, sensors=["A", "trigger", "B", "C"], scale=2.0)
    left = rows[[0, 2, 3]]
    expected = np.stack([left[:, [0, 3, 4]].mean(1), np.zeros(3), left[:, [1, 2]].mean(1)], 1)
    np.testing.assert_allclose(meg.L, expected)
    assert (meg.sensors, meg.labels) == (("A", "B", "C"), ("region_0", "region_1", "region_2"))
    assert meg.scale == 2.0


def test_files_of_the_virtual_brain_that_do_not_fit_are_refused(tmp_path):
    gain, mapping = tmp_path / "gain.npy", tmp_path / "mapping.txt"
    np.save(gain, np.ones((2, 3)))
    mapping.write_text("0 1 1")
    for problem, options in (("3 names", {"sensors": "abc"}), ("from 0 to 0", {"labels": ["a"]})):
        with pytest.raises(ValueError, match=problem):
            Projection.from_tvb(gain, mapping, **options)
    with pytest.raises(ValueError, match=r"one of \.npy, \.mat"):
        Projection.from_tvb(tmp_path / "gain.csv", mapping)
    mapping.write_text("0 1")
    with pytest.raises(ValueError, match="each of 3 vertices"):
        Projection.from_tvb(gain, mapping)
    mapping.write_text("0 1 1")
    np.save(gain, [[1.0, np.nan, 0.0]])
    with pytest.raises(ValueError, match="finite"):
        Projection.from_tvb(gain, mapping)


def forward_solution(mne):
    """Six radial dipoles in a sphere, and four electrodes on it."""
    directions = {"Fz": (0, 0.6, 0.8), "Cz": (0, 0, 1), "Pz": (0, -0.6, 0.8), "Oz": (0, -1, 0)}
    places = {name: np.array([0, 0, 0.04]) + 0.09 * np.array(place) for name, place in directions.items()}
    info = mne.create_info(list(places), 1000.0, "eeg", verbose="error")
    info.set_montage(mne.channels.make_dig_montage(places, coord_frame="head"), verbose="error")
    sphere = mne.make_sphere_model((0.0, 0.0, 0.04), 0.09, info, verbose="error")
    outward = torch.nn.functional.normalize(torch.randn(6, 3)).numpy()
    dipoles = {"rr": 0.06 * outward + [0.0, 0.0, 0.04], "nn": outward}
    sources = mne.setup_volume_source_space(pos=dipoles, verbose="error")
    return info, mne.make_forward_solution(info, None, sources, sphere, meg=False, verbose="error")


def test_a_forward_of_mne_gives_what_mne_says_an_eeg_records():
    mne = pytest.importorskip("mne")
    info, free = forward_solution(mne)
    with pytest.raises(ValueError, match="force_fixed"):
        tm.EEGLeadField.from_mne(free)
    forward = mne.convert_forward_solution(free, surf_ori=True, force_fixed=True, verbose="error")
    eeg, moments = tm.EEGLeadField.from_mne(forward), torch.randn(7, 6)  # nA m
    vertices = [forward["src"][0]["vertno"]]
    sources = mne.VolSourceEstimate(1e-9 * moments.T.numpy(), vertices, 0.0, 1e-3)
    expected = mne.apply_forward(forward, sources, info, verbose="error", on_missing="ignore").data  # V
    np.testing.assert_allclose(1e-6 * eeg(moments).T, expected, rtol=1e-5, atol=1e-12)
    assert eeg.sensors == ("Fz", "Cz", "Pz", "Oz")
    with pytest.raises(ValueError, match="no channel of kind 'mag'"):
        tm.MEGLeadField.from_mne(forward)


def cortical(mne) -> dict:
    """A Forward of two magnetometers, a gradiometer and an electrode, and three sources in each hemisphere."""
    info = mne.create_info(["M1", "G1", "E1", "M2"], 1000.0, ["mag", "grad", "eeg", "mag"], verbose="error")
    hemispheres = [{"vertno": np.array([2, 5, 9])}, {"vertno": np.array([2, 3, 4])}]
    sol = {"data": np.random.default_rng(0).normal(size=(4, 6)), "row_names": info["ch_names"]}
    return {"source_ori": 1, "info": info, "sol": sol, "src": hemispheres}


def label(name: str, hemi: str, *vertices: int) -> SimpleNamespace:
    return SimpleNamespace(name=name, hemi=hemi, vertices=np.array(vertices))


def test_a_label_of_mne_is_the_mean_of_its_sources_in_its_hemisphere():
    forward = cortical(pytest.importorskip("mne"))
    meg = tm.MEGLeadField.from_mne(forward, [label("V1-lh", "lh", 1, 2, 9), label("V1-rh", "rh", 2, 3, 7)])
    gain = 1e6 * forward["sol"]["data"][[0, 3]]  # fT/(nA m)
    np.testing.assert_allclose(meg.L, np.stack([gain[:, [0, 2]].mean(1), gain[:, [3, 4]].mean(1)], 1))
    assert (meg.sensors, meg.labels) == (("M1", "M2"), ("V1-lh", "V1-rh"))
    with pytest.raises(ValueError, match="no source lies in the label 'empty-lh'"):
        tm.MEGLeadField.from_mne(forward, [label("empty-lh", "lh", 0, 1)])
    with pytest.raises(ValueError, match="kind must be"):
        Projection.from_mne(forward, "grad")


def test_a_projection_needs_a_name_for_each_sensor_and_region():
    with pytest.raises(ValueError, match=r"gain must be \(2, 3\)"):
        Projection(torch.ones(3, 2), ("a", "b"), ("x", "y", "z"))


@FIELDS
def test_wrong_matrices_signals_and_noise_are_refused(field):
    with pytest.raises(ValueError, match=r"L must be \(\*b, M, N\), sensors by regions"):
        field(torch.ones(3))
    with pytest.raises(ValueError, match="M sensors by N=4"):
        field(torch.ones(3, 2))(torch.ones(5, 4))
    with pytest.raises(ValueError, match="given together"):
        field(torch.ones(3, 2), noise_cov=COVARIANCE)
    with pytest.raises(ValueError, match="given together"):
        field(torch.ones(3, 2), seed=1)
    with pytest.raises(ValueError, match="M=3"):
        field(torch.ones(3, 2), noise_cov=[[1.0]], seed=1)
    with pytest.raises(ValueError, match="positive definite"):
        field(torch.ones(3, 2), noise_cov=np.ones((3, 3)), seed=1)
    with pytest.raises(ValueError, match="symmetric"):
        field(torch.ones(3, 2), noise_cov=[[1.0, 0.5, 0], [0, 1, 0], [0, 0, 1]], seed=1)
    with pytest.raises(ValueError, match="below 2⁶⁴"):
        field(torch.ones(3, 2), noise_cov=COVARIANCE, seed=2**64)


def test_wrong_options_are_refused():
    with pytest.raises(tm.UnknownNameError, match="did you mean 'average'"):
        tm.EEGLeadField(torch.ones(3, 2), reference="avg")
    with pytest.raises(TypeError, match="reference"):
        tm.MEGLeadField(torch.ones(3, 2), reference="average")
    with pytest.raises(tm.UnknownNameError, match="no norm 'l3'"):
        tm.LeadfieldReadout(torch.ones(3, 2), normalize="l3")


def test_a_row_of_zeros_has_no_norm():
    lm = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    with pytest.raises(ValueError, match="no row of zeros, got 0 at index 1"):
        tm.LeadfieldReadout(lm)
    readout = tm.LeadfieldReadout(lm + 1)
    with pytest.raises(ValueError, match="no row of zeros"):
        readout.lm = lm
    assert tm.LeadfieldReadout(lm, normalize="none")(torch.ones(3, 2)).isfinite().all()
