"""torch.func and torch.compile go through a step and through a run."""

from functools import partial

import pytest
import torch
from torch.func import functional_call, grad, jacrev, jvp, vmap

import torchmass as tm

METHODS = pytest.mark.parametrize("method", tm.INTEGRATORS)
A = torch.tensor([-0.1, 0.05, 0.2], dtype=torch.float64)


def system(kind):
    node = tm.HopfStep(2, w=0.3, noise_x=tm.WhiteNoise(0.02)).free("a")
    return node if kind == "node" else tm.Network(node, torch.tensor([[0.0, 1.0], [0.3, 0.0]]), k=0.2)


def run_loss(method, kind="node"):
    """A function of `raw.a` alone: the mean square of a short noisy run."""
    sim = tm.Simulator(system(kind), dt=0.1, method=method)
    name = next(name for name, _ in sim.named_parameters())
    return lambda a: functional_call(sim, {name: a}, (1.0,), {"seed": 1})["x"].square().mean()


def step_loss(method):
    node = system("node")
    state = {"x": torch.tensor([0.3, -0.1]), "y": torch.tensor([0.0, 0.2])}
    step = {"dt": 0.1, "method": method, "seed": 1}
    return lambda a: functional_call(node, {"raw.a": a}, (state,), step)["x"].square().sum()


def losses(method):
    return {"step": step_loss(method), "run": run_loss(method), "network": run_loss(method, "network")}


