"""Ornstein–Uhlenbeck noise: its strength and its memory whatever the step, and a state that a run carries on."""

import math

import pytest
import torch

import torchmass as tm
from torchmass.dynamics import step

ETA = "noise_x_inp"


def linear(process, n=1, where=ETA, **values):
    return tm.LinearStep(n, **{"gamma": -1.0, "init_x": 0.0, where: process} | values)


def noisy_hopf(n=3, **values):
    """Every kind of process at once."""
    processes = {
        "noise_x": tm.OUProcess(torch.linspace(0.1, 0.2, n), 2.0),
        "noise_y": tm.WhiteNoise(0.1, g=lambda s: s.x),
        "noise_x_inp": tm.WhiteNoise(0.05),
        "noise_y_inp": tm.OUProcess(0.2, torch.linspace(3.0, 9.0, n)),
    }
    return tm.HopfStep(n, a=0.1, w=0.3, **processes | values)


@pytest.mark.parametrize("ratio", [0.01, 0.5, 2.0])
def test_deviation_and_correlation_are_those_of_the_process_at_any_step_from_the_first_on(ratio):
    n, sigma, dt = 20_000, 0.7, 0.1
    node = linear(tm.OUProcess(sigma, dt / ratio))
    run = tm.Simulator(node, dt=dt).run(1.0, monitors=[ETA], batch_size=n, seed=1)
    eta = torch.cat([node.initial_state(n, seed=1)[ETA][None], run[ETA]])[..., 0] / sigma  # (T, n)
    assert float((eta.std(1) - 1).abs().max()) < 4 / math.sqrt(2 * n)
    assert float(eta.mean(1).abs().max()) < 4 / math.sqrt(n)
    for lag in (1, 2, 5):
        expected = math.exp(-lag * ratio)
        found = float((eta[0] * eta[lag]).mean())
        assert abs(found - expected) < 4 * math.sqrt((1 + expected**2) / n)


@pytest.mark.parametrize("where", ["noise_x", "noise_x_inp"])
def test_a_linear_node_has_the_variance_that_the_process_gives_it(where):
    """σ²τ/(|γ|(1 + |γ|τ)) for small steps; with η held over the step, that of Heun's recursion of x and η."""
    sigma, tau, gamma, dt, n = 0.5, 2.0, -1.0, 0.05, 20_000
    node = linear(tm.OUProcess(sigma, tau), where=where, gamma=gamma)
    x = tm.Simulator(node, dt=dt).run(8.0, monitors=["x"], transient=7.95, batch_size=n, seed=3)["x"][-1]
    a, b, rho = 1 + gamma * dt + (gamma * dt) ** 2 / 2, dt * (1 + gamma * dt / 2), math.exp(-dt / tau)
    discrete = sigma**2 * b**2 * (1 + a * rho) / ((1 - a * rho) * (1 - a**2))
    assert abs(float(x.var()) / discrete - 1) < 4 * math.sqrt(2 / n)
    assert abs(discrete / (sigma**2 * tau / (-gamma * (1 - gamma * tau))) - 1) < 1e-3


@pytest.mark.parametrize("method", tm.INTEGRATORS)
def test_a_process_on_a_state_is_one_on_an_input_that_adds_to_its_derivative(method):
    x = (torch.tensor([0.3]), torch.tensor([0.8]))
    forced, driven = (linear(tm.OUProcess(0.5, 2.0), where=where).dynamics() for where in ("noise_x", "noise_x_inp"))
    u, z, scheme = [torch.tensor(0.2)], [torch.tensor([1.1])], tm.INTEGRATORS[method]
    for a, b in zip(step(forced, scheme, x, u, 0.1, z), step(driven, scheme, x, u, 0.1, z), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-14, atol=0)


def test_the_process_does_not_depend_on_the_method():
    paths = [
        tm.Simulator(linear(tm.OUProcess()), 0.1, method).run(2.0, seed=1, monitors=[ETA]) for method in tm.INTEGRATORS
    ]
    assert all(torch.equal(path[ETA], paths[0][ETA]) for path in paths)


@pytest.mark.parametrize("system", ["node", "network"])
def test_two_halves_make_a_whole(system):
    node = noisy_hopf()
    model = node if system == "node" else tm.Network(node, 0.1 * torch.rand(3, 3), k=0.5)
    sim = tm.Simulator(model, dt=0.1)
    names = ["x", "y", "noise_x", "noise_y_inp"]
    whole, first = sim.run(4.0, seed=1, monitors=names), sim.run(1.7, seed=1, monitors=names)
    second = sim.run(2.3, x0=first.state, monitors=names)
    for name in names:
        assert torch.equal(torch.cat([first[name], second[name]]), whole[name])
        assert torch.equal(second.state[name], whole.state[name])


