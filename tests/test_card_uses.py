"""What is done with runs is on a card that the CPU plays what it is on the CPU: observers, losses, fits, layers."""

import pytest
import torch
from card import CARD, OnCard, assert_same_on_card, card
from torch.func import functional_call, grad

import torchmass as tm
from torchmass import objectives as o

T, N = 100, 4


def signal(to, *batch):
    """Correlated rhythms that the gradient is taken for."""
    t = torch.arange(T).reshape(T, *[1] * len(batch), 1)
    x = torch.sin(0.3 * t + torch.arange(N)) + 0.3 * torch.randn(T, *batch, N) + 0.3 * torch.randn(T, *batch, 1)
    return to(x).requires_grad_()


def with_gradient(found, *leaves):
    """What a function gave, and the gradient of a loss of it."""
    shown = list(found) if isinstance(found, tuple | list) else [found]
    loss = sum(x.abs().square().sum() for x in shown)
    return [*(x.detach() for x in shown), *torch.autograd.grad(loss, leaves)]


# ------------------------------------------------------------------------------------------------------------ observers
LEAD = torch.linspace(-1, 1, 2 * N, dtype=torch.float64).reshape(2, N)
OBSERVERS = {
    "bold": lambda: tm.BOLDSignal(tr=100.0),
    "bold of Stephan": lambda: tm.BOLDSignal(tr=100.0, readout="stephan2007"),
    "average": lambda: tm.TemporalAverage(5.0),
    "subsample": lambda: tm.Subsample(5.0),
    "spectrum": lambda: tm.Spectrum(100.0),
    "spectrogram": lambda: tm.Spectrogram(100.0),
    "covariance": tm.Covariance,
    "correlation": tm.Correlation,
    "eeg": lambda: tm.EEGLeadField(LEAD, noise_cov=torch.eye(2), seed=1, reference="average"),
    "meg": lambda: tm.MEGLeadField(LEAD),
    "readout": lambda: tm.LeadfieldReadout(LEAD),
    "band": lambda: tm.BandPass(5.0, 40.0, method="iir"),
    "chain": lambda: tm.TemporalAverage(5.0).then(tm.EEGLeadField(LEAD)),
    **{f"hrf {kernel}": lambda kernel=kernel: tm.HRFBold(kernel, duration=100.0) for kernel in ("volterra", "gamma")},
    **{f"hrf {kernel}": lambda kernel=kernel: tm.HRFBold(kernel, duration=100.0) for kernel in ("spm", "glover")},
    "hrf double": lambda: tm.HRFBold("double_exponential", duration=100.0),
}
WHOLE = {
    "band of whole": lambda: tm.BandPass(20.0, 100.0),
    "envelope": tm.Hilbert,
    "phase": lambda: tm.Hilbert("phase"),
}


@pytest.mark.parametrize("name", [name for name in OBSERVERS | WHOLE if "bold" not in name])  # whose steps are many
def test_an_observer_sees_a_signal(name):
    def work(to):
        x, observer = signal(to, 2), to((OBSERVERS | WHOLE)[name]())
        return with_gradient(observer(x, dt=1.0), x)

    assert_same_on_card(work)


@pytest.mark.parametrize("name", OBSERVERS)
def test_an_observer_sees_a_run_go_by(name):
    def work(to):
        sim = tm.Simulator(to(tm.LinearStep(N, gamma=-0.05)), 5.0, backend="eager")
        r = sim.run(200.0, observe={"seen": to(OBSERVERS[name]())}, batch_size=2)
        times = [] if r.dims("seen")[0] != "time_seen" else [r.times("seen")]
        return [r["seen"], *r.state.values(), *times]

    assert_same_on_card(work)


# ----------------------------------------------------------------------------------------------------------- objectives
FORMS = {
    "TimeSeries": {},
    "FC": {},
    "LaggedCovariance": {"lag": 2},
    "LaggedCorrelation": {"lag": 2},
    "FCD": {"window": 60},
    "EvokedResponse": {"onsets": (20.0, 50.0), "dt": 1.0, "before": 10.0, "after": 40.0},
    "PSD": {"dt": 1.0},
    "BandPower": {"dt": 1.0, "low": 20.0, "high": 80.0},
    "PeakFrequency": {"dt": 1.0, "low": 20.0, "high": 80.0},
    "SpectralCentroid": {"dt": 1.0, "low": 20.0, "high": 80.0},
    "PhaseLocking": {},
    "EnvelopeCorrelation": {},
    "Synchrony": {},
    "Metastability": {},
}


