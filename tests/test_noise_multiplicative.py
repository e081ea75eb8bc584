"""Noise whose strength depends on the state: Stratonovich or Itô as the scheme says; kernels know every process."""

import math

import pytest
import torch
from test_trace import assert_same, evaluate

import torchmass as tm
from torchmass.dynamics import Dynamics, step
from torchmass.kernels.draws import normals
from torchmass.kernels.step.step_graph import StepKind, trace_step
from torchmass.kernels.step.trace import TraceError

GAMMA, SIGMA, START, PATHS = -0.5, 0.8, 1.0, 2000
STRATONOVICH = ("heun", "midpoint", "rk4")


def proportional(s):
    return s.x


def growth(**values):
    """Geometric Brownian motion: dx = γx dt + σx dW."""
    values = {"gamma": GAMMA, "init_x": START, "noise_x": tm.WhiteNoise(SIGMA, g=proportional)} | values
    return tm.LinearStep(1, **values)


def brownian(steps=1024):
    """Normals of the finest steps of 1 ms, (steps, paths, 1)."""
    return normals(3, 0, steps, torch.arange(PATHS), 1, 0)


def end(method, z, merged):
    """Where the same Brownian paths lead at steps that merge some of the finest."""
    dynamics, dt = growth().dynamics(), merged / len(z)
    x = (torch.full((PATHS, 1), START),)
    for normal in z.unflatten(0, (-1, merged)).sum(1) / math.sqrt(merged):
        x = step(dynamics, tm.INTEGRATORS[method], x, [torch.zeros(())], dt, [normal])
    return x[0]


def solution(z, method):
    """x₀ exp(γt + σW) for Stratonovich, x₀ exp((γ − σ²/2)t + σW) for Itô, at 1 ms."""
    growth_rate = GAMMA if method in STRATONOVICH else GAMMA - SIGMA**2 / 2
    return START * torch.exp(growth_rate + SIGMA * z.sum(0) / math.sqrt(len(z)))


ORDERS = {"euler": 0.5, "exp_euler": 0.5, "heun": 1, "midpoint": 1, "rk4": 2}  # rk4: 1 unless f and g commute, as here


@pytest.mark.parametrize(("method", "order"), ORDERS.items())
def test_the_strong_order_against_the_solution_that_the_scheme_has(method, order):
    z = brownian()
    errors = [float((end(method, z, merged) - solution(z, method)).abs().mean()) for merged in (4, 8, 16, 32)]
    measured = math.log2(errors[-1] / errors[0]) / 3
    assert abs(measured - order) < 0.1
    assert errors[0] < 0.03


@pytest.mark.parametrize("method", tm.INTEGRATORS)
def test_the_mean_grows_as_the_calculus_says(method):
    n, rate = 40_000, GAMMA + (SIGMA**2 / 2 if method in STRATONOVICH else 0.0)
    sim = tm.Simulator(growth(), dt=0.02, method=method)
    x = sim.run(1.0, batch_size=n, seed=4)["x"][-1]
    spread = math.exp(rate) * math.sqrt(math.expm1(SIGMA**2) / n)
    assert abs(float(x.mean()) - START * math.exp(rate)) < 4 * spread + 0.01


@pytest.mark.parametrize("method", tm.INTEGRATORS)
def test_a_constant_g_is_additive_noise(method):
    additive = tm.HopfStep(2, a=0.1, w=0.3, noise_x=tm.WhiteNoise(0.1))
    constant = tm.HopfStep(2, a=0.1, w=0.3, noise_x=tm.WhiteNoise(0.05, g=lambda s: 2.0 + 0.0 * s.y))
    a, b = (tm.Simulator(node, 0.1, method).run(5.0, seed=1)["x"] for node in (additive, constant))
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)


BEFORE = {  # x and y after 50 steps, as they were when white noise was the only process
    "euler": (-0.02778717806703589, 0.2355899004732284),
    "heun": (-0.03112513947455416, 0.23101960061151428),
    "midpoint": (-0.031091695107242568, 0.23114523745120552),
    "rk4": (-0.031056693152164343, 0.2310933457214094),
    "exp_euler": (-0.028161169367685215, 0.23578742216534349),
}


