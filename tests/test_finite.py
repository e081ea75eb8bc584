"""Numbers that are not finite stop a run or a gradient, and the error names the step and the parameter."""

import pytest
import torch

import torchmass as tm
from torchmass.undefined import tolerant


def exploding(**options):
    """A Hopf node with a step far too large: the cubic term overshoots."""
    node = tm.HopfStep(2, a=torch.tensor([0.1, 0.1]), init_x=torch.tensor([0.1, 30.0])).free("a")
    return tm.Simulator(node, dt=0.1, **options)


def test_a_state_that_leaves_the_finite_numbers_names_the_step_the_state_and_the_node():
    with pytest.raises(tm.NonFiniteError, match=r"from [xy] at index \(1,\) after step \d+ \(t = [\d.]+ ms\)") as error:
        exploding().run(5.0)
    step = int(str(error.value).split("after step ")[1].split()[0])
    kept = exploding().run(5.0, allow_nonfinite=True)
    good = kept["x"].isfinite().all(-1) & kept["y"].isfinite().all(-1)
    assert bool(good[: step - 1].all())
    assert not bool(good[step - 1])


def test_other_members_of_a_batch_may_be_kept():
    x = exploding().run(5.0, allow_nonfinite=True)["x"]
    assert bool(x[:, 0].isfinite().all())
    assert not bool(x[:, 1].isfinite().all())


BACKENDS = pytest.mark.parametrize("backend", ["eager", "fused"])


@BACKENDS
def test_a_gradient_that_breaks_on_the_way_back_names_the_step_and_the_parameter(backend):
    class Root(tm.NeuralMass):
        x = tm.State(0.0, "", "Grows as its parameter.")
        y = tm.State(0.0, "", "Follows the root of x, whose slope is infinite at 0.")
        a = tm.Param(0.0, "", "Growth.")
        x_inp = tm.Input("", "Input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return p.a + u.x_inp, torch.sqrt(s.x)

    sim = tm.Simulator(Root(1).free("a"), dt=0.5, method="euler", backend=backend)
    drive = torch.tensor([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    loss = sim.run(3.0, inputs=drive)["y"].sum()
    with pytest.raises(tm.NonFiniteError, match=r"gradient for a is not finite: it broke at the state x after step 3 "):
        loss.backward()


@BACKENDS
def test_a_loss_that_is_not_finite_is_named_as_such(backend):
    node = tm.HopfStep(1).free("a", "w")
    loss = torch.log(tm.Simulator(node, dt=0.1, backend=backend).run(1.0)["x"] * 0).sum()
    with pytest.raises(tm.NonFiniteError, match=r"gradient for a, w .*after step 10 \(t = 1 ms\); the loss"):
        loss.backward()


@BACKENDS
def test_a_parameter_gradient_that_overflows_is_named(backend):
    node = tm.LinearStep(1, gamma=-1.0, init_x=1e200).free("gamma")
    x = tm.Simulator(node, dt=0.1, method="euler", backend=backend).run(0.1)["x"]
    with pytest.raises(tm.NonFiniteError, match="with respect to gamma"):
        (x * 1e200).sum().backward()


def test_an_adaptive_run_that_is_not_finite_raises():
    class Blowup(tm.NeuralMass):
        x = tm.State(1.0, "", "Reaches infinity in finite time.")
        a = tm.Param(1.0, "", "Rate.")
        x_inp = tm.Input("", "Input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return (p.a * s.x**2 + u.x_inp,)

    sim = tm.Simulator(Blowup(1), dt=0.5, method="heun3")
    with pytest.raises(tm.NonFiniteError, match="x is not finite"):
        sim.run(20.0)


@pytest.mark.parametrize("backend", ["eager", "fused"])
@pytest.mark.parametrize("coupled", [False, True])
def test_where_failures_are_tolerated_a_gradient_that_is_not_finite_is_that_of_its_simulation_alone(coupled, backend):
    def gradient(a):
        node = tm.HopfStep(2, w=0.3).free(a=(-9.0, 1.0))
        weights = torch.tensor([[0.0, 1.0], [0.5, 0.0]])
        sim = tm.Simulator(tm.Network(node, weights, delays=1.0) if coupled else node, dt=0.5, backend=backend)
        raw = torch.logit((torch.tensor(a) + 9) / 10).reshape(-1, 1).requires_grad_()
        path = "model.node.raw.a" if coupled else "model.raw.a"
        with tolerant():
            x = torch.func.functional_call(sim, {path: raw}, (400.0,), {"monitors": ["x"]})["x"]
            losses = x.square().mean((0, -1))
            return torch.autograd.grad(losses[losses.isfinite()].sum(), raw)[0].flatten()

    found = gradient([-1.0, -8.0, -2.0, 0.5])
    assert found.isfinite().tolist() == [True, False, True, True]
    torch.testing.assert_close(found[[0, 2, 3]], gradient([-1.0, -2.0, 0.5]), rtol=1e-12, atol=0)
