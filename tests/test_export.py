"""A result says what its series are, goes to other packages with it, and comes back from a file as it was."""

import sys

import numpy as np
import pytest
import torch

import torchmass as tm

xarray = pytest.importorskip("xarray")
FILES = ["run.nc", "run.zarr"]
LABELS = ["left", "middle", "ünder"]


def run(**options) -> tm.Result:
    """Three Jansen–Rit columns with names."""
    net = tm.Network(tm.JansenRitStep(3, mu=200.0), conn=torch.ones(3, 3), labels=LABELS)
    return tm.Simulator(net, dt=0.5).run(10.0, **options)


def groups(**options) -> tm.Result:
    """Nodes of two models, of which the first and the last are one group."""
    parts = {"cortex": (tm.JansenRitStep(2), [0, 2]), "clock": (tm.HopfStep(1), [1])}
    return tm.Simulator(tm.Network(parts, conn=torch.ones(3, 3)), dt=0.5).run(5.0, **options)


def remembering() -> tm.Simulator:
    """A network with delays, white noise and a process with a memory."""
    node = tm.HopfStep(3, noise_x=tm.WhiteNoise(0.1), noise_y_inp=tm.OUProcess(0.1, 5.0))
    return tm.Simulator(tm.Network(node, conn=torch.rand(3, 3), delays=7 * torch.rand(3, 3)), dt=0.5)


def everything(r: tm.Result) -> dict[str, torch.Tensor]:
    return dict(r) | {f"end of {name}": value for name, value in r.state.items()}


@pytest.mark.parametrize("cls", [info.cls for info in tm.list_models() if issubclass(info.cls, tm.NeuralMass)])
def test_every_model_says_the_unit_of_its_output(cls):
    assert cls.output_unit is not None
    if cls.output is tm.NeuralMass.output:
        assert cls.output_unit == next(iter(cls.state_declarations.values())).unit


def test_a_variant_with_an_output_of_its_own_does_not_inherit_the_unit():
    class Other(tm.JansenRitStep):
        @staticmethod
        def output(s, p):
            return s.E * s.I

    class Same(tm.JansenRitStep):
        pass

    assert (Other.output_unit, Same.output_unit) == (None, "mV")


def test_series_have_the_units_of_the_states_they_show():
    r = run(monitors={"v": "E", "velocity": "Ev", "eeg": "output", "mean": lambda s: s.E.mean(-1)})
    assert r.units == {"v": "mV", "velocity": "mV/s", "eeg": "mV", "mean": None}


def test_the_output_of_groups_has_a_unit_only_where_they_share_one():
    assert groups(monitors=["cortex_E", "clock_x", "output"]).units == {"cortex_E": "mV", "clock_x": "", "output": None}
    alike = tm.Network([(tm.JansenRitStep(1), [0]), (tm.JansenRitStep(1), [1])], conn=torch.ones(2, 2))
    assert alike.output_unit == "mV"


@pytest.mark.parametrize(
    ("start", "batches"), [((), ()), ((4, 1), ("batch",)), ((2, 4, 1), ("batch_0", "batch_1"))], ids=str
)
def test_axes_are_time_batch_and_region(start, batches):
    r = run(x0={"E": torch.rand(start)}, monitors={"E": "E", "mean": lambda s: s.E.mean(-1)})
    assert r.dims("E") == ("time", *batches, "region")
    assert r.dims("mean") == ("time", *batches)


def test_what_a_callable_computes_has_axes_of_its_own_unless_it_is_one_number_a_region():
    r = run(
        batch_size=2,
        monitors={"square": lambda s: s.E**2, "pair": lambda s: torch.stack([s.E.amin(-1), s.E.amax(-1)], -1)},
    )
    assert r.dims("square") == ("time", "batch", "region")
    assert r.dims("pair") == ("time", "batch", "pair_0")
    assert run(monitors={"total": lambda s: s.E.sum()}).dims("total") == ("time",)


def test_a_dataset_holds_series_units_names_and_times():
    r = run(batch_size=2)
    found = r.to_xarray()
    assert list(found) == [name for name in r if name != "ts"]
    assert found.E.dims == ("time", "batch", "region")
    assert found.E.units == "mV"
    assert found.region.values.tolist() == LABELS
    assert found.time.units == "ms"
    np.testing.assert_array_equal(found.time, r.ts)
    np.testing.assert_array_equal(found.E.sel(region="ünder"), r["E"][..., 2])


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize("file", FILES)
def test_both_axes_of_a_covariance_have_the_names_of_the_regions(tmp_path, file, batch_size):
    r = run(observe=[tm.Covariance().of("E"), tm.Correlation().of("I")], batch_size=batch_size)
    r.save(tmp_path / file)
    batch = () if batch_size is None else ("batch",)
    for one in (r, tm.Result.load(tmp_path / file)):
        assert one.dims("covariance") == one.dims("correlation") == (*batch, "other_region", "region")
        assert one.units["correlation"] == ""
        found = one.to_xarray().covariance.sel(other_region="left", region="ünder")
        np.testing.assert_array_equal(found, r["covariance"][..., 0, 2])
    table = r.to_dataframe(["covariance", "correlation"])
    assert table.index.names == [*batch, "other_region", "region"]


