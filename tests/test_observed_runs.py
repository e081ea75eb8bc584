"""A run that observers see while it goes on: the same as observing its series, in less memory, with the gradient."""

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass import stretches

W = torch.tensor([[0.0, 2.0, 0.3], [0.5, 0.0, 0.0], [0.0, 1.0, 0.0]], dtype=torch.float64)  # [to, from]
DELAYS = torch.tensor([[0.0, 7.3, 2.0], [13.1, 0.0, 0.0], [0.0, 2.7, 0.0]], dtype=torch.float64)  # ms


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    monkeypatch.setattr(stretches, "ROOM", 1)
    monkeypatch.setattr(stretches, "LEAST", 211)
    monkeypatch.setattr(stretches, "KEPT", 1)


def network(**values):
    node = tm.ReducedWongWangStep(3, noise_S=tm.WhiteNoise(0.01), **values)
    return tm.Network(node, W, delays=DELAYS, coupling="additive", k=0.1)


def simulator(model=None, **options):
    return tm.Simulator(model or network(), dt=1.0, **options)


def observers():
    return {"bold": tm.BOLDSignal(tr=200.0).of("S"), "mean": tm.TemporalAverage(7.0).of("S")}


@pytest.mark.parametrize("backend", ["eager", "fused"])
@pytest.mark.parametrize("every", [1, 2])
def test_what_is_observed_in_a_run_is_what_is_observed_of_its_series(backend, every):
    sim = simulator(backend=backend)
    duration = 500.0 if backend == "eager" else 3000.0
    observers = {"bold": tm.BOLDSignal(tr=100.0).of("S"), "mean": tm.TemporalAverage(14.0).of("S")}
    options = {"seed": 1, "transient": 30.0, "sample_every": every, "batch_size": 2}
    r = sim.run(duration, observe=observers, **options)
    x = sim.run(duration, monitors=["S"], **options)
    for name, observer in observers.items():
        torch.testing.assert_close(r[name], observer(x["S"], dt=1.0 * every), rtol=1e-9, atol=1e-12)
    assert sorted(r) == ["bold", "mean", "ts"]
    torch.testing.assert_close(r.state["S"], x.state["S"], rtol=0, atol=0)


def test_rows_say_when_they_end():
    r = simulator().run(1000.0, observe={"mean": tm.TemporalAverage(7.0)}, transient=100.0, seed=0)
    torch.testing.assert_close(r.times("mean"), 107.0 + 7.0 * torch.arange(len(r["mean"]), dtype=torch.float64))
    assert r.dims("mean") == ("time_mean", "region")


def test_observed_rows_have_units_and_are_kept_in_files(tmp_path):
    lead = tm.EEGLeadField(torch.ones(2, 3, dtype=torch.float64))
    observed = {**observers(), "eeg": tm.Subsample(10.0).then(lead).of("S")}
    r = simulator().run(1000.0, observe=observed, seed=0)
    assert r.units == {"bold": "", "mean": "", "eeg": "µV"}
    assert r.dims("eeg") == ("time_eeg", "sensor")
    r.save(tmp_path / "run.nc")
    loaded = tm.Result.load(tmp_path / "run.nc")
    for name in observed:
        torch.testing.assert_close(loaded[name], r[name], rtol=0, atol=0)
        torch.testing.assert_close(loaded.times(name), r.times(name))
        assert loaded.dims(name) == r.dims(name)


@pytest.mark.parametrize("batch_size", [None, 2])
def test_spectra_have_frequencies_and_units(tmp_path, batch_size):
    observers = {"power": tm.Subsample(2.0).then(tm.Spectrum(100.0)), "over_time": tm.Spectrogram(50.0)}
    sim = simulator(tm.Network(tm.JansenRitStep(3), W, labels=["a", "b", "c"]))
    r = sim.run(300.0, observe=observers, batch_size=batch_size)
    batch = () if batch_size is None else ("batch",)
    assert r.units == {"power": "mV²/Hz", "over_time": "mV²/Hz"}
    assert r.dims("power") == ("frequency_power", *batch, "region")
    assert r.dims("over_time") == ("time_over_time", "frequency_over_time", *batch, "region")
    r.save(tmp_path / "run.nc")
    for found in (r, tm.Result.load(tmp_path / "run.nc")):
        power = found.to_xarray().power
        assert power.frequency_power.units == "Hz"
        np.testing.assert_allclose(power.frequency_power, tm.Spectrum(100.0).frequencies(2.0))
        np.testing.assert_allclose(power.sel(frequency_power=20.0, region="b"), r["power"][2, ..., 1])
        assert found.to_dataframe(["power"]).index.names == ["frequency", *batch, "region"]


