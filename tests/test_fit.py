"""A fit finds known parameters, returns those of the best loss, refuses what is not finite, and survives a kill."""

import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.distributions import Normal

import torchmass as tm
from torchmass.fit import Gradient

ADAM = torch.optim.Adam


def hopf(a=0.05, **values) -> tm.Simulator:
    return tm.Simulator(tm.HopfStep(2, a=a, w=0.3, init_x=0.3, **values), dt=0.1)


def x_of(sim, duration=25.0):
    return sim.run(duration, monitors=["x"], sample_every=5)["x"]


def mean_square(p, q):
    """Of every member of a batch: (T, *b, N) against (T, N)."""
    return (p.movedim(0, -2) - q).square().mean((-2, -1))


def hopf_fitter(sim=None, **options) -> tm.Fitter:
    """A fit of `a`, which was 0.2."""
    sim = hopf() if sim is None else sim
    if not sim.model.freed:
        sim.model.free(a=(-1.0, 1.0))
    return tm.Fitter(sim, mean_square, x_of(hopf(0.2)).detach(), predict=x_of, **options)


def point_fitter(target=2.0, objective=None, **options) -> tm.Fitter:
    """Minimises (a − target)²/2, without a simulation."""
    sim = tm.Simulator(tm.HopfStep(1, a=0.5).free("a"), dt=0.1)
    objective = objective or (lambda p: (p - target).square().reshape(*p.shape[: p.ndim - 1], -1).sum(-1) / 2)
    return tm.Fitter(sim, objective, predict=lambda sim: sim.model.a, **options)


def test_the_bifurcation_parameter_of_hopf_nodes_is_recovered():
    fit = hopf_fitter().fit(120)
    torch.testing.assert_close(fit.best_params["a"], torch.tensor(0.2), atol=1e-4, rtol=0)


def test_the_coupling_of_the_montbrio_model_is_recovered():
    build = lambda J: tm.Simulator(tm.MontbrioPazoRoxinStep(1, J=J), dt=0.1)
    predict = lambda sim: sim.run(50.0, monitors=["r"])["r"]
    sim = build(13.0)
    sim.model.free(J=(5.0, 30.0))
    fit = tm.Fitter(sim, mean_square, predict(build(15.0)).detach(), predict=predict, backend="lbfgs").fit(15)
    torch.testing.assert_close(fit.best_params["J"], torch.tensor(15.0), atol=1e-3, rtol=0)


def test_weights_and_noise_of_a_network_are_called_by_the_shortest_name():
    noise = {"noise_x": tm.WhiteNoise(0.1).free("sigma"), "noise_y": tm.WhiteNoise(0.1).free("sigma")}
    net = tm.Network(tm.HopfStep(2, **noise), torch.rand(2, 2)).free("weights", "a")
    fitter = tm.Fitter(tm.Simulator(net, dt=0.1), mean_square, torch.zeros(5, 2))
    assert fitter.problem.space.names == ["a", "x.sigma", "y.sigma", "weights"]


@pytest.mark.parametrize("backend", [Gradient(lr=0.5), Gradient(torch.optim.SGD, lr=4.1), "lbfgs"])
def test_the_best_parameters_have_the_best_loss_exactly(backend):
    fitter = hopf_fitter(backend=backend)
    fit = fitter.fit(12)
    assert fit.best_loss == fit.history.min().item() == fitter.loss().item()
    assert torch.equal(fit.best_params["a"], fit.model.a)
    assert torch.equal(fit.prediction, x_of(fitter.problem.sim))


def test_the_best_parameters_are_not_those_after_the_best_step():
    fitter = point_fitter(backend=Gradient(torch.optim.SGD, lr=1.9))  # overshoots: 1.5, −1.35, …
    params = []
    fit = fitter.fit(3, callbacks=[lambda step: params.append(step.params["a"])])
    assert torch.equal(fit.best_params["a"], params[int(fit.history.argmin())])


def test_a_fit_sees_the_same_noise_in_every_step_unless_asked_for_fresh():
    fitter = hopf_fitter(hopf(noise_x=tm.WhiteNoise(0.05)), backend=Gradient(torch.optim.SGD, lr=0.0))
    assert len(set(fitter.fit(4).history.tolist())) == 1
    fit = fitter.fit(4, fresh_noise=True)
    assert len(set(fit.history.tolist())) == 4
    assert fit.best_loss == fit.history.min().item() == fitter.loss(fit.seed).item()