@pytest.mark.parametrize("method", BEFORE)
def test_additive_noise_gives_the_numbers_it_gave(method):
    node = tm.HopfStep(1, a=0.1, w=0.3, noise_x=tm.WhiteNoise(0.05), noise_y_inp=tm.WhiteNoise(0.02))
    state = tm.Simulator(node, 0.1, method, "eager").run(5.0, seed=11).state
    found = torch.cat([state["x"], state["y"]])
    torch.testing.assert_close(found, torch.tensor(BEFORE[method]), rtol=1e-13, atol=0)  # libraries differ in the last


def test_an_additive_heun_step_is_bit_for_bit_the_one_written_out():
    node = tm.LinearStep(3, gamma=-0.7, noise_x=tm.WhiteNoise(0.3), noise_x_inp=tm.WhiteNoise(0.2))
    dynamics, dt = node.dynamics(), 0.1
    x, z, zu = torch.randn(3, 3).unbind()
    dw, u = node.noise["x"].sigma * dt**0.5 * z, 0.4 + node.noise["x_inp"].sigma / dt**0.5 * zu
    field = lambda x: node.gamma * x + u
    first = field(x)
    second = field(torch.add(x, first, alpha=dt) + dw)
    expected = torch.add(torch.add(x, first, alpha=dt * 0.5), second, alpha=dt * 0.5) + dw
    (found,) = step(dynamics, tm.INTEGRATORS["heun"], (x,), [torch.tensor(0.4)], dt, (z, zu))
    assert torch.equal(found, expected)


def test_the_gradients_of_sigma_and_of_what_g_sees_are_right():
    node = tm.HopfStep(2, a=0.1, noise_x=tm.WhiteNoise(torch.tensor([0.1, 0.2]), g=lambda s: torch.tanh(s.x * s.y)))
    node.free("init_y").noise["x"].free("sigma")
    sim = tm.Simulator(node, dt=0.1)

    def loss(sigma, y):
        raw = {"model.noise.x.raw.sigma": sigma, "model.raw.init_y": y}
        return torch.func.functional_call(sim, raw, (1.0,), {"seed": 1})["x"].sum()

    start = node.raw.init_y.detach().add(0.3).requires_grad_()
    assert torch.autograd.gradcheck(loss, (node.noise["x"].raw.sigma, start))


def test_each_node_sees_its_own_state_in_a_network():
    values = {"a": 0.0, "w": 0.0, "init_x": torch.tensor([0.0, 0.5]), "init_y": 0.0}
    node = tm.HopfStep(2, **values, noise_x=tm.WhiteNoise(0.1, g=proportional))
    x = tm.Simulator(tm.Network(node, torch.zeros(2, 2)), dt=0.1).run(1.0, seed=1)["x"]
    assert float(x[:, 0].abs().max()) == 0.0
    assert float(x[:, 1].std()) > 0.0


def test_noise_tells_what_it_is():
    assert repr(tm.WhiteNoise(0.5, g=proportional)) == "WhiteNoise(sigma=0.5, g=proportional)"
    assert repr(tm.OUProcess(0.5, 3.0)) == "OUProcess(sigma=0.5, tau=3)"


