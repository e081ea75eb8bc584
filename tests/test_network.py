"""Coupling: orientation, the two kinds, and where things are freed."""

import pytest
import torch

import torchmass as tm

WEIGHTS = torch.tensor([[0.0, 2.0, 0.0], [0.5, 0.0, 0.0], [0.0, 3.0, 0.0]], dtype=torch.float64)  # [to, from]


def test_weights_are_to_from():
    node = tm.LinearStep(3, gamma=0.0)
    x = torch.tensor([1.0, 10.0, 100.0])
    additive = tm.Network(node, WEIGHTS, coupling="additive").rhs({"x": x})["x"]
    assert additive.tolist() == [20.0, 0.5, 30.0]
    diffusive = tm.Network(node, WEIGHTS, coupling="diffusive").rhs({"x": x})["x"]
    assert diffusive.tolist() == [2 * (10 - 1), 0.5 * (1 - 10), 3 * (10 - 100)]


def test_an_impulse_travels_only_along_its_edges():
    x0 = {"x": torch.tensor([0.0, 1.0, 0.0])}
    x = tm.Simulator(tm.Network(tm.LinearStep(3, gamma=0.0), WEIGHTS * (1 - torch.eye(3)[0]), coupling="additive"), 0.1)
    reached = x.run(0.1, x0=x0)["x"][0]
    assert (reached != 0).tolist() == [True, True, True]
    back = x.run(0.1, x0={"x": torch.tensor([0.0, 0.0, 1.0])})["x"][0]
    assert (back != 0).tolist() == [False, False, True]


@pytest.mark.parametrize("kind", ["diffusive", "additive"])
def test_coupling_equals_the_formula_in_a_batch(kind):
    weights, x, k = torch.rand(4, 3, 3), torch.randn(4, 3), torch.rand(4, 1)
    net = tm.Network(tm.LinearStep(3, gamma=0.0), weights, coupling=kind, k=k)
    difference = x[:, None, :] - (x[:, :, None] if kind == "diffusive" else 0)
    expected = k * (weights * difference).sum(-1)
    torch.testing.assert_close(net.rhs({"x": x})["x"], expected)


def test_coupling_enters_the_port_unless_told_otherwise():
    node, weights = tm.JansenRitStep(2), torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    state = {name: torch.ones(2) for name in node.states}
    moved = lambda **where: {
        name
        for name, slope in tm.Network(node, weights, coupling="additive", coupled_var="M", **where).rhs(state).items()
        if not torch.equal(slope, node.rhs(state)[name])
    }
    assert moved() == {"Ev"}
    assert moved(target="M_inp") == {"Mv"}


def test_coupling_is_evaluated_at_every_stage():
    node = tm.LinearStep(2, gamma=0.0, init_x=torch.tensor([1.0, 0.0]))
    net = tm.Network(node, torch.tensor([[0.0, 0.0], [1.0, 0.0]]), coupling="diffusive")
    x = tm.Simulator(net, dt=0.5, method="heun").run(0.5)["x"][0]
    assert float(x[1]) == 0.5 - 0.125


def test_external_inputs_add_to_the_coupling():
    net = tm.Network(tm.LinearStep(3, gamma=0.0), WEIGHTS, coupling="additive")
    x = torch.tensor([1.0, 1.0, 1.0])
    torch.testing.assert_close(net.rhs({"x": x}, x_inp=5.0)["x"], net.rhs({"x": x})["x"] + 5)


def test_free_looks_in_the_coupling_then_in_the_node():
    net = tm.Network(tm.HopfStep(3), WEIGHTS, k=0.5)
    assert net.free("a", "k", "weights") is net
    assert set(dict(net.named_parameters())) == {"node.raw.a", "coupling.raw.k", "coupling.raw.weights"}
    net.free(w=(0.0, 1.0)).fix("w", "weights").assign(k=2.0, beta=3.0)
    assert torch.equal(net.coupling.weights, WEIGHTS)
    torch.testing.assert_close(net.coupling.k, torch.tensor(2.0))
    assert float(net.node.beta) == 3.0


def test_an_ambiguous_name_raises():
    class Gain(tm.NeuralMass):
        x = tm.State(0.1, "", "Activity.")
        k = tm.Param(1.0, "", "A gain of its own.")
        x_inp = tm.Input("", "Input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return (-p.k * s.x + u.x_inp,)

    net = tm.Network(Gain(3), WEIGHTS)
    with pytest.raises(ValueError, match="both the coupling and the node"):
        net.free("k")
    net.coupling.free("k")
    assert set(dict(net.named_parameters())) == {"coupling.raw.k"}


def test_a_coupling_of_the_users_own_is_a_few_lines():
    class Saturating(tm.Coupling):
        """A saturating signal, summed."""

        slope = tm.Param(2.0, "", "Steepness of the signal.")

        @staticmethod
        def send(x, p):
            return (torch.tanh(p.slope * x),)

        @staticmethod
        def receive(x, sums, p):
            return p.k * sums[0]

    net = tm.Network(tm.LinearStep(3, gamma=0.0), coupling=Saturating(WEIGHTS, k=2.0))
    x = torch.randn(3)
    torch.testing.assert_close(net.rhs({"x": x})["x"], 2 * WEIGHTS @ torch.tanh(2 * x))
    net.free("slope")


def test_gradients_of_weights_gain_and_parameters_are_right():
    net = tm.Network(tm.HopfStep(3, a=torch.tensor([0.1, -0.1, 0.2])), WEIGHTS, k=0.5).free("weights", "k", "a")
    sim = tm.Simulator(net, dt=0.1)
    names = [f"model.{name}" for name, _ in net.named_parameters()]
    loss = lambda *values: torch.func.functional_call(sim, dict(zip(names, values, strict=True)), (1.0,))["x"]
    assert torch.autograd.gradcheck(loss, tuple(net.parameters()))


def test_a_connectome_brings_its_weights_its_names_and_at_a_speed_its_delays():
    connectome = tm.datasets.synthetic_connectome(12, density=0.5)
    net = tm.Network(tm.HopfStep(12), connectome, speed=2.0)
    assert torch.equal(net.coupling.weights, connectome.weights)
    torch.testing.assert_close(net.coupling.lags(), connectome.delays(2.0))
    result = tm.Simulator(net, 0.1).run(1.0)
    assert result.labels == net.labels == connectome.labels
    assert tm.Network(tm.HopfStep(12), connectome).coupling.lags() is None
    assert tm.Network(tm.HopfStep(3), WEIGHTS, labels=["a", "b", "c"]).labels == ("a", "b", "c")
    with pytest.raises(ValueError, match="labels must be 3 names"):
        tm.Network(tm.HopfStep(3), WEIGHTS, labels=["a", "b"])
