"""Feedback inhibition: every region at the rate asked for, whatever reaches it."""

import pytest
import torch

import torchmass as tm
from torchmass.linear import feedback_inhibition, fixed_point, linearise


def network(gain=0.8, n=6, w=None, **values):
    w = torch.rand(n, n) if w is None else w
    return tm.Network(tm.WongWangExcInhStep(n, G=gain, **values), w / w.sum(-1).mean(), coupling="additive")


def rate(net, s_e):
    """The excitatory rate that holds S_e, in Hz."""
    return s_e / (net.node.tau_e * net.node.gamma_e * (1 - s_e))


@pytest.mark.parametrize("target", [3.0, 4.5, [2.0, 2.5, 3.0, 3.5, 4.0, 5.0]], ids=["3 Hz", "4.5 Hz", "each its own"])
def test_every_region_rests_at_its_rate(target):
    net = network(torch.linspace(0.2, 0.9, 6))
    net.assign(J_i=feedback_inhibition(net, target))
    found = rate(net, fixed_point(net)["S_e"])
    torch.testing.assert_close(found, torch.as_tensor(target).expand(6))


def test_it_grows_with_what_a_region_receives():
    w = torch.rand(6, 6)
    inhibition = feedback_inhibition(network(w=w))
    assert torch.equal(inhibition.argsort(), w.sum(-1).argsort())


@pytest.mark.slow
def test_a_noisy_run_stays_at_3_hz():
    net = network(0.8, noise_S_e=tm.WhiteNoise(3e-5))
    net.assign(J_i=feedback_inhibition(net))
    linearise(net).check_stable()
    x = tm.Simulator(net, dt=0.5).run(6000.0, transient=1000.0, batch_size=8, seed=0)["S_e"]
    torch.testing.assert_close(rate(net, x).mean((0, 1)), torch.full((6,), 3.0), atol=0.05, rtol=0)


def test_gradients_reach_weights_gain_and_rate():
    w, gain, target = torch.rand(3, 3), torch.tensor(0.8), torch.tensor(3.0)
    tuned = lambda w, gain, target: feedback_inhibition(network(gain, 3, w, lamda=0.1), target)
    values = tuple(value.requires_grad_() for value in (w, gain, target))
    assert torch.autograd.gradcheck(tuned, values, fast_mode=True)


def test_with_it_the_rate_does_not_depend_on_the_gain():
    gain = torch.tensor(0.8, requires_grad=True)
    net = network(gain)
    (without,) = torch.autograd.grad(fixed_point(net)["S_e"].sum(), gain)
    net.assign(J_i=feedback_inhibition(net))
    (found,) = torch.autograd.grad(fixed_point(net)["S_e"].sum(), gain)
    assert abs(without) > 0.01
    assert abs(found) < 1e-10


def test_a_fit_of_the_point_of_rest_finds_the_same():
    net = network(0.4, n=3)
    expected = feedback_inhibition(net)
    net.assign(J_i=torch.ones(3)).free("J_i")
    optimiser = torch.optim.LBFGS(net.parameters(), lr=1.0, max_iter=15, line_search_fn="strong_wolfe")

    def loss():
        optimiser.zero_grad()
        value = (rate(net, fixed_point(net, guess={"S_e": 0.16})["S_e"]) / 3.0).log().square().sum()
        value.backward()
        return value

    optimiser.step(loss)
    torch.testing.assert_close(net.node.J_i.detach(), expected, rtol=1e-4, atol=0)


def test_a_batch_of_gains_is_a_loop():
    w, gains = torch.rand(4, 4), torch.tensor([0.2, 0.9])
    found = feedback_inhibition(network(gains.unsqueeze(-1), 4, w))
    torch.testing.assert_close(found, torch.stack([feedback_inhibition(network(gain, 4, w)) for gain in gains]))
    assert feedback_inhibition(tm.WongWangExcInhStep(2)).shape == (2,)


def test_what_cannot_be_tuned_is_refused():
    with pytest.raises(TypeError, match="needs a WongWangExcInhStep or a Network of it, got HopfStep"):
        feedback_inhibition(tm.HopfStep(2))
    with pytest.raises(ValueError, match="coupled through S_e"):
        feedback_inhibition(tm.Network(tm.WongWangExcInhStep(2), torch.ones(2, 2), coupled_var="S_i"))
    with pytest.raises(ValueError, match="rate must be > 0 Hz, got -1"):
        feedback_inhibition(network(), -1.0)
    with pytest.raises(ValueError, match=r"J_i would have to be -.* at index 0: without inhibition"):
        feedback_inhibition(network(0.0), 60.0)