@pytest.mark.parametrize("name", FORMS)
def test_an_objective_compares(name):
    def work(to):
        x, y = signal(to, 2), signal(to).detach()
        objective = 0.5 * getattr(o, name)(**FORMS[name])
        return with_gradient(objective(x, y), x)

    assert_same_on_card(work)


def test_every_objective_is_compared():
    public = {name for name, cls in vars(o).items() if isinstance(cls, type) and issubclass(cls, o.Objective)}
    assert public - set(FORMS) == {"Objective", "Custom"}


# ----------------------------------------------------------------------------------------------------------------- fits


def predicted(sim):
    """What a fit of `a` compares, (T, *b, N)."""
    return sim.run(2.0, monitors=["x"], sample_every=2)["x"]


def mean_square(p, q):
    return (p.movedim(0, -2) - q).square().mean((-2, -1))


def fitter(to, backend, **options):
    sim = to(
        tm.Simulator(tm.HopfStep(2, noise_x=tm.WhiteNoise(0.01), init_x=0.3).free(a=(-1.0, 1.0)), 0.1, backend="eager")
    )
    return tm.Fitter(sim, mean_square, to(torch.rand(10, 2)), predict=predicted, backend=backend, **options)


FITS = {name: lambda name=name: name for name in tm.fit.BACKENDS} | {
    "restarts": lambda: tm.fit.Gradient(restarts=3),
    "population": lambda: tm.fit.CMA(population=4),
}


@pytest.mark.parametrize("name", FITS)
def test_a_fit_steps(name):
    def work(to):
        fit = fitter(
            to, FITS[name](), priors={"a": torch.distributions.Normal(to(torch.zeros(())), to(torch.ones(())))}
        )
        found = fit.fit(3, seed=2)
        return [found.best_params["a"], found.best_loss, found.prediction, found.raw]

    assert_same_on_card(work, rtol=1e-6)


def test_a_fit_goes_along_windows():
    def work(to):
        sim = fitter(to, "adam").problem.sim
        step = lambda sim, x0: ((r := sim.run(0.5, x0=x0, monitors=["x"]))["x"], r.state)
        return [tm.Fitter(sim, mean_square, to(torch.rand(10, 2)), predict=step, window=5).fit(2).best_params["a"]]

    assert_same_on_card(work)


def test_errors_of_a_fit_are_found():
    def work(to):
        fit = tm.Fitter(
            fitter(to, "lbfgs").problem.sim, mean_square, to(torch.rand(10, 2)), predict=predicted, backend="lbfgs"
        )
        found = tm.fit.identifiability(fit.fit(8))
        return [found.estimates, found.standard_errors, found.directions.abs()]

    assert_same_on_card(work, rtol=1e-4)


def test_simulations_for_inference_run_where_the_model_is():
    def work(to):
        sim = fitter(to, "adam").problem.sim
        simulate = tm.simulator_for_sbi(sim, ["a"], lambda sim: predicted(sim)[-1])
        theta = simulate.prior.sample((3,))
        return [theta, simulate(to(0.1 * torch.arange(3.0)[:, None]), seed=1)]

    assert_same_on_card(work)


# ------------------------------------------------------------------------------------------------ about a point of rest


@pytest.mark.parametrize("late", [False, True], ids=["at once", "late"])
def test_a_network_is_linearised(late):
    def work(to):
        node = tm.HopfStep(
            N, a=-0.2, w=torch.linspace(0.1, 0.3, N), noise_x=tm.WhiteNoise(0.01), noise_y=tm.OUProcess(0.1, 2.0)
        )
        delays = {"delays": torch.linspace(0.1, 3.0, N * N).reshape(N, N)} if late else {}
        net = to(tm.Network(node, torch.rand(N, N), k=0.02, **delays).free("k", "a"))
        found = tm.linear.linearise(net)
        x = to(torch.rand(40, N))
        seen = [found.covariance(), found.correlation(), found.lagged_covariance(2.0), found.spectrum([5.0, 10.0])]
        seen += [found.cross_spectrum([5.0]).abs(), found.whittle_log_likelihood(x, 5.0)]
        if not late:
            seen += [found.log_likelihood({name: to(torch.rand(40, N)) for name in found.rest}, 1.0)]
        return with_gradient(seen, net.coupling.raw.k, net.node.raw.a)

    assert_same_on_card(work, rtol=1e-7)


