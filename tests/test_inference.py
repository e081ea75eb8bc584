"""Simulators for sbi draw their own noise row by row; posteriors are those of the closed form, by NPE and by NUTS."""

import sys

import pytest
import torch
from torch.distributions import Gamma, Independent, Normal, Uniform

import torchmass as tm
from torchmass.bounds import POSITIVE
from torchmass.declare import Param, State
from torchmass.fit import GaussianLikelihood

STEPS, DT, TAU = 40, 0.5, 10.0
DECAY = 1 - DT / TAU + (DT / TAU) ** 2 / 2  # of a Heun step, exactly


class RelaxingStep(tm.NeuralMass):
    """x relaxes to m: linear, so that its noise stays Gaussian and posteriors have a closed form."""

    category, use_case = "phenomenological", "A test"
    x = State(0.0, "", "Activity.")
    m = Param(0.0, "", "Where it goes.")
    tau = Param(TAU, "ms", "Time constant.", bounds=POSITIVE)

    @staticmethod
    def derivative(s, u, p):
        return ((p.m - s.x) / p.tau,)


def relaxing(nodes=1, sigma=0.0, backend="auto", **values) -> tm.Simulator:
    noise = {"noise_x": tm.WhiteNoise(sigma)} if sigma else {}
    return tm.Simulator(RelaxingStep(nodes, **values, **noise), DT, backend=backend)


def last(sim):
    """The state at the end, (B, N)."""
    return sim.run(STEPS * DT, sample_every=STEPS - 1)["x"][-1]


def noisy(nodes=3, **options):
    sim = relaxing(nodes, sigma=0.3)
    sim.model.free(m=(-2.0, 2.0))
    return tm.simulator_for_sbi(sim, ["m"], last, **options)


def test_a_row_is_the_simulation_of_its_number_at_its_parameters():
    theta = torch.tensor([[-0.5], [0.3], [1.2]])
    found = noisy()(theta, seed=4)
    for i, m in enumerate(theta[:, 0].tolist()):
        torch.manual_seed(4)  # from which a run takes its own
        alone = relaxing(3, sigma=0.3, m=m).run(STEPS * DT, sample_every=STEPS - 1, first_simulation=i)
        torch.testing.assert_close(found[i], alone["x"][-1].float())


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_rows_do_not_depend_on_how_many_run_at_once(chunk):
    theta = noisy().prior.sample((7,))
    torch.testing.assert_close(noisy(chunk=chunk)(theta, seed=1), noisy(chunk=7)(theta, seed=1))


def test_calls_continue_the_numbers_of_others():
    theta = noisy().prior.sample((6,))
    whole, simulate = noisy()(theta, seed=2), noisy()
    parts = [simulate(theta[:2], seed=2), simulate(theta[2:], seed=2, first_simulation=2)]
    torch.testing.assert_close(torch.cat(parts), whole)


def test_equal_parameters_have_noise_of_their_own():
    found = noisy()(torch.zeros(5, 1), seed=0)
    assert len(found.flatten().unique()) == found.numel()


def test_what_a_summary_draws_differs_between_rows_and_leaves_the_simulations_as_they_are():
    def measured(sim):
        error = torch.randn(sim.model.m.shape[0], 3)
        return torch.cat((error, last(sim)), 1)

    sim = relaxing(3, sigma=0.3)
    sim.model.free(m=(-2.0, 2.0))
    simulate, theta = tm.simulator_for_sbi(sim, ["m"], measured, chunk=2), torch.zeros(6, 1)
    found = simulate(theta, seed=3)
    assert len(found.unique()) == found.numel()
    torch.testing.assert_close(found[:, 3:], noisy()(theta, seed=3))
    torch.testing.assert_close(simulate(theta, seed=3), found, rtol=0, atol=0)