def test_a_covariance_of_a_group_has_the_regions_of_the_group():
    r = groups(observe={"clock": tm.Covariance().of("cortex_E")})
    assert r.dims("clock") == ("other_region_cortex", "region_cortex")
    assert r.to_xarray().other_region_cortex.values.tolist() == [0, 2]
    assert r.to_dataframe(["clock"]).index.names == ["other_region", "region"]


def test_a_dataset_says_how_it_was_made():
    r = remembering().run(5.0, seed=2**64 - 1)
    assert r.to_xarray().attrs == {"seed": 2**64 - 1, "dt": 0.5, "method": "heun", "backend": r.backend}
    assert "seed" not in run().to_xarray().attrs


def test_regions_without_names_are_called_by_their_index():
    found = groups(monitors=["cortex_E", "output"]).to_xarray()
    assert found.cortex_E.dims == ("time", "region_cortex")
    assert found.region_cortex.values.tolist() == [0, 2]
    assert found.region.values.tolist() == [0, 1, 2]


def test_a_table_has_a_row_for_each_time_simulation_and_region():
    r = run(batch_size=2)
    found = r.to_dataframe(["E", "I"])
    assert found.index.names == ["time", "batch", "region"]
    assert list(found) == ["E", "I"]
    np.testing.assert_array_equal(found["I"], r["I"].flatten())
    assert found.loc[(10.0, 1, "middle"), "E"] == r["E"][-1, 1, 1].item()


def test_a_table_of_groups_has_numbers_where_a_region_has_the_state():
    r = groups(monitors=["cortex_E", "clock_x"])
    found = r.to_dataframe()
    assert found.loc[0.5].index.tolist() == [0, 2, 1]
    assert found["cortex_E"].loc[:, 1].isna().all()
    np.testing.assert_array_equal(found["cortex_E"].loc[:, 2], r["cortex_E"][:, 1])
    np.testing.assert_array_equal(found["clock_x"].loc[:, 1], r["clock_x"][:, 0])


def test_a_table_of_what_observers_say_has_their_times():
    observers = {"bold": tm.BOLDSignal(tr=100.0), "mean": tm.TemporalAverage(100.0), "fast": tm.TemporalAverage(50.0)}
    r = tm.Simulator(tm.HopfStep(2), dt=0.5).run(400.0, observe=observers, monitors=["x"], batch_size=3)
    found = r.to_dataframe(["bold", "mean"])
    assert found.index.names == ["time", "batch", "region"]
    assert found.loc[(300.0, 2, 1), "bold"] == r["bold"][2, 2, 1].item()
    assert found.loc[(400.0, 0, 0), "mean"] == r["mean"][3, 0, 0].item()
    for series in (None, ["bold", "fast"], ["x", "bold"]):
        with pytest.raises(ValueError, match="at different times, and a table has one index"):
            r.to_dataframe(series)


def test_a_table_of_series_with_different_axes_is_refused():
    r = run(monitors={"E": "E", "mean": lambda s: s.E.mean(-1)})
    with pytest.raises(ValueError, match="one index"):
        r.to_dataframe()
    assert r.to_dataframe(["mean"]).shape == (20, 1)
    with pytest.raises(ValueError, match="at least one"):
        r.to_dataframe([])


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("batch_size", [None, 2])
def test_a_file_brings_back_everything(tmp_path, file, batch_size):
    r = remembering().run(
        10.0, batch_size=batch_size, monitors={"x": "x", "mean": lambda s: s.y.mean(-1)}, seed=2**64 - 1
    )
    r.save(tmp_path / file)
    found = tm.Result.load(tmp_path / file)
    for name, value in everything(r).items():
        assert torch.equal(value, everything(found)[name]), name
    assert list(everything(found)) == list(everything(r))
    assert found.state.origin == r.state.origin
    for one in ("seed", "method", "backend", "labels", "units"):
        assert getattr(found, one) == getattr(r, one)
    assert [found.dims(name) for name in ("x", "mean")] == [r.dims(name) for name in ("x", "mean")]