def test_inhibition_is_set():
    assert_same_on_card(lambda to: [tm.linear.feedback_inhibition(to(tm.Network(tm.WongWangExcInhStep(3), 0.1)))])


# --------------------------------------------------------------------------------------------------------------- layers
LAYERS = {
    "of masses": lambda: tm.nn.RecurrentMass(tm.HopfStep, 3, 5, 2, dt=0.5, steps_per_sample=2, backend="eager").free(
        "a"
    ),
    "that are late": lambda: tm.nn.RecurrentMass(tm.HopfStep, 3, 5, 2, dt=0.5, delays=0.3 + torch.rand(5, 5)),
    "of oscillators": lambda: tm.HORNSeqLayer(3, 5).free("omega"),
    "of late oscillators": lambda: tm.HORNSeqLayer(3, 5, delay=2.0),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_learns(name):
    def work(to):
        layer, x = to(LAYERS[name]()), to(torch.rand(4, 2, 3))
        layer.simulator.backend = "eager"
        y, state = layer(x)
        z, _ = layer(x, state)
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([4, 2]))
        w, _ = layer(packed)
        leaves = list(layer.parameters())
        return [*state.values(), *with_gradient([y, z, w.data], *leaves)]

    assert_same_on_card(work)


def test_layers_above_each_other_learn():
    def work(to):
        net = to(tm.HORNSeqNetwork(3, [4, 5], 2, delay=[None, 2.0]))
        for layer in net.layers:
            layer.simulator.backend = "eager"
        return with_gradient(net(to(torch.rand(4, 2, 3)))[0], *net.parameters())

    assert_same_on_card(work)


# -------------------------------------------------------------------------------------------------------------- results


def test_a_result_is_shown_and_kept(tmp_path):
    with card():
        net = tm.Network(tm.LinearStep(N), torch.rand(N, N), noise=tm.WhiteNoise(0.1), labels=list("abcd")).to(CARD)
        sim = tm.Simulator(net, 0.1, backend="eager")
        r = sim.run(2.0, seed=1, monitors=["x", "output"], observe={"mean": tm.TemporalAverage(0.4)})
        r.save(tmp_path / "run.nc")
        r.plot("x")
        assert len(r.to_dataframe(["x"])) == 20 * N
        assert r.to_mne().get_data().shape == (N, 20)
        loaded = tm.Result.load(tmp_path / "run.nc")
        torch.testing.assert_close(loaded["x"], r["x"].cpu(), rtol=0, atol=0)
        further = lambda x0: sim.run(0.9, x0=x0, observe={"mean": tm.TemporalAverage(0.4)})["mean"]
        assert torch.equal(further(loaded.state.to(CARD)), further(r.state))


def test_a_fitted_model_moves_there_and_back():
    sim = tm.Simulator(tm.HopfStep(5).free("a"), 0.1, backend="eager")
    optimiser = torch.optim.Adam(sim.parameters(), lr=0.1)
    run = lambda: sim.run(1.0)["x"]
    run().square().mean().backward()
    optimiser.step()
    here = run().detach()
    with card():
        there = sim.to(CARD)
        assert isinstance(there.model.raw.a, OnCard)
        optimiser = torch.optim.Adam(sim.parameters(), lr=0.1)
        there = run()
        there.square().mean().backward()
        optimiser.step()
        saved = {name: value.cpu() for name, value in sim.state_dict().items()}
        sim.to("cpu")
        torch.testing.assert_close(there.detach().cpu(), here, rtol=0, atol=0)
    other = tm.Simulator(tm.HopfStep(5), 0.1, backend="eager")
    other.load_state_dict(saved)
    assert torch.equal(other.run(1.0)["x"], run())


def test_functions_of_parameters_are_differentiated():
    def work(to):
        sim = to(tm.Simulator(tm.HopfStep(3).free("a"), 0.1, backend="eager"))
        loss = lambda a: functional_call(sim, {"model.raw.a": a}, (0.3,))["x"].square().sum()
        return [grad(loss)(to(torch.tensor(0.1)))]

    assert_same_on_card(work)