def test_a_batch_is_a_loop():
    tau = torch.tensor([[1.0], [4.0], [9.0]])
    batch = tm.Simulator(linear(tm.OUProcess(0.3, tau), 2), dt=0.1).run(3.0, seed=1)
    for i in range(3):
        alone = tm.Simulator(linear(tm.OUProcess(0.3, tau[i, 0]), 2), dt=0.1).run(3.0, seed=1, first_simulation=i)
        torch.testing.assert_close(alone["x"], batch["x"][:, i], rtol=1e-14, atol=1e-15)


def test_white_noise_beside_a_process_draws_as_it_did():
    white, silent = {"noise_y": tm.WhiteNoise(0.1)}, {"noise_x": tm.OUProcess(0.0, 3.0)}  # σ = 0 is no noise at all
    nodes = tm.HopfStep(2, **white), tm.HopfStep(2, **white, **silent)
    alone, beside = (tm.Simulator(node, dt=0.1, backend="eager").run(2.0, seed=5)["y"] for node in nodes)
    assert torch.equal(alone, beside)


@pytest.mark.parametrize("where", ["x", "x_inp"])
def test_the_gradients_of_sigma_and_tau_are_right(where):
    node = linear(tm.OUProcess(torch.tensor([0.1, 0.3]), torch.tensor([1.0, 2.0])), 2, where=f"noise_{where}")
    process = node.noise[where].free("sigma", "tau")
    sim = tm.Simulator(node, dt=0.2)

    def loss(sigma, tau):
        raw = {f"model.noise.{where}.raw.sigma": sigma, f"model.noise.{where}.raw.tau": tau}
        run = torch.func.functional_call(sim, raw, (1.0,), {"seed": 1})
        return torch.stack([run["x"].square().sum(), run.state[f"noise_{where}"].sum()])

    assert torch.autograd.gradcheck(loss, (process.raw.sigma, process.raw.tau))


def test_the_gradient_of_sigma_includes_the_start():
    node = linear(tm.OUProcess(0.5, 3.0))
    node.noise["x_inp"].free("sigma")
    state = node.initial_state(seed=2)
    (g,) = torch.autograd.grad(state[ETA].sum(), node.noise["x_inp"].raw.sigma)
    torch.testing.assert_close(g, state[ETA].detach().sum())  # σ = e^raw, and the start is σξ


def test_the_process_is_a_state_like_the_others():
    node = noisy_hopf(2)
    names = ["x", "y", "noise_x", "noise_y_inp"]
    assert list(node.states) == list(node.starts()) == list(node.initial_state(seed=1)) == names
    assert list(node(node.initial_state(seed=1), dt=0.1, seed=1)) == names
    monitors = {"eta": "noise_y_inp", "eeg": "output", "sum": lambda s: s.x + s.noise_x}
    run = tm.Simulator(node, dt=0.1).run(1.0, seed=1, monitors=monitors)
    assert run["eeg"].shape == run["eta"].shape == (10, 2)
    torch.testing.assert_close(run["sum"][-1], run.state["x"] + run.state["noise_x"])
    assert list(run.state) == names
    assert node.states["noise_x"].name == "noise_x"


def test_one_step_by_hand_is_a_step_of_the_simulator():
    node = noisy_hopf(2)
    state = node.initial_state(seed=1)
    for i in range(3):
        state = node(state, dt=0.1, seed=1, step_index=i)
    run = tm.Simulator(node, dt=0.1, backend="eager").run(0.3, seed=1)
    for name, value in run.state.items():
        assert torch.equal(state[name], value)


def test_x0_may_set_the_process():
    node = linear(tm.OUProcess(0.0, 2.0), init_x=0.1)
    run = tm.Simulator(node, dt=0.1).run(0.5, x0={ETA: 0.5}, seed=1, monitors=[ETA])
    torch.testing.assert_close(run[ETA][:, 0], 0.5 * torch.exp(-run.ts / 2.0))


