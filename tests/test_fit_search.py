"""Searches without gradients evaluate whole populations in one run; scipy takes the gradients of the run."""

import re
import sys

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass.fit import CMA, Nevergrad, Optuna, Scipy

POPULATIONS = {
    "cma": lambda **options: CMA(8, **options),
    "nevergrad": lambda **options: Nevergrad("TwoPointsDE", 8, **options),
    "optuna": lambda **options: Optuna(8, **options),
}
EVERY = {**POPULATIONS, "scipy": Scipy, "adam": tm.fit.Gradient, "Nelder-Mead": lambda: Scipy("Nelder-Mead")}


def mean_square(p, q):
    """Of every member of a batch: (T, *b, N) against (T, N)."""
    return (p.movedim(0, -2) - q).square().mean((-2, -1))


def network(a=0.05, k=0.3, sigma=0.02) -> tm.Simulator:
    noise = tm.WhiteNoise(sigma)
    node = tm.HopfStep(3, a=a, w=torch.tensor([0.2, 0.3, 0.4]), init_x=0.3, noise_x=noise)
    return tm.Simulator(tm.Network(node, [[0.0, 1.0, 0.5], [1.0, 0.0, 0.0], [0.2, 0.3, 0.0]], k=k), dt=0.1)


def x_of(sim):
    return sim.run(30.0, monitors=["x"], sample_every=5)["x"]


def network_fitter(backend) -> tm.Fitter:
    """A fit of `a` and `k`, which were 0.2 and 0.1."""
    sim = network()
    sim.model.free(a=(-1.0, 1.0), k=(0.0, 1.0))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        target = x_of(network(0.2, 0.1))
    return tm.Fitter(sim, mean_square, target, predict=x_of, backend=backend)


def square_fitter(backend, predict=None) -> tm.Fitter:
    """Minimises the mean of (w − (0.2, 0.6))², without a simulation."""
    sim = tm.Simulator(tm.HopfStep(2, w=torch.tensor([0.5, 0.5])).free(w=(0.0, 1.0)), dt=0.1)
    objective = lambda w: (w - torch.tensor([0.2, 0.6])).square().mean(-1)
    return tm.Fitter(sim, objective, predict=predict or (lambda sim: sim.model.w), backend=backend)


@pytest.mark.parametrize(
    ("backend", "n_steps", "error"), [("cma", 40, 1e-3), ("nevergrad", 60, 0.03), ("scipy", 20, 1e-3)]
)
def test_parameters_of_a_noisy_network_are_recovered(backend, n_steps, error):
    fit = network_fitter(EVERY[backend]()).fit(n_steps)
    torch.testing.assert_close(fit.best_params["a"], torch.tensor(0.2), atol=error, rtol=0)
    torch.testing.assert_close(fit.best_params["k"], torch.tensor(0.1), atol=error, rtol=0)


@pytest.mark.parametrize("backend", EVERY)
def test_bounds_are_respected_and_the_loss_falls(backend):
    seen = []
    fit = square_fitter(EVERY[backend]()).fit(30, callbacks=[lambda step: seen.append(step.params["w"])])
    assert all(bool(((w > 0) & (w < 1)).all()) for w in seen)
    assert fit.best_loss < 0.1 * fit.history[0]


@pytest.mark.parametrize("backend", POPULATIONS)
def test_a_population_is_its_candidates_one_at_a_time(backend):
    fitter = network_fitter(POPULATIONS[backend]())
    space = fitter.problem.space
    flat = fitter.backend.strategy(space, 0, 5).ask()
    losses = lambda some, *count: fitter.problem.at(
        space.split(some), lambda: fitter.problem.evaluate(0, *count).losses
    )
    together, alone = losses(flat, len(flat)), torch.stack([losses(one) for one in flat])
    torch.testing.assert_close(together, alone, rtol=1e-10, atol=0)


@pytest.mark.parametrize("backend", POPULATIONS)
def test_a_population_runs_once_a_step(backend):
    runs = []
    predict = lambda sim: runs.append(sim) or sim.model.w
    square_fitter(POPULATIONS[backend](), predict).fit(5)
    assert len(runs) == 5 + 1  # and the best one alone, for the prediction


@pytest.mark.parametrize("backend", [*EVERY])
def test_the_best_parameters_have_the_best_loss_exactly(backend):
    fitter = square_fitter(EVERY[backend]())
    fit = fitter.fit(6)
    assert fit.best_loss == fitter.loss().item()
    assert fit.best_loss == pytest.approx(fit.history.min().item(), rel=1e-12)
    assert torch.equal(fit.best_params["w"], fit.model.w)


@pytest.mark.parametrize("backend", [*POPULATIONS, "scipy", "Nelder-Mead"])
def test_a_search_that_was_killed_ends_as_if_it_had_not_been(backend, tmp_path):
    class KilledError(Exception):
        pass

    def kill(step):
        if step.step == 4:
            raise KilledError

    whole = square_fitter(EVERY[backend]()).fit(8)
    options = {"checkpoint": tmp_path / "fit.pt", "every": 2}
    with pytest.raises(KilledError):
        square_fitter(EVERY[backend]()).fit(8, callbacks=[kill], **options)
    runs, steps = [], []
    resumed = square_fitter(EVERY[backend](), lambda sim: runs.append(sim) or sim.model.w)
    resumed = resumed.fit(8, callbacks=[steps.append], **options)
    assert steps[0].step == 4
    assert torch.equal(whole.history, resumed.history)
    assert torch.equal(whole.term_history["objective"], resumed.term_history["objective"])
    assert torch.equal(whole.best_params["w"], resumed.best_params["w"])