def test_a_summary_may_continue_its_run():
    def twice(sim):
        before = sim.run(STEPS * DT / 2)
        return sim.run(STEPS * DT / 2, x0=before.state, sample_every=STEPS // 2 - 1)["x"][-1]

    sim = relaxing(3, sigma=0.3)
    sim.model.free(m=(-2.0, 2.0))
    theta = torch.zeros(5, 1)
    torch.testing.assert_close(tm.simulator_for_sbi(sim, ["m"], twice, chunk=2)(theta, seed=3), noisy()(theta, seed=3))


def test_a_call_without_seed_takes_one_from_torch():
    simulate, theta = noisy(), torch.zeros(2, 1)
    torch.manual_seed(0)
    first, second = simulate(theta), simulate(theta)
    torch.manual_seed(0)
    torch.testing.assert_close(simulate(theta), first, rtol=0, atol=0)
    assert not torch.equal(first, second)


def test_the_simulator_keeps_its_parameters_and_the_caller_the_random_state():
    sim = relaxing(2, sigma=0.1, m=0.7)
    sim.model.free(m=(-2.0, 2.0))
    state = torch.get_rng_state()
    tm.simulator_for_sbi(sim, ["m"], last)(torch.zeros(2, 1), seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.testing.assert_close(sim.model.m.detach(), torch.tensor(0.7))


def test_a_simulation_that_diverges_is_a_row_of_nan_and_the_only_one():
    sim = tm.Simulator(tm.MontbrioPazoRoxinStep(1).free("eta"), dt=0.1)
    simulate = tm.simulator_for_sbi(sim, ["eta"], lambda sim: sim.run(2.0, monitors=["v"])["v"][-1])
    found = simulate(torch.tensor([[-5.0], [1e30], [0.0]]))
    assert found.isnan().all(1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    "summary",
    [
        lambda sim: sim.run(400.0, observe=tm.BOLDSignal(tr=100.0))["bold"][-1],
        lambda sim: tm.objectives.peak_frequency(sim.run(400.0, monitors=["x"])["x"], 1.0, 20.0, 90.0),
    ],
    ids=["diverges in an observer", "has no peak"],
)
def test_a_summary_that_is_not_defined_is_a_row_of_nan_and_the_only_one(summary):
    sim = tm.Simulator(tm.HopfStep(1, a=0.1, w=0.3).free(a=(-50.0, 1.0)), dt=1.0)
    found = tm.simulator_for_sbi(sim, ["a"], summary)(torch.tensor([[0.1], [-30.0], [0.2]]))
    assert found.isnan().all(1).tolist() == [False, True, False]


def test_columns_are_in_the_order_asked_for_and_of_vectors_one_each():
    sim = relaxing(2, m=[0.0, 1.0])
    sim.model.free(tau=(1.0, 20.0), m=(-2.0, 2.0))
    simulate = tm.simulator_for_sbi(sim, ["m", "tau"], last)
    assert simulate.labels == ["m[0]", "m[1]", "tau"]
    theta = torch.tensor([[1.0, -1.0, 5.0], [0.5, 0.0, 10.0]])
    h = DT / theta[:, 2:]
    torch.testing.assert_close(simulate(theta), (theta[:, :2] * (1 - (1 - h + h**2 / 2) ** STEPS)).float())


def test_the_prior_is_uniform_between_bounds_or_as_given():
    sim = relaxing()
    sim.model.free(tau=(1.0, 20.0), m=(-2.0, 2.0))
    uniform = tm.simulator_for_sbi(sim, ["tau"], last).prior
    assert isinstance(uniform, Independent)
    assert isinstance(uniform.base_dist, Uniform)
    assert (uniform.base_dist.low.item(), uniform.base_dist.high.item()) == pytest.approx((1.0, 20.0))
    given = tm.simulator_for_sbi(sim, {"m": Normal(0.0, 0.1)}, last).prior
    torch.testing.assert_close(given.log_prob(torch.tensor([0.1])), Normal(0.0, 0.1).log_prob(torch.tensor(0.1)))


def test_bad_input_is_refused():
    sim = relaxing(2)
    with pytest.raises(ValueError, match="nothing is free"):
        tm.simulator_for_sbi(sim, ["m"], last)
    sim.model.free("tau", m=(-2.0, 2.0))
    with pytest.raises(TypeError, match=r"no free parameter 'n'\. It has tau, m"):
        tm.simulator_for_sbi(sim, ["n"], last)
    with pytest.raises(ValueError, match=r"free it as free\(tau=\(low, high\)\)"):
        _ = tm.simulator_for_sbi(sim, ["tau"], last).prior
    simulate = tm.simulator_for_sbi(sim, ["m"], last)
    with pytest.raises(ValueError, match=r"theta must be \(B, 1\) with columns m, got \(3,\)"):
        simulate(torch.zeros(3))
    with pytest.raises(ValueError, match=r"m must be in \[-2, 2\], got"):
        simulate(torch.tensor([[0.0], [2.5]]))
    with pytest.raises(ValueError, match=r"a row for each of the 3 simulations"):
        tm.simulator_for_sbi(sim, ["m"], lambda sim: last(sim).mean())(torch.zeros(3, 1))
    with pytest.raises(TypeError, match="must return a tensor, got float"):
        tm.simulator_for_sbi(sim, ["m"], lambda sim: 1.0)(torch.zeros(3, 1))


# ---- posteriors -----------------------------------------------------------------------------------------------------


def relaxation_posterior(prior=None, sigma=0.5, nodes=4, backend="auto"):
    """That of m, from noisy looks at a relaxation; and its closed form, mean and standard deviation."""
    generator = torch.Generator().manual_seed(1)
    shape = 1 - DECAY ** torch.arange(1, STEPS + 1)  # of the relaxation to 1
    target = shape[:, None] * 0.8 + sigma * torch.randn(STEPS, nodes, generator=generator)
    sim = relaxing(nodes, backend=backend)
    sim.model.free("m")
    priors = {} if prior is None else {"m": prior}
    fitter = tm.Fitter(sim, GaussianLikelihood(sigma), target, priors=priors)
    precision = nodes * shape.square().sum() / sigma**2 + (0 if prior is None else 1 / prior.scale**2)
    pull = (shape[:, None] * target).sum() / sigma**2 + (0 if prior is None else prior.loc / prior.scale**2)
    return tm.Posterior(fitter), pull / precision, precision**-0.5


@pytest.mark.parametrize("prior", [None, Normal(0.0, 0.1)])
def test_the_density_of_a_linear_problem_is_the_closed_form(prior):
    posterior, mean, deviation = relaxation_posterior(prior)
    places = mean + deviation * torch.tensor([[-2.0], [0.0], [1.0]])
    found, expected = posterior.log_prob(places), Normal(mean, deviation).log_prob(places[:, 0])
    torch.testing.assert_close(found - found[1], expected - expected[1])
    torch.testing.assert_close(posterior.log_prob(places[0]), found[0])


def test_the_density_over_raw_is_that_over_natural_units_times_the_jacobian():
    sim = relaxing()
    sim.model.free("tau")
    prior = Gamma(3.0, 0.5)
    fitter = tm.Fitter(sim, lambda p: 0 * p.sum(), predict=lambda sim: sim.model.tau, priors={"tau": prior})
    posterior, raw = tm.Posterior(fitter), torch.linspace(-12, 6, 601)[:, None]
    density = torch.stack([posterior.log_prob(one) for one in raw]).exp()
    mass = torch.trapezoid(density, raw[:, 0])
    mean = torch.trapezoid(density * posterior.natural(raw)[:, 0], raw[:, 0]) / mass
    torch.testing.assert_close(mass, torch.tensor(1.0), atol=1e-6, rtol=0)
    torch.testing.assert_close(mean, torch.tensor(prior.mean.item()), atol=1e-5, rtol=0)


def test_the_gradients_of_density_and_potential_are_its_differences():
    sim = relaxing(2, backend="eager")
    sim.model.free("m", tau=(2.0, 30.0))
    fitter = tm.Fitter(sim, GaussianLikelihood(0.5), torch.ones(STEPS, 2), priors={"tau": Gamma(2.0, 0.1)})
    posterior = tm.Posterior(fitter)
    raw = torch.tensor([0.3, -0.4], requires_grad=True)
    torch.autograd.gradcheck(posterior.log_prob, raw)
    (by_density,) = torch.autograd.grad(posterior.log_prob(raw), raw)
    potential = posterior.potential({"raw": raw})
    (by_potential,) = torch.autograd.grad(potential, raw)
    torch.testing.assert_close(by_potential, -by_density)
    torch.testing.assert_close(potential, -posterior.log_prob(raw))


def test_where_a_run_diverges_the_potential_is_infinite_and_flat():
    sim = tm.Simulator(tm.MontbrioPazoRoxinStep(1, eta=-5.0, init_v=1e3).free("eta"), dt=0.1)
    posterior = tm.Posterior(tm.Fitter(sim, GaussianLikelihood(1.0), torch.zeros(40, 1)))
    raw = torch.tensor([1e30], requires_grad=True)
    potential = posterior.potential({"raw": raw})
    assert potential.item() == torch.inf
    assert torch.autograd.grad(potential, raw)[0].item() == 0


def test_where_the_objective_is_not_defined_the_potential_is_infinite():
    sim = tm.Simulator(tm.HopfStep(1, a=0.1, w=0.3).free("w"), dt=1.0)
    objective = tm.objectives.PeakFrequency(dt=1.0, low=40.0, high=60.0)
    target = sim.run(400.0, monitors=["x"])["x"].detach()
    potential = tm.Posterior(tm.Fitter(sim, objective, target)).potential
    assert potential({"raw": torch.tensor([0.31])}).isfinite()
    assert potential({"raw": torch.tensor([0.1])}).item() == torch.inf


def test_a_windowed_fit_has_no_posterior():
    sim = relaxing()
    sim.model.free("m")
    fitter = tm.Fitter(sim, GaussianLikelihood(1.0), torch.zeros(4, 1), predict=last, window=2)
    with pytest.raises(ValueError, match="make the Fitter without window="):
        tm.Posterior(fitter)


def test_without_sbi_a_joint_prior_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sbi.utils", None)
    sim = relaxing()
    sim.model.free("tau", "m")
    simulate = tm.simulator_for_sbi(sim, {"tau": Gamma(2.0, 0.1), "m": Normal(0.0, 1.0)}, last)
    with pytest.raises(ImportError, match=r"torchmass\[sbi\]"):
        _ = simulate.prior
