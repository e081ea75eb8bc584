"""Couplings that read the past: when things arrive, at which order, with which gradient, and what a run remembers."""

import itertools
import math

import pytest
import torch

import torchmass as tm
from torchmass.integrators import INTEGRATORS

W = torch.tensor([[0.0, 2.0, 0.0], [0.5, 0.0, 0.0], [0.0, 3.0, 0.0]], dtype=torch.float64)  # [to, from]
D = torch.tensor([[0.0, 0.73, 0.2], [1.31, 0.0, 0.0], [0.4, 0.27, 0.0]], dtype=torch.float64)  # ms
START = torch.tensor([0.3, -0.4, 0.8], dtype=torch.float64)


def network(node=None, **options):
    node = node or tm.LinearStep(3, gamma=-0.2, init_x=START)
    return tm.Network(node, W, **{"delays": D, "coupling": "additive", **options})


def final(net, duration=4.0, dt=0.1, method="heun", **options):
    return tm.Simulator(net, dt, method, backend="eager").run(duration, **options).state["x"]


def test_an_impulse_arrives_after_its_delay():
    node = tm.LinearStep(3, gamma=-1e6)  # all but forgotten after a step
    net = tm.Network(node, W, delays=10 * D, coupling="additive")
    pulse = torch.zeros(200, 3)
    pulse[20, 1] = 1e9  # node 1 is up from the end of step 20, row 20, on
    x = tm.Simulator(net, 0.1, "exp_euler", backend="eager").run(20.0, inputs=pulse, x0={"x": torch.zeros(3)})["x"]
    arrived = {to: int(x[:, to].nonzero()[0]) for to in (0, 1, 2)}
    assert arrived == {0: 20 + 73 + 1, 1: 20, 2: 20 + 27 + 1}  # a step is one step


@pytest.mark.parametrize("method", INTEGRATORS)
@pytest.mark.parametrize("kind", ["additive", "diffusive", "sine"])
def test_no_delay_is_no_delay(method, kind):
    late, prompt = network(delays=torch.zeros(3, 3), coupling=kind), network(delays=None, coupling=kind)
    torch.testing.assert_close(final(late, method=method), final(prompt, method=method), rtol=1e-13, atol=0)


@pytest.mark.parametrize("method", INTEGRATORS)
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1])
def test_a_run_is_continuous_in_a_delay_that_passes_0_half_a_step_and_a_step(method, delay):
    below, above = max(delay - 1e-9, 0.0), delay + 1e-9
    torch.testing.assert_close(
        final(network(delays=below), method=method), final(network(delays=above), method=method), rtol=0, atol=1e-7
    )


def lagging(dt, method, tau, duration=3.0):
    """x' = −x(t − τ) from a constant past, 1."""
    net = tm.Network(tm.LinearStep(1, gamma=0.0, init_x=1.0), [[-1.0]], delays=tau, coupling="additive")
    return float(final(net, duration, dt, method))


def by_steps(t, tau):
    """The same by the method of steps: Σₖ (−1)ᵏ (t − (k−1)τ)ᵏ/k! over the intervals that have begun."""
    return sum((-1) ** k * (t - (k - 1) * tau) ** k / math.factorial(k) for k in range(int(t / tau) + 2))


@pytest.mark.parametrize(("method", "expected"), [("euler", 1), ("heun", 2), ("midpoint", 2), ("rk4", 2)])
@pytest.mark.parametrize("tau", [1.0, 0.05 * 46 / 3])  # which is a third of a step, or two, off the grid
def test_the_order_in_a_delayed_network(method, expected, tau):
    errors = [abs(lagging(dt, method, tau) - by_steps(3.0, tau)) for dt in (0.05, 0.025, 0.0125)]
    orders = [math.log2(coarse / fine) for coarse, fine in itertools.pairwise(errors)]
    assert orders[-1] > expected - 0.3, (errors, orders)
    if tau == 1.0 and method != "rk4":  # on the grid there is no error of interpolation
        assert orders[-1] < expected + 0.3, (errors, orders)