@pytest.mark.parametrize("file", FILES)
def test_a_run_goes_on_from_a_file_to_the_bit(tmp_path, file):
    sim = remembering()
    whole, half = sim.run(20.0, seed=3), sim.run(10.0, seed=3)
    half.save(tmp_path / file)
    rest = sim.run(10.0, x0=tm.Result.load(tmp_path / file).state)
    for name, value in everything(rest).items():
        expected = everything(whole)[name]
        assert torch.equal(value, expected if name.startswith("end of") else expected[20:]), name


@pytest.mark.parametrize("file", FILES)
def test_a_file_keeps_names_groups_and_precision(tmp_path, file):
    for r in (run(), groups(), tm.Simulator(tm.HopfStep(2).float(), dt=0.5).run(5.0)):
        r.save(tmp_path / file)  # replaces the one before
        found = tm.Result.load(tmp_path / file)
        assert found.labels == r.labels
        assert found.to_xarray().identical(r.to_xarray())
        assert [*found, *found.state] == [*r, *r.state]
        assert all(found[name].dtype == r[name].dtype for name in r)


def test_a_result_that_has_a_gradient_is_saved_without_it(tmp_path):
    r = tm.Simulator(tm.HopfStep(2).free("a"), dt=0.5).run(5.0)
    r.save(tmp_path / "run.nc")
    assert r["x"].requires_grad
    assert not tm.Result.load(tmp_path / "run.nc")["x"].requires_grad


def test_files_of_other_kinds_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"ends in \.nc or \.zarr"):
        run().save(tmp_path / "run.csv")
    (tmp_path / "run.h5").touch()
    with pytest.raises(ValueError, match=r"ends in \.nc or \.zarr"):
        tm.Result.load(tmp_path / "run.h5")
    with pytest.raises(FileNotFoundError, match=r"there is no .*run\.nc"):
        tm.Result.load(tmp_path / "run.nc")
    xarray.Dataset({"x": 1.0}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match="holds no result"):
        tm.Result.load(tmp_path / "other.nc")


def test_an_unknown_series_is_refused_with_a_suggestion():
    r = run(monitors=["E"])
    for export in (lambda: r.dims("e"), lambda: r.to_dataframe(["e"]), lambda: r.to_mne("e")):
        with pytest.raises(tm.UnknownNameError, match="did you mean 'E'"):
            export()


def test_a_run_is_one_recording_of_mne_in_volts():
    pytest.importorskip("mne")
    r = run(monitors=["output"])
    raw = r.to_mne()
    assert raw.ch_names == LABELS
    assert raw.get_channel_types() == ["eeg"] * 3
    assert raw.info["sfreq"] == 2000.0
    np.testing.assert_allclose(raw.get_data(), 1e-3 * r["output"].T)


def test_a_batch_is_an_epoch_for_each_simulation():
    pytest.importorskip("mne")
    r = run(monitors=["output"], x0={"E": torch.rand(4, 1)})
    epochs = r.to_mne()
    assert len(epochs) == 4
    np.testing.assert_allclose(epochs.get_data(verbose="error"), 1e-3 * r["output"].permute(1, 2, 0))


@pytest.mark.parametrize(
    ("unit", "kind", "scale"), [("µV", "eeg", 1e-6), ("fT", "mag", 1e-15), ("T", "mag", 1.0), ("Hz", "misc", 1.0)]
)
def test_a_unit_decides_the_channel_and_its_scale(unit, kind, scale):
    pytest.importorskip("mne")
    r = run(monitors=["E"])
    raw = r.to_mne("E", unit=unit)
    assert raw.get_channel_types() == [kind] * 3
    np.testing.assert_allclose(raw.get_data(), scale * r["E"].T)


def test_what_mne_cannot_hold_is_refused():
    pytest.importorskip("mne")
    r = run(monitors={"E": "E", "mean": lambda s: s.E.mean(-1), "square": lambda s: s.E**2})
    with pytest.raises(ValueError, match="unit='mV'"):
        r.to_mne("square")
    with pytest.raises(ValueError, match="not 'furlong'"):
        r.to_mne("E", unit="furlong")
    with pytest.raises(ValueError, match="shape"):
        r.to_mne("mean", unit="mV")
    with pytest.raises(ValueError, match="at least 2 rows"):
        run(monitors=["E"], transient=9.5).to_mne("E")


@pytest.mark.parametrize(
    ("package", "extra", "export"),
    [
        ("xarray", "export", lambda r: r.to_xarray()),
        ("xarray", "export", lambda r: r.save("run.nc")),
        ("h5netcdf", "export", lambda r: r.save("run.nc")),
        ("zarr", "export", lambda r: r.save("run.zarr")),
        ("mne", "mne", lambda r: r.to_mne("E")),
    ],
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch, package, extra, export):
    r = run()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"needs {package}: pip install 'torchmass\[{extra}\]'"):
        export(r)
