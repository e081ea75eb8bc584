"""Standard errors are those of the likelihood, in natural units; what is not determined is said to be so."""

import math

import pytest
import torch
from torch.distributions import Normal

import torchmass as tm
from torchmass.fit import GaussianLikelihood, identifiability


def node(**values) -> tm.Simulator:
    return tm.Simulator(tm.HopfStep(1, **{"a": 0.05, "w": 0.25, "init_x": 0.3, **values}), dt=0.1)


def x_of(sim):
    return sim.run(30.0, monitors=["x"])["x"]


def fit_of(values, target, objective, *, start=None, n_steps=25, **options):
    """A fit of values without a simulation: `values(model)` is compared with the target."""
    sim = node(**(start or {}))
    sim.model.free(**options.pop("free", {"a": (-10.0, 10.0), "w": (0.0, 10.0)}))
    return tm.Fitter(sim, objective, target, predict=lambda sim: values(sim.model), backend="lbfgs", **options).fit(
        n_steps
    )


def line(model):
    """w + a·t at five times t, (5, *b, 1): a regression."""
    t = torch.arange(5.0)
    return torch.stack([model.w + model.a * s for s in t]).reshape(5, *model.a.shape[:-1], 1)


def sample(value):
    """One sample, (1, *b, 1), of a number or (*b, 1)."""
    return value.reshape(1, *value.shape[:-1], 1)


TARGET = torch.tensor([1.1, 1.9, 3.2, 3.9, 5.1], dtype=torch.float64)[:, None]
DESIGN = torch.stack((torch.arange(5.0), torch.ones(5)), 1).double()  # of a, of w


def test_standard_errors_and_correlations_are_those_of_linear_regression():
    found = identifiability(fit_of(line, TARGET, GaussianLikelihood(0.2)))
    covariance = 0.2**2 * torch.linalg.inv(DESIGN.T @ DESIGN)
    assert found.labels == ["a", "w"]
    torch.testing.assert_close(found.estimates, torch.linalg.lstsq(DESIGN, TARGET).solution[:, 0], rtol=1e-5, atol=0)
    torch.testing.assert_close(found.covariance, covariance, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.standard_errors, covariance.diagonal().sqrt(), rtol=1e-4, atol=0)
    expected = covariance[0, 1] / covariance.diagonal().prod().sqrt()
    assert found.correlation[0, 1].item() == pytest.approx(expected.item(), rel=1e-4)
    assert found.remaining < 1e-6


def test_an_unknown_sigma_is_that_of_the_residuals():
    found = identifiability(fit_of(line, TARGET, GaussianLikelihood()))
    residuals = TARGET[:, 0] - DESIGN @ torch.linalg.lstsq(DESIGN, TARGET).solution[:, 0]
    covariance = residuals.square().mean() * torch.linalg.inv(DESIGN.T @ DESIGN)
    torch.testing.assert_close(found.standard_errors, covariance.diagonal().sqrt(), rtol=1e-4, atol=0)


def test_a_prior_adds_its_precision():
    priors = {"a": Normal(1.0, 0.05), "w": Normal(1.0, 0.05)}
    found = identifiability(fit_of(line, TARGET, GaussianLikelihood(0.2), priors=priors))
    covariance = torch.linalg.inv(DESIGN.T @ DESIGN / 0.2**2 + torch.eye(2) / 0.05**2)
    torch.testing.assert_close(found.covariance, covariance, rtol=1e-4, atol=0)


def test_bounds_do_not_change_standard_errors():
    wide = identifiability(fit_of(line, TARGET, GaussianLikelihood(0.2)))
    narrow = fit_of(line, TARGET, GaussianLikelihood(0.2), free={"a": (0.0, 2.0), "w": (0.0, math.inf)})
    torch.testing.assert_close(identifiability(narrow).standard_errors, wide.standard_errors, rtol=1e-3, atol=0)


def test_the_likelihood_is_that_of_torch_distributions():
    p, q = torch.randn(7, 2, 3), torch.randn(7, 3)
    expected = -Normal(p, 0.7).log_prob(q[:, None]).sum((0, 2))
    torch.testing.assert_close(GaussianLikelihood(0.7)(p, q), expected)
    sigma = (p - q[:, None]).square().mean((0, 2)).sqrt()
    best = -Normal(p, sigma[:, None]).log_prob(q[:, None]).sum((0, 2))
    torch.testing.assert_close(GaussianLikelihood()(p, q), best)
    assert torch.autograd.gradcheck(lambda p: GaussianLikelihood()(p, q), p.requires_grad_())


def test_two_parameters_of_which_only_the_sum_matters_are_sloppy():
    total = lambda model: sample(model.w + model.a)
    found = identifiability(fit_of(total, torch.tensor([[2.0]]), GaussianLikelihood(0.1)))
    assert found.standard_errors.tolist() == [math.inf, math.inf]
    (direction,) = found.sloppy()
    slopes = dict(zip(found.labels, _slopes(found.estimates), strict=True))
    assert direction["a"] * slopes["a"] == pytest.approx(-direction["w"] * slopes["w"], rel=1e-4)
    assert "least certain" in repr(found)


def _slopes(estimates):
    a, w = estimates.tolist()
    return [(a + 10) * (10 - a) / 20, w * (10 - w) / 10]  # of a logistic function between the bounds


def test_a_parameter_that_is_known_beside_one_that_is_not_has_its_error():
    known = lambda model: sample(model.w + 0 * model.a)
    found = identifiability(fit_of(known, torch.tensor([[2.0]]), GaussianLikelihood(0.1)))
    assert found.standard_errors[0] == math.inf
    assert found.standard_errors[1].item() == pytest.approx(0.1, rel=1e-4)
    torch.testing.assert_close(found.correlation, torch.eye(2))


def test_a_fit_that_is_at_no_minimum_is_refused():
    fit = fit_of(
        lambda model: model.w,
        None,
        lambda w: w.cos().reshape(*w.shape[:-1], -1).mean(-1),
        free={"w": (0, 9)},
        n_steps=1,
    )
    fit.raw.fill_(-3.0)
    with pytest.raises(ValueError, match="no minimum"):
        identifiability(fit)


def test_the_model_is_where_it_was():
    fit = fit_of(line, TARGET, GaussianLikelihood(0.2))
    before = {name: value.clone() for name, value in fit.model.state_dict().items()}
    identifiability(fit, batch=1)
    assert all(torch.equal(before[name], value) for name, value in fit.model.state_dict().items())


def test_most_fits_are_within_two_standard_errors_of_the_truth():
    truth, clean = torch.tensor([0.1, 0.3]), x_of(node(a=0.1, w=0.3)).detach()
    within = []
    for seed in range(12):
        target = clean + 0.1 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(seed))
        sim = node()
        sim.model.free(a=(-1.0, 1.0), w=(0.0, 1.0))
        fit = tm.Fitter(sim, GaussianLikelihood(), target, predict=x_of, backend="scipy").fit(30)
        found = identifiability(fit)
        within.append((found.estimates - truth).abs() < 2 * found.standard_errors)
        assert found.remaining < 1e-3
    assert torch.stack(within).double().mean() >= 0.9


def test_a_likelihood_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="sigma must be"):
        GaussianLikelihood(0.0)
    with pytest.raises(ValueError, match="are needed"):
        GaussianLikelihood()(torch.zeros(5, 2), torch.zeros(5, 3))