def test_rhs_sees_the_process_that_it_is_given_and_none_otherwise():
    node = noisy_hopf(2)
    state = node.initial_state(seed=1)
    own = {name: state[name] for name in ("x", "y")}
    without, quiet = node.rhs(own), tm.HopfStep(2, a=0.1, w=0.3).rhs(own)
    found = node.rhs(state)
    assert list(found) == ["x", "y"]
    torch.testing.assert_close(without, quiet)
    torch.testing.assert_close(found["x"], quiet["x"] + state["noise_x"])
    torch.testing.assert_close(found["y"], quiet["y"] + state["noise_y_inp"])


def test_check_dt_is_without_the_process():
    quiet = tm.Simulator(tm.HopfStep(2, a=0.1, w=0.3), dt=0.1).check_dt(20.0)
    noisy = tm.Simulator(noisy_hopf(2), dt=0.1).check_dt(20.0)
    assert noisy.noise_off
    assert noisy.differences["x"] == quiet.differences["x"]
    assert noisy.differences.get("noise_x", 0.0) == 0.0


def test_a_process_is_saved_moved_and_loaded():
    node, other = noisy_hopf(2), noisy_hopf(2, noise_x=tm.OUProcess(1.0, 1.0))
    node.noise["x"].free("tau")
    other.load_state_dict(node.state_dict())
    torch.testing.assert_close(other.noise["x"].tau, node.noise["x"].tau)
    run = tm.Simulator(node.float(), dt=0.1).run(1.0, seed=1)
    assert run.state["noise_x"].dtype == torch.float32


@pytest.mark.parametrize("name", ["sigma", "tau"])
def test_a_process_maps_over_its_parameters(name):
    node = linear(tm.OUProcess(0.3, 2.0))
    node.noise["x_inp"].free(name)
    sim, key = tm.Simulator(node, dt=0.1), f"model.noise.x_inp.raw.{name}"
    end = lambda raw: torch.func.functional_call(sim, {key: raw}, (1.0,), {"seed": 1})["x"][-1]
    raw = torch.tensor([0.1, 0.7])
    torch.testing.assert_close(torch.func.vmap(end)(raw), torch.stack([end(one) for one in raw]))


def test_the_gradient_that_is_not_finite_names_the_process():
    node = linear(tm.OUProcess(1e200, 2.0))
    node.noise["x_inp"].free("tau")
    x = tm.Simulator(node, dt=0.1).run(0.5, seed=1)["x"]
    with pytest.raises(tm.NonFiniteError, match=r"with respect to .*tau is not finite"):
        (x * 1e200).sum().backward()


def test_a_normal_start_in_float32_is_finite_in_the_tails(monkeypatch):
    ends = lambda seed, simulations, nodes, source: torch.tensor([[2.0**-33, 1 - 2.0**-33]])
    monkeypatch.setattr("torchmass.start.uniforms", ends)
    start = linear(tm.OUProcess(0.3, 2.0), 2).float().initial_state(seed=1)[ETA]
    assert bool(start.isfinite().all())


WRONG = {
    "a negative deviation": (lambda: tm.OUProcess(-0.1, 1.0), ValueError, "OUProcess.sigma must be ≥ 0"),
    "no time": (lambda: tm.OUProcess(0.1, 0.0), ValueError, "OUProcess.tau must be > 0 ms, got 0"),
    "a shape": (lambda: linear(tm.OUProcess(0.1, torch.ones(3)), 2), ValueError, "noise_x_inp.tau must be a number"),
    "a dtype": (lambda: linear(tm.OUProcess(0.1, 1.0).float()), ValueError, "sigma is torch.float32, the model"),
    "a name": (lambda: linear(tm.OUProcess(0.1, 1.0), where="noise_z"), TypeError, "'noise_z'"),
    "a type": (lambda: linear(0.1), TypeError, "must be a WhiteNoise, got float; or an OUProcess"),
    "an adaptive method": (
        lambda: tm.Simulator(linear(tm.OUProcess(0.1, 1.0)), 0.1, "dopri5").run(1.0),
        ValueError,
        "is for models without noise",
    ),
    "a coupling through it": (
        lambda: tm.Network(linear(tm.OUProcess(0.1, 1.0), 2), torch.ones(2, 2), coupled_var=ETA),
        ValueError,
        "no state 'noise_x_inp'",
    ),
    "a start without a seed": (
        lambda: linear(tm.OUProcess(0.1, 1.0)).initial_state(),
        ValueError,
        "noise_x_inp is a distribution: give a seed",
    ),
    "a step without it": (
        lambda: linear(tm.OUProcess(0.1, 1.0))({"x": torch.zeros(1)}, dt=0.1, seed=1),
        ValueError,
        "no value for 'noise_x_inp'",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case):
    wrong, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        wrong()
