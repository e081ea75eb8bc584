"""Samplers of others find the posterior of the closed form: sbi's by simulations, Pyro's NUTS by gradients."""

import pytest
import torch
from test_inference import DECAY, DT, STEPS, TAU, last, relaxation_posterior, relaxing
from torch.distributions import Gamma, Normal

import torchmass as tm


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder of its own, for the logs that sbi writes into the present one, and numbers as its networks are."""
    monkeypatch.chdir(tmp_path)
    torch.set_default_dtype(torch.float32)


@pytest.mark.slow
@pytest.mark.filterwarnings("default:Maximum number of epochs:UserWarning")
def test_neural_posterior_estimation_recovers_the_posterior(elsewhere):
    from sbi import inference

    sim = relaxing(3, sigma=0.3)
    sim.model.free(m=(-2.0, 2.0))
    simulate = tm.simulator_for_sbi(sim, ["m"], lambda sim: last(sim).mean(-1, keepdim=True))
    quiet = {"show_progress_bar": False, "simulation_batch_size": None}
    theta, x = inference.simulate_for_sbi(simulate, simulate.prior, 2000, seed=1, **quiet)
    estimator = inference.NPE(simulate.prior, density_estimator="mdn", show_progress_bars=False)
    estimator.append_simulations(theta, x).train(learning_rate=2e-3, max_num_epochs=60)
    samples = estimator.build_posterior().sample((4000,), x=torch.tensor([[0.5]]), show_progress_bars=False)

    reached, kick = 1 - DECAY**STEPS, 0.3 * DT**0.5 * (1 - DT / TAU / 2)  # Heun's, of m and of the noise
    deviation = kick * ((1 - DECAY ** (2 * STEPS)) / (1 - DECAY**2) / 3) ** 0.5 / reached
    assert samples.mean().item() == pytest.approx(0.5 / reached, abs=0.2 * deviation)
    assert samples.std().item() == pytest.approx(deviation, rel=0.15)


def test_sbi_takes_the_simulator_and_priors_of_several_kinds_as_they_are(elsewhere):
    from sbi.utils import user_input_checks as checks

    sim = relaxing(2, sigma=0.1, m=[0.0, 0.5])
    sim.model.free("tau", "m")
    simulate = tm.simulator_for_sbi(sim, {"tau": Gamma(20.0, 2.0), "m": Normal(0.0, 1.0)}, last)
    prior, count, numpy = checks.process_prior(simulate.prior)
    assert count == len(simulate.labels) == 3
    checks.check_sbi_inputs(checks.process_simulator(simulate, prior, numpy), prior)
    theta = simulate.prior.sample((5,))
    expected = Gamma(20.0, 2.0).log_prob(theta[:, 0]) + Normal(0.0, 1.0).log_prob(theta[:, 1:]).sum(1)
    torch.testing.assert_close(simulate.prior.log_prob(theta), expected)
    assert simulate(theta).shape == (5, 2)


@pytest.mark.slow
def test_nuts_recovers_the_posterior_by_the_gradient_of_the_fused_loop():
    from pyro.infer import mcmc

    posterior, mean, deviation = relaxation_posterior(Normal(0.0, 0.1), backend="fused")
    torch.manual_seed(0)
    nuts = mcmc.NUTS(potential_fn=posterior.potential)
    chain = mcmc.MCMC(
        nuts, num_samples=300, warmup_steps=80, initial_params={"raw": posterior.start}, disable_progbar=True
    )
    chain.run()
    samples = posterior.natural(chain.get_samples()["raw"])
    assert samples.shape == (300, 1)
    assert samples.mean().item() == pytest.approx(mean.item(), abs=0.25 * deviation.item())
    assert samples.std().item() == pytest.approx(deviation.item(), rel=0.2)