def test_a_coupling_that_is_held_is_of_first_order_and_evaluated_once():
    exact = final(network(delays=None), 4.0, 1e-3, "rk4")
    errors = [float((final(network(delays=None, hold=True), 4.0, dt) - exact).abs().max()) for dt in (0.1, 0.05, 0.025)]
    assert [round(a / b) for a, b in itertools.pairwise(errors)] == [2, 2]
    one = tm.Network(tm.LinearStep(2, gamma=0.0, init_x=torch.tensor([1.0, 0.0])), [[0.0, 0.0], [1.0, 0.0]], hold=True)
    assert float(final(one, 0.5, 0.5)[1]) == 0.5  # diffusion of a slope of 1, though x moves within the step


def gradient_by_differences(make, value, step=1e-5):
    return (make(value + step) - make(value - step)) / (2 * step)


@pytest.mark.parametrize("method", INTEGRATORS)
def test_the_gradient_of_delays_and_speed_equals_finite_differences(method):
    def loss(speed, late):
        net = network(delays=late, distance=3 * D, speed=speed, coupling="sine", mask=W != 0)
        net.coupling.free("speed", "delays")
        value = tm.Simulator(net, 0.1, method, backend="eager").run(3.0)["x"].square().mean()
        gradients = torch.autograd.grad(value, [net.coupling.raw.speed, net.coupling.raw.delays])
        return (
            value.detach(),
            gradients[0] / speed,
            gradients[1] / late.where(W != 0, 1.0),
        )  # both are exponentials of what is raw

    late, speed = (D + 0.0137) * (W != 0), torch.tensor(2.93)
    _, by_speed, by_delay = loss(speed, late)
    differences = gradient_by_differences(lambda v: loss(v, late)[0], speed)
    torch.testing.assert_close(by_speed, differences, rtol=1e-6, atol=1e-10)
    assert (by_delay != 0).equal(W != 0)
    for i, j in W.nonzero().tolist():
        moved = lambda v, i=i, j=j: loss(speed, late.index_put((torch.tensor(i), torch.tensor(j)), v))[0]
        difference = gradient_by_differences(moved, late[i, j])
        torch.testing.assert_close(by_delay[i, j], difference, rtol=1e-6, atol=1e-10)


def test_on_the_grid_the_gradient_of_a_delay_is_that_towards_longer_delays():
    def loss(late):
        net = network(delays=late)
        net.coupling.free("delays")
        value = tm.Simulator(net, 0.25, backend="eager").run(3.0)["x"].square().mean()
        return value.detach(), torch.autograd.grad(value, net.coupling.raw.delays)[0] / late

    late = torch.full((), 0.5)
    value, gradient = loss(late)
    longer, shorter = ((loss(late + h)[0] - value) / h for h in (1e-7, -1e-7))
    torch.testing.assert_close(gradient, longer, rtol=1e-5, atol=0)
    assert abs(gradient - shorter) > 1e-3


def test_nearest_rounds_delays_to_whole_steps():
    rounded = final(network(delays=torch.floor(D / 0.1 + 0.5) * 0.1))
    torch.testing.assert_close(final(network(interpolation="nearest")), rounded, rtol=1e-12, atol=0)
    assert not torch.allclose(final(network()), rounded, rtol=1e-6)


def test_two_halves_of_a_delayed_run_are_the_whole():
    node = tm.HopfStep(3, noise_x=tm.WhiteNoise(0.1), noise_y_inp=tm.OUProcess(0.1, 5.0))
    sim = tm.Simulator(network(node), 0.1, backend="eager")
    whole = sim.run(6.0, seed=3)
    first = sim.run(2.5, seed=3)
    second = sim.run(3.5, x0=first.state)
    assert torch.equal(torch.cat([first["x"], second["x"]]), whole["x"])
    assert all(torch.equal(whole.state[name], value) for name, value in second.state.items())
    assert first.state["history_x"].shape == (14, 3)


def test_steps_by_hand_are_a_run():
    net = network(tm.HopfStep(3, init_x=START))
    state = net.initial_state(dt=0.1)
    for _ in range(30):
        state = net(state, dt=0.1)
    for name, value in tm.Simulator(net, 0.1, backend="eager").run(3.0).state.items():
        torch.testing.assert_close(state[name], value, rtol=0, atol=0)


