"""The fused run is an operator of torch: its tracers, transforms and derivatives agree with those of the eager loop."""

import pytest
import torch
from agreement import node_of
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.utils._pytree import tree_map

import torchmass as tm
from torchmass.kernels import call

BACKENDS = ("fused", "eager")
A = torch.tensor([-0.1, 0.05, 0.2], dtype=torch.float64)
EXACT = {"rtol": 1e-12, "atol": 1e-14}


def run_loss(backend, **options):
    """A function of `raw.a` alone: the mean square of a noisy run with all there is."""
    sim = tm.Simulator(tm.HopfStep(2, w=0.3, noise_x=tm.WhiteNoise(0.02)).free("a"), dt=0.1, backend=backend)
    options = {"seed": 1, "inputs": 0.1, "monitors": ["x", "output"]} | options
    return lambda a: functional_call(sim, {"model.raw.a": a}, (3.0,), options)["x"].square().mean()


@pytest.fixture
def calls(monkeypatch):
    """What the two operators are given, call by call."""
    given = {"forward": [], "adjoint": []}
    for name, seen in given.items():
        native = getattr(call, name)
        noted = lambda *args, native=native, seen=seen: seen.append(args) or native(*args)
        monkeypatch.setattr(call, name, noted)
    return given


def detached(value):
    return value.detach() if isinstance(value, torch.Tensor) else value


@pytest.mark.parametrize("checkpoint", ["none", "sqrt"])
def test_the_operators_are_what_torch_expects_of_operators(calls, checkpoint):
    node = node_of(tm.HopfStep, 5, batch=3, noise="two")
    inputs = {"x_inp": torch.rand(40, 5).requires_grad_(), "y_inp": torch.tensor(0.1, requires_grad=True)}
    options = {"monitors": ["x", "output"], "sample_every": 3, "transient": 0.4, "checkpoint": checkpoint, "seed": 1}
    run = tm.Simulator(node, dt=0.1, backend="fused").run(4.0, inputs=inputs, **options)
    run["output"].sum().backward()
    for name in ("forward", "adjoint"):
        ((numbers, *tensors),) = calls[name]
        assert numbers.adjoint
        torch.library.opcheck(getattr(torch.ops.torchmass, name).default, (*numbers, *tree_map(detached, tensors)))


def test_the_operators_of_networks_are_what_torch_expects_of_operators(calls):
    net = tm.Network(tm.HopfStep(3), torch.rand(3, 3), delays=0.35 + torch.rand(3, 3)).free("a", "weights")
    run = tm.Simulator(net, dt=0.1, backend="fused").run(4.0, inputs=torch.rand(40, 2, 3), monitors=["output"])
    (run["output"].sum() + run.state["history_x"].sum()).backward()
    for name in ("forward", "adjoint"):
        ((numbers, *tensors),) = calls[name]
        assert numbers.tails
        arguments = (*numbers, *tree_map(detached, tensors))
        # not the last: between the parts of the path there are places that nobody writes to
        utils = ("test_schema", "test_autograd_registration", "test_faketensor")
        torch.library.opcheck(getattr(torch.ops.torchmass, name).default, arguments, test_utils=utils)


@pytest.mark.slow
@pytest.mark.parametrize("noise", ["none", "multiplicative", "white on an input", "coloured on an input"])
def test_a_loss_of_a_run_and_its_gradient_compile_to_one_graph(noise):
    node = node_of(tm.HopfStep, 3, batch=2, noise=noise)
    drive = torch.rand(50, 3).requires_grad_()
    values = [*node.parameters(), drive]

    def loss(backend, u):
        run = tm.Simulator(node, dt=0.1, backend=backend).run(5.0, inputs=u, seed=1, monitors=["y", "output"])
        return run["y"].square().mean() + run["output"][-1].sum() + run.state["x"].sum()

    expected = loss("eager", drive)
    torch.compiler.reset()
    found = torch.compile(loss, fullgraph=True)("fused", drive)
    torch.testing.assert_close(found, expected, **EXACT)
    gradients = torch.autograd.grad(found, values)
    torch.testing.assert_close(gradients, torch.autograd.grad(expected, values), **EXACT)


def test_a_run_without_a_gradient_compiles_to_one_graph():
    sim, drive = tm.Simulator(tm.HopfStep(3), dt=0.1, backend="fused"), torch.rand(50, 3)
    run = lambda u: sim.run(5.0, inputs=u)["x"]
    torch.compiler.reset()
    found = torch.compile(run, fullgraph=True, backend="aot_eager")(drive)
    torch.testing.assert_close(found, run(drive), **EXACT)


TRANSFORMS = {
    "grad": lambda loss: grad(loss)(A[1]),
    "vmap": lambda loss: vmap(loss)(A),
    "vmap of grad": lambda loss: vmap(grad(loss))(A),
    "grad of vmap": lambda loss: grad(lambda a: vmap(loss)(a).sum())(A),
    "jacrev": lambda loss: jacrev(loss)(A[1]),
    "jacrev of vmap": lambda loss: jacrev(vmap(loss))(A),
    "vmap of vmap": lambda loss: vmap(vmap(loss))(A * torch.ones(2, 1)),
    "jvp": lambda loss: jvp(loss, (A[1],), (torch.tensor(2.0),)),
    "jacfwd": lambda loss: jacfwd(loss)(A[1]),
    "vmap of jvp": lambda loss: vmap(lambda a: jvp(loss, (a,), (torch.ones(()),))[1])(A),
    "jvp of vmap": lambda loss: jvp(vmap(loss), (A,), (torch.linspace(1, 2, 3),)),
}


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_transform_agrees_with_eager(transform):
    found, expected = (TRANSFORMS[transform](run_loss(backend)) for backend in BACKENDS)
    torch.testing.assert_close(found, expected, **EXACT)