def test_a_fit_leaves_the_generator_of_the_user_alone():
    before = torch.get_rng_state()
    hopf_fitter(hopf(noise_x=tm.WhiteNoise(0.05)), backend=Gradient(restarts=2)).fit(2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_restarts_are_the_fits_from_each_start(clip):
    noise = {"noise_x": tm.WhiteNoise(0.05)}
    fitter = hopf_fitter(hopf(**noise), backend=Gradient(torch.optim.SGD, lr=5.0, clip=clip, restarts=3))
    starts = fitter.problem.space.natural(fitter.problem.space.draw(3, 0))
    together = fitter.fit(6)
    for k, start in enumerate(starts):
        alone = hopf_fitter(hopf(start.item(), **noise), backend=Gradient(torch.optim.SGD, lr=5.0, clip=clip)).fit(6)
        torch.testing.assert_close(together.history[:, k], alone.history, rtol=1e-9, atol=0)
    assert together.best_loss == pytest.approx(together.history.min().item(), rel=1e-12)


def test_restarts_begin_with_the_present_parameters_and_spread_within_bounds():
    space = hopf_fitter().problem.space
    starts = space.natural(space.draw(200, 0))[:, 0]
    assert starts[0] == pytest.approx(0.05)
    assert starts.min() > -1
    assert starts.max() < 1
    assert starts.abs().mean() == pytest.approx(0.5, abs=0.05)


def test_restarts_move_weights_delays_and_noise_of_a_network():
    noise = tm.WhiteNoise(0.05).free("sigma")
    node = tm.HopfStep(3, a=0.1, init_x=0.3, noise_x=noise)
    net = tm.Network(node, torch.rand(3, 3), delays=0.25, max_delay=2.0, k=torch.rand(3))
    net.free("k", "weights", delays=(0.0, 2.0), a=(0.0, 1.0))
    fitter = tm.Fitter(tm.Simulator(net, dt=0.1), mean_square, torch.rand(5, 3), backend=Gradient(restarts=3))
    fit = fitter.fit(3)
    assert fit.history.shape == (3, 3)
    assert bool((fit.history[-1] < fit.history[0]).all())
    assert fit.best_params["weights"].shape == (3, 3)
    assert fit.best_loss == pytest.approx(fit.history.min().item(), rel=1e-12)


def test_an_objective_that_joins_candidates_is_refused():
    fitter = hopf_fitter(backend=Gradient(restarts=3))
    fitter.problem.objective = lambda p, q: p.square().mean()
    with pytest.raises(ValueError, match="one loss for each of the 3 candidates"):
        fitter.fit(1)


def test_restarts_need_an_elementwise_optimiser():
    with pytest.raises(ValueError, match="treats each number by itself"):
        Gradient(torch.optim.LBFGS, restarts=2)


def test_a_step_is_no_longer_than_the_clipped_gradient():
    fitter = point_fitter(target=100.0, backend=Gradient(torch.optim.SGD, lr=1.0, clip=0.25))
    assert fitter.fit(2).best_params["a"].item() == pytest.approx(0.75)


def test_a_schedule_changes_the_rate():
    schedule = lambda optimiser: torch.optim.lr_scheduler.StepLR(optimiser, 1, gamma=0.0)
    fit = point_fitter(backend=Gradient(torch.optim.SGD, lr=0.1, schedule=schedule)).fit(4)
    assert fit.history[1] == fit.history[3] < fit.history[0]


def test_a_plateau_schedule_sees_the_loss():
    schedule = partial(torch.optim.lr_scheduler.ReduceLROnPlateau, factor=0.0, patience=0, eps=0.0)
    fit = point_fitter(backend=Gradient(torch.optim.SGD, lr=2.5, schedule=schedule)).fit(5)  # the loss grows once
    assert fit.history[1] > fit.history[0]
    assert fit.history[3] == fit.history[4]


def test_rates_are_those_of_single_parameters():
    sim = hopf()
    sim.model.free("a", "w")
    fit = hopf_fitter(sim, backend=Gradient(rates={"w": 0.0})).fit(2)
    assert fit.best_params["w"] == pytest.approx(0.3)
    assert fit.best_params["a"] != pytest.approx(0.05)
    with pytest.raises(ValueError, match="no free parameter 'beta'"):
        hopf_fitter(backend=Gradient(rates={"beta": 0.1})).fit(1)


def test_a_fit_stops_when_the_loss_falls_no_more():
    fit = point_fitter(backend=Gradient(torch.optim.SGD, lr=1.0)).fit(100, patience=5)
    assert fit.n_steps == 2 + 5
    assert fit.best_loss == 0


def test_a_callback_ends_a_fit_and_sees_it():
    seen = []
    fit = point_fitter().fit(50, callbacks=[lambda step: seen.append(step) or step.step == 3])
    assert fit.n_steps == len(seen) == 4
    assert [step.loss for step in seen] == fit.history.tolist()
    assert seen[-1].best_loss == fit.best_loss


@pytest.mark.parametrize("window", [None, 25])
@pytest.mark.parametrize("backend", [Gradient(lr=0.05, restarts=2), tm.fit.CMA(4)], ids=repr)
def test_a_fit_tells_the_terms_of_its_loss(window, backend):
    cosine, rmse = tm.objectives.TimeSeries(distance="cosine"), tm.objectives.TimeSeries()
    sim, seen, target = hopf(), [], x_of(hopf(0.2), 50.0).detach()
    sim.model.free(a=(-1.0, 1.0))
    run = lambda sim, x0: sim.run(12.5, monitors=["x"], sample_every=5, x0=x0)
    windowed = lambda sim, x0: (lambda found: (found["x"], found.state))(run(sim, x0))
    predict = (lambda sim: x_of(sim, 50.0)) if window is None else windowed
    options = {"window": window, "predict": predict, "backend": backend, "priors": {"a": Normal(0.0, 1.0)}}
    fit = tm.Fitter(sim, 0.5 * cosine + 2 * rmse, target, **options).fit(3, callbacks=[seen.append])
    for one, loss in [(fit, fit.best_loss), *((step, step.loss) for step in seen)]:
        assert list(one.terms) == ["TimeSeries(distance='cosine')", "TimeSeries()", "prior"]
        assert loss == pytest.approx(sum(w * v for w, v in zip((0.5, 2, 1), one.terms.values(), strict=True)))
    for k, step in enumerate(seen):
        lowest = step.losses.argmin()
        kept = {name: term.reshape(3, -1)[k, lowest].item() for name, term in fit.term_history.items()}
        assert kept == step.terms
    assert list(hopf_fitter().fit(1).terms) == ["objective"]


def test_a_prior_makes_the_fit_the_maximum_a_posteriori_in_natural_units():
    sim = tm.Simulator(tm.HopfStep(1, a=0.5).free(a=(0.0, 5.0)), dt=0.1)
    likelihood = lambda a: ((a - 2.0) / 0.5).square().sum() / 2
    options = {"predict": lambda sim: sim.model.a, "priors": {"a": Normal(1.0, 1.0)}, "backend": "lbfgs"}
    fit = tm.Fitter(sim, likelihood, **options).fit(20)
    torch.testing.assert_close(fit.best_params["a"], torch.tensor((4 * 2.0 + 1.0) / 5), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="no free parameter 'b'"):
        tm.Fitter(sim, likelihood, predict=lambda sim: sim.model.a, priors={"b": Normal(0.0, 1.0)})


def test_priors_are_added_for_each_start():
    fitter = point_fitter(backend=Gradient(restarts=4), priors={"a": Normal(1.0, 2.0)})
    space = fitter.problem.space
    starts = space.draw(4, 0)
    found = fitter.problem.at(space.split(starts), lambda: fitter.problem.evaluate(0, 4).losses)
    expected = (starts[:, 0] - 2).square() / 2 - Normal(1.0, 2.0).log_prob(starts[:, 0])
    torch.testing.assert_close(found, expected)


def test_parameters_of_other_modules_are_fitted():
    gain = nn.Linear(1, 1, bias=False)
    predict = lambda sim: gain(sim.model.a.reshape(1))
    fit = tm.Fitter(point_fitter().problem.sim, lambda p: (p - 3).square(), predict=predict, parts=[gain]).fit(200)
    assert set(fit.best_params) == {"a", "weight"}
    assert fit.best_loss < 1e-6


@pytest.mark.parametrize("options", [{}, {"restarts": 2}])
def test_windows_carry_the_state_over(options):
    target = x_of(hopf(0.2), 50.0).detach()

    def predict(sim, x0):
        found = sim.run(12.5, monitors=["x"], sample_every=5, x0=x0)
        return found["x"], found.state

    sim = hopf()
    sim.model.free(a=(-1.0, 1.0))
    fitter = tm.Fitter(sim, mean_square, target, predict=predict, window=25, backend=Gradient(lr=0.02, **options))
    before = fitter.loss()
    torch.testing.assert_close(before, mean_square(x_of(hopf(), 50.0), target))
    fit = fitter.fit(25)
    assert fit.best_loss < 1e-3 * before
    assert fit.best_loss == pytest.approx(fit.history.min().item(), rel=1e-12)
    assert fit.prediction.shape == target.shape


def test_the_output_of_the_model_is_predicted_by_default():
    target = hopf(0.2).run(10.0, monitors=["output"])["output"].detach()
    for options in ({}, {"window": 20}):
        fitter = tm.Fitter(hopf_fitter().problem.sim, mean_square, target, **options)
        prediction = fitter.problem.evaluate(0).prediction
        assert torch.equal(prediction, fitter.problem.sim.run(10.0, monitors=["output"])["output"])
    with pytest.raises(ValueError, match="multiple of it"):
        tm.Fitter(fitter.problem.sim, mean_square, target, window=33)
    with pytest.raises(ValueError, match="give predict="):
        tm.Fitter(fitter.problem.sim, mean_square)


def test_nothing_to_fit_says_free():
    with pytest.raises(ValueError, match=r"call free\("):
        tm.Fitter(hopf(), mean_square, torch.zeros(5, 2))


@pytest.mark.parametrize("target", [torch.tensor([[0.0, torch.nan]]), {"x": torch.tensor([[0.0, torch.inf]])}])
def test_a_target_that_is_not_finite_is_refused(target):
    with pytest.raises(ValueError, match=r"must be finite, got \S+ at index \(0, 1\)"):
        tm.Fitter(hopf_fitter().problem.sim, mean_square, target, predict=x_of)


def test_a_loss_that_is_not_finite_stops_with_step_and_parameter_named():
    fitter = point_fitter(objective=lambda a: (1.0 - a).log().mean(), backend=Gradient(torch.optim.SGD, lr=0.1))
    with pytest.raises(tm.NonFiniteError, match=r"step 2 of the fit: the loss is nan at a=1\."):
        fitter.fit(10)
    assert fitter.problem.sim.model.a.item() == 0.5  # as before


def test_a_gradient_that_is_not_finite_stops_with_step_and_parameter_named():
    fitter = point_fitter(objective=lambda a: (a - 0.5).abs().sqrt().mean())
    with pytest.raises(tm.NonFiniteError, match=r"step 0 of the fit: .* to a is not finite"):
        fitter.fit(10)


def test_a_run_that_leaves_the_finite_numbers_stops_the_fit():
    sim = tm.Simulator(tm.LorenzStep(1, rho=28.0).free("rho"), dt=1.0, backend="eager")
    fitter = tm.Fitter(sim, mean_square, torch.zeros(20, 1))
    with pytest.raises(tm.NonFiniteError, match=r"step 0 of the fit: .* after step"):
        fitter.fit(2)


def test_a_parameter_that_does_not_matter_is_named():
    sim = hopf_fitter().problem.sim
    sim.model.free("w")
    with pytest.raises(ValueError, match="does not depend on w: fix"):
        tm.Fitter(sim, lambda a: a, predict=lambda sim: sim.model.a).fit(1)


def test_a_loss_without_a_gradient_is_refused():
    with pytest.raises(ValueError, match="has no gradient"):
        point_fitter(objective=lambda a: a.detach().mean()).fit(1)
    with pytest.raises(TypeError, match="must return a tensor"):
        point_fitter(objective=lambda a: 1.0).fit(1)


def test_unknown_backends_are_refused():
    with pytest.raises(ValueError, match="no fit backend 'adm'; did you mean 'adam'"):
        point_fitter(backend="adm")


COSINE = partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=12)
RESUMED = {
    "adam, a schedule": (lambda: Gradient(ADAM, lr=0.02, schedule=COSINE), {}),
    "fresh noise": (lambda: "adam", {"fresh_noise": True}),
    "restarts": (lambda: Gradient(restarts=3), {"patience": 4}),
    "lbfgs": (lambda: "lbfgs", {}),
}


