"""Of several starts of a fit those that fail are left behind, and the others go on as if alone."""

import re

import pytest
import torch
from test_fit import mean_square, point_fitter

import torchmass as tm
from torchmass.fit import Gradient


def stiff_fitter(a=-1.0, restarts=5, **options) -> tm.Fitter:
    """A fit of which starts with a below about −4 diverge, as dt is 0.5 ms."""
    build = lambda a: tm.Simulator(tm.HopfStep(1, a=a, w=0.3), dt=0.5)
    run = lambda sim, x0=None: (lambda found: (found["x"], found.state))(sim.run(400.0, monitors=["x"], x0=x0))
    predict = run if "window" in options else lambda sim: run(sim)[0]
    target = predict(build(-0.5))
    target = torch.cat([target[0], target[0]]) if "window" in options else target
    sim, backend = build(a), Gradient(torch.optim.SGD, lr=1.0, restarts=restarts)
    sim.model.free(a=(-9.0, 1.0))
    return tm.Fitter(sim, mean_square, target.detach(), predict=predict, backend=backend, **options)


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_starts_that_diverge_have_failed_and_the_others_go_on_as_if_alone(backend, caplog):
    fitter = stiff_fitter()
    fitter.problem.sim.backend = backend
    starts = fitter.problem.space.natural(fitter.problem.space.draw(5, 0))[:, 0]
    with caplog.at_level("INFO", logger="torchmass"):
        fit = fitter.fit(4)
    assert set(fit.failures) == set((starts < -4).nonzero().flatten().tolist()) != set()
    assert "has failed: the loss is nan at a=-" in caplog.text
    for k, start in enumerate(starts.tolist()):
        if k in fit.failures:
            assert re.match(r"step 0: the loss is nan at a=-\S+: try other bounds", fit.failures[k])
            assert bool(fit.history[:, k].isinf().all())
        else:
            alone = stiff_fitter(start, restarts=1).fit(4)
            torch.testing.assert_close(fit.history[:, k], alone.history, rtol=1e-9, atol=0)
    assert fit.best_loss == pytest.approx(fit.history.min().item(), rel=1e-12)
    assert f"{len(fit.failures)} of 5 starts failed" in repr(fit)


def test_starts_that_diverge_in_a_window_have_failed():
    fit = stiff_fitter(window=800).fit(2)
    assert 0 < len(fit.failures) < 5
    assert bool(fit.history[:, 0].isfinite().all())


def test_a_start_whose_gradient_is_not_finite_has_failed():
    objective = lambda a: (a - 0.5).abs().sqrt().sum(tuple(range(1, a.ndim)))  # where the present start is
    fit = point_fitter(objective=objective, backend=Gradient(restarts=3)).fit(4)
    assert fit.failures == {0: "step 0: the gradient of the loss with respect to a is not finite."}
    assert fit.history[0, 0] == 0
    assert bool(fit.history[1:].isfinite()[:, 1:].all())


def test_a_fit_ends_when_all_starts_have_failed():
    objective = lambda a: torch.where(a > 0.5, torch.inf, a * torch.nan).flatten(1).mean(1)
    with pytest.raises(tm.NonFiniteError, match=r"step 0 .* all starts have failed: start 0 at step 0: the loss"):
        point_fitter(objective=objective, backend=Gradient(restarts=3)).fit(4)


def test_failures_and_terms_survive_a_kill(tmp_path):
    path, whole = tmp_path / "fit.pt", stiff_fitter().fit(4)
    stiff_fitter().fit(2, checkpoint=path)
    resumed = stiff_fitter().fit(4, checkpoint=path)
    assert resumed.failures == whole.failures != {}
    assert torch.equal(resumed.history, whole.history)
    torch.testing.assert_close(resumed.term_history, whole.term_history, rtol=0, atol=0, equal_nan=True)