def test_transforms_reach_the_start_and_the_inputs():
    def loss(backend, a, x, u):
        return run_loss(backend, x0={"x": x}, inputs=u)(a)

    x, u = torch.rand(3, 2), torch.rand(3, 30)
    for nodes in (u, torch.rand(3, 30, 2)):
        each = [vmap(grad(lambda *v, b=backend: loss(b, *v), (0, 1, 2)))(A, x, nodes) for backend in BACKENDS]
        torch.testing.assert_close(*each, **EXACT)
        shared = [
            vmap(grad(lambda *v, b=backend: loss(b, *v), (0, 1, 2)), (0, None, None))(A, x[0], nodes[0])
            for backend in BACKENDS
        ]
        torch.testing.assert_close(*shared, **EXACT)
    tangents = [
        jvp(lambda *v, b=backend: loss(b, *v), (A[0], x[0], u[0]), (torch.ones(()), x[1], u[1])) for backend in BACKENDS
    ]
    torch.testing.assert_close(*tangents, **EXACT)


@pytest.mark.parametrize("transform", ["vmap", "vmap of grad", "grad of vmap", "vmap of vmap", "vmap of jvp"])
def test_a_vmap_is_a_larger_batch_and_not_a_loop(transform, calls):
    TRANSFORMS[transform](run_loss("fused"))
    batched = (2, 3, 2) if transform == "vmap of vmap" else (3, 2)
    shapes = {name: [tuple(numbers.shape) for numbers, *_ in given] for name, given in calls.items()}
    assert shapes["forward"] == [batched] * (2 if "jvp" in transform else 1)  # a tangent is a run of its own
    assert shapes["adjoint"] == [batched] * ("grad" in transform)


@pytest.mark.parametrize("of", ["a", "start", "input", "sigma"])
def test_a_jvp_is_never_a_silent_zero(of):
    node = tm.HopfStep(2, noise_x=tm.WhiteNoise(0.1)).free("a")
    node.noise["x"].free("sigma")
    sim = tm.Simulator(node, dt=0.1, backend="fused")

    def loss(value):
        named = {"a": {"model.raw.a": value}, "sigma": {"model.noise.x.raw.sigma": value}}.get(of, {})
        options = {"start": {"x0": {"x": value}}, "input": {"inputs": value}}.get(of, {})
        return functional_call(sim, named, (2.0,), {"seed": 1} | options)["x"].square().sum()

    value = torch.tensor(0.3)
    _, tangent = jvp(loss, (value,), (torch.tensor(1.0),))
    assert float(tangent.detach().abs()) > 1e-3
    torch.testing.assert_close(tangent, (loss(value + 1e-6) - loss(value - 1e-6)) / 2e-6, rtol=1e-7, atol=0)
    with torch.autograd.forward_ad.dual_level():
        dual = loss(torch.autograd.forward_ad.make_dual(value, torch.tensor(1.0)))
        torch.testing.assert_close(torch.autograd.forward_ad.unpack_dual(dual).tangent, tangent, rtol=1e-14, atol=0)


SECOND = {
    "hessian": lambda loss: hessian(loss)(A[1]),
    "grad of grad": lambda loss: grad(grad(loss))(A[1]),
    "grad of jvp": lambda loss: grad(lambda a: jvp(loss, (a,), (torch.ones(()),))[1])(A[1]),
    "jvp of grad": lambda loss: jvp(grad(loss), (A[1],), (torch.ones(()),))[1],
    "vmap of hessian": lambda loss: vmap(hessian(loss))(A),
}


@pytest.mark.parametrize("second", SECOND)
def test_a_second_derivative_goes_to_eager_or_raises(second):
    run_loss("fused")(A[1])  # builds the kernel, so that a short run may take it
    assert torch.equal(SECOND[second](run_loss("auto")), SECOND[second](run_loss("eager")))
    with pytest.raises(RuntimeError, match="use backend='eager' for second derivatives"):
        SECOND[second](run_loss("fused"))


def test_a_tangent_of_a_tangent_is_a_run_of_its_own():
    second = lambda loss: jvp(lambda a: jvp(loss, (a,), (torch.ones(()),))[1], (A[1],), (torch.ones(()),))
    torch.testing.assert_close(second(run_loss("fused")), second(run_loss("eager")), **EXACT)


@pytest.mark.slow
def test_a_run_of_states_with_bounds_compiles_with_every_size_open():
    sim, u = tm.Simulator(tm.MontbrioPazoRoxinStep(2), dt=0.1), torch.linspace(0, 1, 40).reshape(20, 2)
    torch.compiler.reset()
    run = lambda u: sim.run(None, inputs=u)["v"]
    torch.testing.assert_close(torch.compile(run, dynamic=True, fullgraph=True, backend="aot_eager")(u), run(u))