class KilledError(Exception):
    """What a callback raises in place of a signal."""


def kill(step):
    if step.step == 7:
        raise KilledError


@pytest.mark.parametrize("name", RESUMED)
def test_a_fit_that_was_killed_ends_as_if_it_had_not_been(name, tmp_path):
    backend, options = RESUMED[name][0], dict(RESUMED[name][1])
    noise = {"noise_x": tm.WhiteNoise(0.05)}
    whole = hopf_fitter(hopf(**noise), backend=backend()).fit(12, **options)
    sim = hopf(**noise)
    options |= {"checkpoint": tmp_path / "fit.pt", "every": 3}
    with pytest.raises(KilledError):
        hopf_fitter(sim, backend=backend()).fit(12, callbacks=[kill], **options)
    assert sim.model.a.item() == pytest.approx(0.05)
    steps = []
    resumed = hopf_fitter(hopf(**noise), backend=backend()).fit(12, callbacks=[steps.append], **options)
    assert steps[0].step == 6
    assert torch.equal(whole.history, resumed.history)
    assert torch.equal(whole.best_params["a"], resumed.best_params["a"])
    assert whole.best_loss == resumed.best_loss
    assert [path.name for path in tmp_path.iterdir()] == ["fit.pt"]


KILLED = """
import os, sys, torch
torch.set_default_dtype(torch.float64)
sys.path.insert(0, "tests")
from test_fit import point_fitter
kill = lambda step: step.step == 7 and os._exit(9)
point_fitter().fit(12, checkpoint=sys.argv[1], every=2, callbacks=[kill])
"""