@pytest.mark.parametrize("backend", [CMA(8), Scipy()])
def test_a_search_that_asks_for_other_candidates_than_it_did_cannot_go_on(backend, tmp_path):
    path = tmp_path / "fit.pt"
    square_fitter(backend).fit(4, checkpoint=path)
    kept = torch.load(path, weights_only=True)
    kept["progress"]["asked"][1] = "another"
    torch.save(kept, path)
    with pytest.raises(ValueError, match="asks for other candidates than it did"):
        square_fitter(backend).fit(8, checkpoint=path)


@pytest.mark.parametrize("backend", POPULATIONS)
def test_searches_leave_the_generators_of_the_user_alone(backend):
    before, ours = np.random.get_state(), torch.get_rng_state()
    square_fitter(POPULATIONS[backend]()).fit(3)
    assert np.array_equal(before[1], np.random.get_state()[1])
    assert before[2] == np.random.get_state()[2]
    assert torch.equal(ours, torch.get_rng_state())


@pytest.mark.parametrize("backend", POPULATIONS)
def test_the_seed_of_a_fit_decides_what_is_searched(backend):
    first, same, other = (square_fitter(POPULATIONS[backend]()).fit(2, seed=seed).history for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_candidates_that_are_not_finite_raise_or_pay_a_penalty():
    half = lambda sim: torch.where(sim.model.w > 0.6, torch.nan, sim.model.w)
    with pytest.raises(tm.NonFiniteError, match=r"step 0 of the fit: the loss of candidate \d is nan at w="):
        square_fitter(CMA(8), half).fit(1)
    fit = square_fitter(CMA(8, penalty=10.0), half).fit(10)
    assert fit.best_loss < 10
    assert bool((fit.best_params["w"] <= 0.6).all())
    with pytest.raises(tm.NonFiniteError, match="no candidate had a finite loss"):
        square_fitter(CMA(8, penalty=10.0), lambda sim: sim.model.w * torch.nan).fit(3)


@pytest.mark.parametrize(
    ("objective", "free", "error"),
    [
        (tm.objectives.TimeSeries(), {"a": (-40.0, 1.0)}, (tm.NonFiniteError, "is not finite")),
        (tm.objectives.PeakFrequency(dt=0.5, low=30.0, high=90.0), {"w": (0.0, 1.0)}, (ValueError, "no peak in")),
    ],
    ids=["diverges", "has no peak"],
)
def test_candidates_that_fail_pay_the_penalty_and_the_log_counts_them(objective, free, error, caplog):
    sim = tm.Simulator(tm.HopfStep(1, a=0.1, w=0.3).free(**free), dt=0.5)
    run = lambda sim: sim.run(300.0, monitors=["x"])["x"]
    fitter = lambda penalty: tm.Fitter(sim, objective, target, predict=run, backend=CMA(12, sigma=2.0, penalty=penalty))
    target = run(sim).detach()
    with pytest.raises(error[0], match=error[1]):
        fitter(None).fit(2)
    with caplog.at_level("INFO", logger="torchmass"):
        assert fitter(1e3).fit(2).best_loss < 1e3
    assert re.fullmatch(r"step 0 of the fit: \d+ of 12 candidates pay the penalty.", caplog.messages[0])


def test_a_search_that_has_converged_ends():
    assert square_fitter(CMA(8, tolfun=1e-3)).fit(500).n_steps < 100
    assert square_fitter(Scipy()).fit(500).n_steps < 30


def test_a_parameter_without_bounds_is_searched_in_units_of_its_size():
    sim = tm.Simulator(tm.HopfStep(1, a=-2e-4).free("a"), dt=0.1)
    objective = lambda a: (a / 3e-4 + 1).square().mean(-1)
    fitter = tm.Fitter(sim, objective, predict=lambda sim: sim.model.a, backend=CMA(8))
    assert fitter.fit(30).best_params["a"].item() == pytest.approx(-3e-4, rel=1e-3)


def test_optuna_needs_two_bounds():
    sim = tm.Simulator(tm.HopfStep(1).free("a"), dt=0.1)
    with pytest.raises(ValueError, match=r"two bounds of a, it has .* free\(a="):
        tm.Fitter(sim, mean_square, torch.zeros(5, 1), backend="optuna").fit(1)


@pytest.mark.parametrize(("backend", "extra"), [("cma", "search"), ("nevergrad", "search"), ("scipy", "fit")])
def test_a_missing_package_is_named_with_its_extra(backend, extra, monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy.optimize" if backend == "scipy" else backend, None)
    with pytest.raises(ImportError, match=rf"needs {backend}: pip install 'torchmass\[{extra}\]'"):
        square_fitter(EVERY[backend]()).fit(1)


def test_unknown_methods_are_refused():
    with pytest.raises(ValueError, match="no method 'L-BFGS'; did you mean 'L-BFGS-B'"):
        Scipy("L-BFGS")
    with pytest.raises(ValueError, match="population must be"):
        CMA(1)


def test_plain_modules_cannot_be_searched_in_batches():
    gain = torch.nn.Linear(1, 1, bias=False)
    sim = tm.Simulator(tm.HopfStep(1), dt=0.1)
    predict = lambda sim: gain(torch.ones(1))
    with pytest.raises(ValueError, match="weight is a parameter of Linear, which takes no batch"):
        tm.Fitter(sim, torch.mean, predict=predict, parts=[gain], backend=CMA(4)).fit(1)
    assert tm.Fitter(sim, torch.square, predict=predict, parts=[gain], backend="scipy").fit(5).best_loss < 1e-6