@pytest.mark.parametrize("free", ["k", "delays", "weights", "I_o", "sigma"])
def test_gradients_through_observers_are_those_of_the_series(free):
    found = {}
    for way in ("loop", "series"):
        net = network()
        net.coupling.mask = None
        if free == "sigma":
            net.node.noise["S"].free("sigma")
        elif free != "delays":
            net.free(free) if free != "weights" else net.coupling.free(free)
        if free == "delays":
            net = tm.Network(net.node, W, delays=DELAYS, coupling="additive", k=0.1, mask=W > 0).free("delays")
        sim, observer = simulator(net), tm.BOLDSignal(tr=200.0).of("S").free("tau")
        if way == "loop":
            bold = sim.run(2600.0, observe=[observer], seed=1)["bold"]
        else:
            bold = observer(sim.run(2600.0, monitors=["S"], seed=1)["S"], dt=1.0)
        free_ones = [*sim.parameters(), *observer.parameters()]
        found[way] = torch.autograd.grad(bold.square().sum(), free_ones)
    for one, two in zip(found["loop"], found["series"], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("observer", [tm.Correlation(), tm.Spectrum(300.0)], ids=repr)
def test_what_is_known_at_the_end_has_the_gradient_of_the_series(observer):
    net, observer = network().free("k", "I_o"), observer.of("S")
    sim = simulator(net)
    found = sim.run(2000.0, observe={"it": observer}, seed=1)["it"]
    wanted = observer(sim.run(2000.0, monitors=["S"], seed=1)["S"], dt=1.0)
    torch.testing.assert_close(found, wanted)
    gradients = [torch.autograd.grad(x.square().sum(), list(net.parameters())) for x in (found, wanted)]
    torch.testing.assert_close(*gradients)


def test_a_gradient_taken_after_a_functional_call_is_that_of_its_values():
    class Pipeline(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.sim, self.bold = simulator(), tm.BOLDSignal(tr=200.0).of("S").free("tau")

        def forward(self):
            return self.sim.run(1000.0, observe=[self.bold], seed=1)["bold"].square().sum()

    pipeline = Pipeline()
    raw = pipeline.bold.raw.tau.detach() + 0.3
    given = raw.clone().requires_grad_()
    (found,) = torch.autograd.grad(torch.func.functional_call(pipeline, {"bold.raw.tau": given}, ()), given)
    with torch.no_grad():
        pipeline.bold.raw.tau.copy_(raw)
    (wanted,) = torch.autograd.grad(pipeline(), pipeline.bold.raw.tau)
    torch.testing.assert_close(found, wanted)


def test_a_run_that_continues_another_continues_what_was_observed():
    sim = simulator()
    whole = sim.run(2100.0, observe=observers(), seed=3)
    first = sim.run(1011.0, observe=observers(), seed=3)
    second = sim.run(1089.0, observe=observers(), x0=first.state)
    for name in ("bold", "mean"):
        torch.testing.assert_close(torch.cat((first[name], second[name])), whole[name], rtol=1e-9, atol=1e-13)
        torch.testing.assert_close(torch.cat((first.times(name), second.times(name))), whole.times(name))


@pytest.mark.parametrize("file", ["run.nc", "run.zarr"])
def test_a_run_that_continues_one_from_a_file_continues_what_was_observed(tmp_path, file):
    lead = tm.EEGLeadField(torch.ones(2, 3), noise_cov=torch.eye(2), seed=1)
    observers = {
        "bold": tm.TemporalAverage(10.0).then(tm.BOLDSignal(tr=200.0)).of("S"),
        "hrf": tm.HRFBold(tr=100.0, duration=900.0),
        "filtered": tm.BandPass(5.0, 20.0, method="iir"),
        "eeg": tm.Subsample(7.0).then(lead),
        "readout": tm.LeadfieldReadout(torch.ones(2, 3)),
        "spectrum": tm.Spectrum(300.0),
        "covariance": tm.Covariance(),
    }
    sim = simulator()
    half = sim.run(1011.0, observe=observers, seed=3)
    half.save(tmp_path / file)
    expected, found = (
        sim.run(1089.0, observe=observers, x0=state) for state in (half.state, tm.Result.load(tmp_path / file).state)
    )
    for name in observers:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0)
    assert torch.equal(found.times("bold"), expected.times("bold"))


def test_observers_see_outputs_and_functions_of_the_states():
    sim = simulator(tm.HopfStep(2, noise_x=tm.WhiteNoise(0.1)))
    observed = {"own": tm.Subsample(3.0), "radius": tm.Subsample(3.0).of(lambda s: s.x**2 + s.y**2)}
    r, s = sim.run(900.0, observe=observed, seed=0), sim.run(900.0, seed=0)
    torch.testing.assert_close(r["own"], s["x"][2::3], rtol=0, atol=0)
    torch.testing.assert_close(r["radius"], (s["x"] ** 2 + s["y"] ** 2)[2::3], rtol=0, atol=0)


def test_where_divergence_is_allowed_what_is_observed_of_one_simulation_is_nan_and_of_no_other():
    start = torch.tensor([[0.5], [1e200], [0.4]])
    sim = simulator(tm.HopfStep(1, a=0.1, w=0.3, init_x=start))
    run = lambda **options: sim.run(600.0, observe={"bold": tm.BOLDSignal(tr=100.0)}, **options)["bold"]
    with pytest.raises(tm.NonFiniteError):
        run()
    bold = run(allow_nonfinite=True)
    assert bold.isnan().all(0)[:, 0].tolist() == [False, True, False]


def test_monitors_are_kept_beside_observers_where_asked_for():
    r = simulator().run(600.0, observe=observers(), monitors=["S"], seed=0)
    assert r["S"].shape == (600, 3)


@pytest.mark.parametrize("horizon", [None, 700])
@pytest.mark.parametrize("checkpoint", ["sqrt", 450])
def test_a_network_computed_again_on_the_way_back_has_the_same_gradient(checkpoint, horizon):
    found = {}
    for way in ("none", checkpoint):
        net = network().free("k", "I_o")
        x = simulator(net, backend="fused").run(2500.0, seed=1, checkpoint=way, grad_horizon=horizon, monitors=["S"])[
            "S"
        ]
        found[way] = [x.detach(), *torch.autograd.grad(x.square().sum(), list(net.parameters()))]
    for one, two in zip(found["none"], found[checkpoint], strict=True):
        torch.testing.assert_close(one, two, rtol=1e-10, atol=1e-12)


def test_mistakes_say_what_to_do():
    sim = simulator()
    with pytest.raises(TypeError, match="takes observers"):
        sim.run(10.0, observe=["bold"])
    with pytest.raises(ValueError, match="two observers are called 'subsample'"):
        sim.run(10.0, observe=[tm.Subsample(1.0), tm.Subsample(2.0)])
    with pytest.raises(ValueError, match="no state to observe 'Q'"):
        sim.run(10.0, observe=[tm.Subsample(1.0).of("Q")])
    with pytest.raises(ValueError, match="is taken"):
        sim.run(10.0, observe={"S": tm.Subsample(1.0)}, monitors=["S"])
    with pytest.raises(ValueError, match="fixed steps"):
        tm.Simulator(tm.HopfStep(1), dt=0.1, method="dopri5").run(10.0, observe=[tm.Subsample(1.0)])
    state = sim.run(10.0, observe={"mean": tm.TemporalAverage(2.0)}, seed=0).state
    for other in (tm.Subsample(2.0), tm.TemporalAverage(2.0).then(tm.BOLDSignal())):
        with pytest.raises(ValueError, match="begin anew"):
            sim.run(10.0, observe={"mean": other}, x0=state)
    with pytest.raises(ValueError, match="no series 'none'"):
        sim.run(10.0, observe={"mean": tm.Subsample(2.0)}, seed=0).times("none")