@pytest.mark.slow
def test_a_killed_process_is_resumed_by_another(tmp_path):
    root = Path(__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "fit.pt")], cwd=root, check=False)
    assert killed.returncode == 9
    steps = []
    resumed = point_fitter().fit(12, checkpoint=tmp_path / "fit.pt", every=2, callbacks=[steps.append])
    assert steps[0].step == 8
    assert torch.equal(resumed.history, point_fitter().fit(12).history)


def test_a_checkpoint_of_another_fit_is_refused(tmp_path):
    hopf_fitter().fit(2, checkpoint=tmp_path / "fit.pt")
    for fitter in (hopf_fitter(hopf(beta=2.0)), hopf_fitter(backend="lbfgs"), hopf_fitter(priors={"a": Normal(0, 1)})):
        with pytest.raises(ValueError, match="holds another fit"):
            fitter.fit(2, checkpoint=tmp_path / "fit.pt")
    run, target = {"predict": x_of}, x_of(hopf(0.2)).detach()
    composed = lambda weight: tm.objectives.TimeSeries() + weight * tm.objectives.TimeSeries(distance="cosine")
    sim = hopf_fitter().problem.sim
    tm.Fitter(sim, composed(0.5), target, **run).fit(2, checkpoint=tmp_path / "composed.pt")
    with pytest.raises(ValueError, match=r"objective was TimeSeries\(\) \+ 0.5 .*, is .* \+ 0.7"):
        tm.Fitter(sim, composed(0.7), target, **run).fit(2, checkpoint=tmp_path / "composed.pt")


