"""What a kernel cannot do is refused with the name of the operation and the line of the model, and run by eager."""

import pytest
import torch

import torchmass as tm
from torchmass.kernels.step.trace import TraceError


def model(maths):
    """A model of one state with this derivative."""

    class Odd(tm.NeuralMass):
        x = tm.State(0.1, "", "Activity.")
        a = tm.Param(1.0, "", "Rate.")
        x_inp = tm.Input("", "Input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return (maths(s.x, u.x_inp, p.a),)

    return Odd(2)


REFUSED = {
    "branches on a value.*torch\\.where": lambda x, u, a: -a * x + u if x > 0 else -x,
    "takes a value out of the graph": lambda x, u, a: float(x) * a + u,
    "uses lgamma, which": lambda x, u, a: torch.lgamma(x) * a + u,
    "uses .item of a tensor": lambda x, u, a: x.item() * a + u,
    "uses .dtype of a tensor": lambda x, u, a: torch.ones((), dtype=x.dtype) * a + u,
    "uses div with arguments": lambda x, u, a: torch.div(x, a, rounding_mode="floor") + u,
    "indexes a value, which in a kernel is that of one node": lambda x, u, a: x[..., None].sum(-1) * a + u,
    "uses stack, which": lambda x, u, a: torch.stack([x, u]).sum(0) * a,
}


@pytest.mark.parametrize("reason", REFUSED)
def test_the_operation_and_the_line_are_named(reason):
    with pytest.raises(TraceError, match=rf"cannot be fused: it {reason}.*test_refusals\.py:\d+.*backend='eager'"):
        tm.Simulator(model(REFUSED[reason]), 0.1, backend="fused").run(1.0)


def test_auto_runs_it_eagerly_and_says_why():
    sim = tm.Simulator(model(lambda x, u, a: a - x * torch.special.i0(x) + u), 0.1)
    assert sim.run(100.0).backend == "eager"
    assert "i0, which kernels do not know" in sim.explain(100.0).why


def test_methods_of_tensors_are_functions_of_torch():
    methods = model(lambda x, u, a: x.tanh().clamp(min=-0.5) - a * x.abs().pow(2) + u.exp())
    functions = model(lambda x, u, a: torch.tanh(x).clamp(min=-0.5) - a * torch.abs(x) ** 2 + torch.exp(u))
    found = tm.Simulator(methods, 0.1, backend="fused").run(5.0)["x"]
    expected = tm.Simulator(functions, 0.1, backend="eager").run(5.0)["x"]
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


class Learned(tm.NeuralMass):
    """A model with a term that is a network."""

    x = tm.State(0.1, "", "Activity.")
    a = tm.Param(1.0, "", "Rate.")
    x_inp = tm.Input("", "Input.", port=True)

    def __init__(self, in_size, **values):
        super().__init__(in_size, **values)
        self.term = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
        self.register_buffer("gain", torch.tensor(1.0))

    def derivative(self, s, u, p):
        return (self.gain * self.term(s.x[..., None])[..., 0] - p.a * s.x + u.x_inp,)


def test_a_derivative_that_is_a_method_sees_its_module_as_it_is_now():
    sim = tm.Simulator(Learned(2), 0.1)
    before = sim.run(1.0)
    sim.model.gain.fill_(2.0)
    after = sim.run(1.0)
    assert (before.backend, after.backend) == ("eager", "eager")
    assert "derivative is a method" in sim.explain(100.0).why
    assert not torch.equal(before["x"], after["x"])


def test_a_network_inside_a_derivative_trains_with_the_model():
    sim = tm.Simulator(Learned(2).free("a"), 0.1)
    sim.run(1.0)["x"].sum().backward()
    assert all(bool((p.grad != 0).any()) for p in sim.parameters())
    assert {name.split(".")[1] for name, _ in sim.named_parameters()} == {"raw", "term"}


@pytest.mark.slow
def test_compile_runs_a_network_inside_a_derivative_as_eager_does():
    node, found = Learned(2), []
    for backend in ("eager", "compile"):
        r = tm.Simulator(node, 0.1, "euler", backend).run(1.0)
        found += [(r["x"], *torch.autograd.grad(r["x"].sum(), node.term.parameters()))]
    torch.testing.assert_close(*found, rtol=1e-10, atol=1e-12)