@METHODS
@pytest.mark.parametrize("what", ["step", "run", "network"])
def test_transforms_agree_with_finite_differences_and_loops(method, what):
    loss, h = losses(method)[what], 1e-6
    difference = torch.stack([(loss(a + h) - loss(a - h)) / (2 * h) for a in A])
    gradients = torch.stack([grad(loss)(a) for a in A])
    torch.testing.assert_close(gradients, difference, rtol=1e-7, atol=1e-9)
    torch.testing.assert_close(vmap(loss)(A), torch.stack([loss(a) for a in A]), rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(vmap(grad(loss))(A), gradients, rtol=1e-13, atol=1e-15)
    torch.testing.assert_close(jacrev(vmap(loss))(A).diagonal(), gradients, rtol=1e-13, atol=1e-15)
    for a, gradient in zip(A, gradients, strict=True):
        value, tangent = jvp(loss, (a,), (torch.ones(()),))
        torch.testing.assert_close(tangent, gradient, rtol=1e-12, atol=1e-15)
        torch.testing.assert_close(value, loss(a))


def test_a_second_derivative_is_right():
    loss, h = run_loss("heun"), 1e-5
    difference = (grad(loss)(A[1] + h) - grad(loss)(A[1] - h)) / (2 * h)
    torch.testing.assert_close(grad(grad(loss))(A[1]), difference, rtol=1e-7, atol=1e-10)


def test_a_run_may_be_vmapped_over_its_start_and_its_inputs():
    sim = tm.Simulator(tm.HopfStep(2), dt=0.1)
    start, drive = torch.rand(3, 2), torch.rand(3, 10)
    mapped = vmap(lambda x, u: sim.run(1.0, x0={"x": x}, inputs=u)["x"])(start, drive)
    for i in range(3):
        torch.testing.assert_close(mapped[i], sim.run(1.0, x0={"x": start[i]}, inputs=drive[i])["x"])


@pytest.mark.slow
@METHODS
def test_compile_takes_one_step_as_one_graph(method):
    node = tm.Network(tm.JansenRitStep(3), torch.rand(3, 3), coupling="additive", coupled_var="M").free("Ae", "k")
    state = {name: torch.rand(3) for name in node.states}
    torch.compiler.reset()
    step = torch.compile(lambda state, u: node(state, dt=0.1, method=method, E_inp=u), fullgraph=True)
    drive = torch.full((3,), 220.0)
    compiled, eager = step(state, drive), node(state, dt=0.1, method=method, E_inp=drive)
    torch.testing.assert_close(compiled, eager, rtol=1e-12, atol=1e-12)
    parameters = tuple(node.parameters())
    expected = torch.autograd.grad(eager["Ev"].sum(), parameters)
    torch.testing.assert_close(torch.autograd.grad(compiled["Ev"].sum(), parameters), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_a_node_lives_inside_any_module():
    class Readout(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.drive, self.node = torch.nn.Linear(4, 3), tm.HopfStep(3).free("a", "w")

        def forward(self, features):
            state = self.node.initial_state(batch_size=len(features))
            for _ in range(3):
                state = self.node(state, dt=0.5, x_inp=self.drive(features))
            return state["x"].sum(-1)

    model, features = Readout(), torch.randn(5, 4)
    torch.compiler.reset()
    compiled = torch.compile(model, fullgraph=True)(features)
    torch.testing.assert_close(compiled, model(features))
    compiled.sum().backward()
    assert all(bool(parameter.grad.abs().sum() > 0) for parameter in model.parameters())


@pytest.mark.slow
def test_compile_around_a_run_never_unrolls_it():
    sim = tm.Simulator(tm.HopfStep(2).free("a"), dt=0.1)
    loss = lambda u: sim.run(20.0, inputs=2 * u)["x"].square().mean()
    drive = 0.01 * torch.randn(200, 2)
    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True)(drive)  # 200 unrolled steps would compile for an hour
    torch.testing.assert_close(compiled, loss(drive), rtol=1e-12, atol=0)
    raw = sim.model.raw.a
    expected = torch.autograd.grad(loss(drive), raw)
    torch.testing.assert_close(torch.autograd.grad(compiled, raw), expected, rtol=1e-12, atol=0)


LINKED = {
    "at once": {"conn": torch.rand(80, 80, dtype=torch.float64) / 80 * (torch.rand(80, 80) < 0.05)},
    "alike": {"conn": 0.01},
    "late": {"conn": torch.ones(2, 2, dtype=torch.float64), "delays": [[0.05, 2.0], [1.0, 0.5]]},
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", LINKED)
def test_compile_takes_a_run_of_a_network_as_one_operator(kind, quickly_built):
    nodes = 80 if kind == "at once" else 2
    net = tm.Network(tm.HopfStep(nodes), **LINKED[kind]).free("a", "k")
    sim = tm.Simulator(net, dt=0.1, backend="fused")
    loss = lambda u: (run := sim.run(None, inputs=2 * u))["x"].square().mean() + run.state["y"].sum()
    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager", dynamic=True)
    for steps in (20, 30):
        drive = 0.1 * torch.randn(steps, nodes)
        found, expected = compiled(drive), loss(drive)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)
        gradients = [torch.autograd.grad(value, tuple(net.parameters())) for value in (found, expected)]
        torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
def test_compile_does_not_see_delays_and_says_what_it_needs():
    net = tm.Network(tm.HopfStep(2), torch.ones(2, 2), delays=1.0).free("delays")
    compiled = partial(torch.compile, fullgraph=True, backend="eager")
    short = lambda net: tm.Simulator(net, dt=0.1).run(0.3)["x"]
    torch.compiler.reset()
    with pytest.raises(Exception, match=r"need max_delay= inside torch\.compile"):
        compiled(short)(net)
    reserved = tm.Network(tm.HopfStep(2), torch.ones(2, 2), delays=1.0, max_delay=1.5).free("delays")
    run = compiled(short)
    run(reserved)
    reserved.assign(delays=1.6)
    with pytest.raises(RuntimeError, match="or beyond max_delay: allow more"):
        run(reserved)


def test_compile_never_unrolls_the_eager_loop():
    sim = tm.Simulator(tm.HopfStep(2), dt=0.1, backend="eager")
    torch.compiler.reset()
    with pytest.raises(Exception, match="not unrolled into a graph"):
        torch.compile(lambda: sim.run(2.0)["x"], fullgraph=True)()