def test_a_result_prints_what_was_found():
    text = repr(point_fitter().fit(3))
    assert text.startswith("FitResult(best_loss=")
    assert "after 3 steps; a=0." in text
    sim = tm.Simulator(tm.HopfStep(2, a=torch.tensor([0.1, 0.3])).free("a"), dt=0.5)
    fitter = tm.Fitter(sim, tm.objectives.TimeSeries(), torch.ones(4, 2), backend="scipy")
    assert repr(fitter) == "Fitter(a by Scipy('L-BFGS-B', {}), objective=TimeSeries())"
    assert re.search(r"a=\S+ to \S+ \(2,\)\)$", repr(fitter.fit(1)))


def test_a_bar_shows_the_loss(capsys):
    point_fitter().fit(3, progress=True)
    assert "loss=" in capsys.readouterr().err


@pytest.mark.parametrize("options", [{}, {"restarts": 2}])
def test_a_run_that_is_computed_again_for_its_gradient_has_the_parameters_of_the_step(options):
    """Observers that run beside the loop read their parameters in the backward pass."""

    def predict(sim):
        return sim.run(100.0, monitors=[], observe={"bold": bold}, checkpoint=100)["bold"]

    bold = tm.BOLDSignal().free("tau")
    sim = tm.Simulator(tm.HopfStep(2, a=0.05, w=0.3, init_x=0.3), dt=0.1)
    loss = lambda p: p.square().mean((0, -1)) * 1e12
    fitter = tm.Fitter(sim, loss, predict=predict, parts=[bold], backend=Gradient(**options))
    space = fitter.problem.space
    here = space.flat(space.present()) + 0.3  # elsewhere than the module
    there = here if not options else torch.stack([here, here + 0.1])
    _, found = fitter.problem.gradient(there, 0)
    step = 1e-3
    losses = [fitter.problem.gradient(there + move, 0)[0].losses for move in (step, -step)]
    torch.testing.assert_close(found[..., 0], (losses[0] - losses[1]) / (2 * step), rtol=1e-4, atol=0)