WRONG = {
    "on an input": (
        lambda: tm.HopfStep(noise_x_inp=tm.WhiteNoise(0.1, g=lambda s: s.x)),
        ValueError,
        "noise_x_inp has g=, but an input is held over the step.*put it on one of the states: noise_x, noise_y",
    ),
    "not a function": (lambda: tm.WhiteNoise(0.1, g=2.0), TypeError, "g must be a function of the states.*got float"),
    "of no state": (
        lambda: tm.HopfStep(noise_x=tm.WhiteNoise(0.1, g=lambda s: s.z)),
        TypeError,
        r"noise_x: g is a function of the states \(x, y\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case):
    wrong, kind, message = WRONG[case]
    with pytest.raises(kind, match=message):
        wrong()


NODES = {  # every kind of process, as kernels must know them
    "multiplicative": lambda n=1: tm.HopfStep(n, noise_x=tm.WhiteNoise(0.1, g=lambda s: s.x * torch.exp(s.y))),
    "OU on a state": lambda n=1: tm.HopfStep(n, noise_y=tm.OUProcess(0.3, 4.0)),
    "OU on an input": lambda n=1: tm.JansenRitStep(n, noise_E_inp=tm.OUProcess(20.0, 4.0)),
    "all": lambda n=1: tm.HopfStep(
        n,
        noise_x=tm.OUProcess(0.3, 4.0),
        noise_y=tm.WhiteNoise(0.2, g=lambda s: s.x),
        noise_x_inp=tm.WhiteNoise(0.1),
        noise_y_inp=tm.OUProcess(0.2, 7.0),
    ),
}


def test_the_kind_of_a_step_knows_functions_but_no_values():
    kind = lambda **noise: StepKind.of(tm.HopfStep(2, **noise).dynamics(), "heun")
    assert kind(noise_x=tm.OUProcess(0.1, 2.0)) == kind(noise_x=tm.OUProcess(torch.ones(3, 1), 5.0))
    assert kind(noise_x=tm.WhiteNoise(0.1, g=proportional)) == kind(noise_x=tm.WhiteNoise(0.2, g=proportional))
    kinds = [tm.WhiteNoise(), tm.WhiteNoise(g=proportional), tm.WhiteNoise(g=lambda s: s.y), tm.OUProcess()]
    assert len({kind(noise_x=noise) for noise in kinds}) == 4


@pytest.mark.parametrize("method", tm.INTEGRATORS)
@pytest.mark.parametrize("case", NODES)
def test_a_traced_step_and_its_adjoint_equal_torch(case, method):
    node, dt = NODES[case](), 0.05
    dynamics = node.dynamics()
    traced = trace_step(StepKind.of(dynamics, method))
    assert traced.states == dynamics.names == tuple(node.states)
    x = [value[0] + 0.1 for value in node.initial_state(seed=1).values()]
    u, z, g = torch.randn(len(node.inputs)), torch.randn(len(dynamics.drives)), torch.randn(len(x))
    leaves = [v.detach().clone().requires_grad_() for v in (*x, *dynamics.p, *dynamics.noise_leaves, *u)]
    after = _whole(dynamics, method, leaves, dt, z)
    expected = torch.autograd.grad(after, leaves, tuple(g), materialize_grads=True)
    before, others = traced.adjoint(traced.leaves)
    labels = [*(f"x_{name}" for name in traced.states), *traced.leaves]
    values = dict(zip(labels, [leaf.detach() for leaf in leaves], strict=True)) | {"dt": torch.tensor(dt)}
    values |= {f"g_{name}": value for name, value in zip(traced.states, g, strict=True)}
    values |= {f"z_{source}": normal for source, normal in zip(traced.drives, z, strict=True)}
    found = evaluate(traced.graph, [*traced.after, *before, *others], values)
    assert_same(found, [value.detach() for value in (*after, *expected)])


def _whole(dynamics: Dynamics, method, leaves, dt, z):
    """The step as a function of the states, parameters, noise leaves and inputs, in the order of a kernel's leaves."""
    states, p, noise = len(dynamics.names), len(dynamics.p), len(dynamics.noise_leaves)
    x, p, s, u = torch.split(torch.stack(leaves), [states, p, noise, len(leaves) - states - p - noise])
    s, drives = iter(s), []
    for drive in dynamics.drives:
        drives.append(drive.holding(*(next(s) for _ in drive.names)))
    held = tm.dynamics.replace(dynamics, p=type(dynamics.p)(*p), drives=tuple(drives))
    return step(held, tm.INTEGRATORS[method], tuple(x), u, dt, tuple(z))


def test_a_g_that_no_kernel_knows_is_refused_with_the_reason():
    node = tm.HopfStep(noise_x=tm.WhiteNoise(0.1, g=lambda s: torch.digamma(s.x)))
    with pytest.raises(TraceError, match="uses digamma, which kernels do not know"):
        trace_step(StepKind.of(node.dynamics(), "heun"))


@pytest.mark.parametrize("method", ["heun", "exp_euler"])
@pytest.mark.parametrize("case", NODES)
def test_fused_equals_eager(case, method):
    node = NODES[case](3)
    for process in node.noise.values():
        process.free(*process.declarations)
    found = []
    for backend in ("eager", "fused"):
        monitors = [*node.states, "output"]
        run = tm.Simulator(node, 0.05, method, backend).run(3.0, seed=1, batch_size=2, monitors=monitors)
        values = [run[name] for name in monitors] + list(run.state.values())
        loss = sum(value.square().mean() for value in values)
        found.append([*values, *torch.autograd.grad(loss, list(node.parameters()))])
    for a, b in zip(*found, strict=True):
        assert float((a - b).detach().abs().max()) <= 1e-12 * float(a.detach().abs().max())