def test_the_past_can_be_given_and_has_a_gradient():
    history = torch.randn(20, 3, requires_grad=True)
    run = lambda history: final(network(), 1.0, x0={"history_x": history})
    assert torch.autograd.gradcheck(run, history)
    assert not torch.equal(run(history), final(network(), 1.0))
    torch.testing.assert_close(run(START.expand(20, 3)), final(network(), 1.0))
    node = tm.LinearStep(3, gamma=-0.2, init_x=START).free("init_x")
    assert torch.autograd.grad(final(network(node), 1.0).sum(), node.raw.init_x)[0].abs().min() > 0


@pytest.mark.parametrize("name", ["speed", "delays", "weights", "k"])
def test_a_batch_of_networks_is_a_loop(name):
    values = {
        "speed": torch.tensor([[2.0], [3.1], [7.0]]),
        "delays": torch.rand(3, 3, 3),
        "weights": torch.rand(3, 3, 3),
        "k": torch.rand(3, 1),
    }[name]
    make = lambda value: (lambda net: (net.coupling.assign(**{name: value}), net)[1])(network(distance=2 * D))
    batch = final(make(values))
    for i, value in enumerate(values):
        torch.testing.assert_close(batch[i], final(make(value)), rtol=1e-12, atol=1e-12)


def test_several_couplings_go_from_their_sources_to_their_targets():
    node = tm.JansenRitStep(3)
    rate = tm.SigmoidalJansenRitCoupling(W, source="output", target="E_inp", delays=D, k=50.0)
    plain = tm.AdditiveCoupling(W.mT.contiguous(), source="E", target="M_inp")
    net = tm.Network(node, coupling={"rate": rate, "plain": plain})
    state = {name: torch.rand(3) for name in node.states}
    M = state["E"] - state["I"]
    sent = rate.cmin + (rate.cmax - rate.cmin) * torch.sigmoid(rate.r * (M - rate.midpoint))
    expected = node.rhs(state, E_inp=50 * W @ sent, M_inp=W.mT @ state["E"])
    for key, slope in net.rhs(state).items():
        torch.testing.assert_close(slope, expected[key])
    net.free("rate.k", "midpoint")
    assert set(dict(net.named_parameters())) == {"coupling.rate.raw.k", "coupling.rate.raw.midpoint"}
    with pytest.raises(ValueError, match="'k' is a parameter of both the coupling rate and the coupling plain"):
        net.free("k")
    assert set(tm.Simulator(net, 0.1, backend="eager").run(2.0).state) == {*node.states, "history_output"}


@pytest.mark.parametrize("tau", [0.5, 1.5, 6.5])  # where Ωτ has a positive cosine, and being together is stable
def test_delayed_phases_turn_at_the_frequency_of_the_closed_form(tau):
    n, omega, k = 5, 1.0, 0.3
    net = tm.KuramotoNetwork(n, omega=omega, k=k, delays=tau, init_theta=torch.linspace(0, 1, n))
    theta = tm.Simulator(net, 0.05, backend="eager").run(150.0)["theta"]
    turning = float((theta[-1] - theta[-401]).mean() / 20.0)
    assert (theta[-1] - theta[-1, 0]).abs().max() < 1e-3  # together
    assert turning == pytest.approx(omega - k * (n - 1) / n * math.sin(turning * tau), abs=2e-4)


def test_weights_are_fitted_within_their_mask_their_sign_and_their_symmetry():
    mask = W != 0
    net = network(mask=mask)
    net.coupling.free(weights=tm.NONNEGATIVE)
    torch.testing.assert_close(net.coupling.weights, W)
    final(net).square().sum().backward()
    with torch.no_grad():
        net.coupling.raw.weights.add_(torch.randn(3, 3))
    assert (net.coupling.weights[mask] > 0).all()
    assert not net.coupling.weights[~mask].any()
    both = tm.DiffusiveCoupling(W + W.mT, symmetric=True, log_gain=0.5).free("weights", "log_gain")
    with torch.no_grad():
        both.raw.weights.add_(torch.randn(3, 3))
    torch.testing.assert_close(both.strengths(), both.weights.mT * math.exp(0.5))


def test_a_gain_of_each_weight_keeps_signs_and_zeros():
    net = network(log_gain=torch.randn(3, 3)).free("log_gain")
    torch.testing.assert_close(net.coupling.strengths(), W * net.coupling.log_gain.exp())
    assert torch.autograd.grad(final(net).sum(), net.coupling.raw.log_gain)[0][W != 0].abs().min() > 0


def test_noise_of_a_network_is_that_of_its_nodes():
    white = tm.WhiteNoise(0.3)
    named = network(tm.HopfStep(3), noise={"y": white})
    plain = network(tm.HopfStep(3, noise_y=white))
    assert torch.equal(final(named, seed=1), final(plain, seed=1))
    assert network(tm.HopfStep(3), noise=white).dynamics().drives[0].source == 0


def test_a_second_noise_on_what_has_one_is_refused():
    first, second = tm.WhiteNoise(0.3), tm.OUProcess(0.2)
    with pytest.raises(ValueError, match=r"HopfStep already has noise on x, WhiteNoise\(sigma=0.3\), and .* OUProcess"):
        network(tm.HopfStep(3, noise_x=first), noise=second)
    with pytest.raises(ValueError, match=r"Groups already has noise on a_x, Wh.*; leave out one of them"):
        tm.Network({"a": (tm.HopfStep(3, noise_x=first), [0, 1, 2])}, W, noise={"a_x": second})
    assert list(network(tm.HopfStep(3, noise_x=first), noise={"y": second, "x": first}).node.noise) == ["x", "y"]
    assert network(tm.HopfStep(3, noise_x=first).attach({"x": second}), noise=second).node.noise["x"] is second


BAD = {
    "negative delays": (lambda: network(delays=-D), r"delays must be ≥ 0 ms, got -0.73 at index \(0, 1\)"),
    "delays that are NaN": (lambda: network(delays=D * float("nan")), "delays must be finite, got nan"),
    "a speed of 0": (lambda: network(speed=0.0), r"speed must be > 0 mm/ms, got 0"),
    "a speed for each node": (lambda: network(speed=torch.ones(3)), "one for all nodes"),
    "delays of a wrong shape": (lambda: network(delays=torch.ones(2, 2)), r"delays must be \(\*b, N, N\).*N=3"),
    "an interpolation": (lambda: network(interpolation="cubic"), "must be 'linear' or 'nearest', got 'cubic'"),
    "a delay beyond what is reserved": (
        lambda: final(network(max_delay=1.0)),
        r"a delay is 1.31 at index \(1, 0\), in ms, beyond max_delay=1 ms",
    ),
    "a history that is too short": (lambda: final(network(), x0={"history_x": torch.ones(3, 3)}), "H ≥ 14 steps"),
    "a history of another state": (lambda: final(network(), x0={"history_y": torch.ones(30, 3)}), "history_x"),
    "a history without delays": (
        lambda: final(network(delays=None), x0={"history_x": torch.ones(30, 3)}),
        "no delayed",
    ),
    "a history that is NaN": (lambda: final(network(), x0={"history_x": torch.full((30, 3), math.nan)}), "finite"),
    "a state without a history": (
        lambda: network()({"x": START}, dt=0.1),
        r"history_x.*initial_state\(dt=0.1\)",
    ),
    "an adaptive method": (lambda: tm.Simulator(network(), 0.1, "dopri5").run(1.0), "without delays"),
    "a mask of a wrong shape": (lambda: network(mask=torch.ones(2, 2)), "mask must be"),
    "a weight outside the mask": (lambda: network(mask=torch.eye(3)), "weights must be 0 where the mask"),
    "symmetric weights that are not": (lambda: network(symmetric=True), "must equal its transpose"),
    "a source": (lambda: network(coupled_var="z"), "no state 'z'"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_says_what_is_wrong(what):
    make, message = BAD[what]
    with pytest.raises((ValueError, TypeError), match=message):
        make()
