"""Fixed points: where slopes are 0, where runs end, and how they move with parameters."""

import pytest
import torch
from conftest import FLOWS

import torchmass as tm
from torchmass.linear import fixed_point

SLOW = pytest.mark.slow


def weights(n: int = 4) -> torch.Tensor:
    return torch.rand(n, n) * (1 - torch.eye(n))


@pytest.mark.parametrize(
    "cls", [pytest.param(cls, marks=SLOW if cls is tm.ZerlautSecondOrderStep else ()) for cls in FLOWS]
)
def test_every_model_has_one_where_its_slopes_are_0(cls):
    node = cls(2)
    slopes = node.rhs(fixed_point(node))
    for slope in slopes.values():
        torch.testing.assert_close(slope, torch.zeros(2), atol=1e-10, rtol=0)


def test_linear_nodes_rest_where_algebra_says():
    w, current = weights(), torch.randn(4)
    net = tm.Network(tm.LinearStep(4, gamma=-3.0), w, coupling="additive", k=0.5, b=0.2)
    expected = torch.linalg.solve(3 * torch.eye(4) - 0.5 * w, current + 0.2)
    torch.testing.assert_close(fixed_point(net, inputs={"x_inp": current})["x"], expected)


@pytest.mark.parametrize("delays", [None, 7.0])
def test_a_run_ends_there_with_delays_or_without(delays):
    net = tm.Network(tm.JansenRitStep(4), weights(), coupling="additive", coupled_var="output", k=2.0, delays=delays)
    state, start = tm.Simulator(net, dt=0.1).run(2000.0).state, net.initial_state()
    found = fixed_point(net, guess=start)
    for name, value in found.items():
        torch.testing.assert_close(value, state[name], atol=1e-8, rtol=1e-8)


def test_of_several_the_one_that_the_guess_is_near_to_is_found():
    node = tm.Network(tm.WongWangExcInhStep(1, G=1.5, J_i=1.94), [[1.0]], coupling="additive")
    low, high = (fixed_point(node, guess={"S_e": start})["S_e"] for start in (0.05, 0.8))
    run = tm.Simulator(node, dt=1.0).run(20000.0, x0={"S_e": torch.tensor([[0.05], [0.8]])})
    torch.testing.assert_close(run["S_e"][-1], torch.stack([low, high]), atol=1e-6, rtol=0)
    assert high > low + 0.1


def test_groups_of_models_rest_together():
    parts = {"a": (tm.ReducedWongWangStep(2), [0, 2]), "b": (tm.WongWangExcInhStep(1), [1])}
    net = tm.Network(parts, 0.1 * weights(3), coupling="additive")
    found = fixed_point(net)
    assert {name: tuple(value.shape) for name, value in found.items()} == {"a_S": (2,), "b_S_e": (1,), "b_S_i": (1,)}
    for slope in net.rhs(found).values():
        torch.testing.assert_close(slope, torch.zeros_like(slope), atol=1e-12, rtol=0)


def test_a_batch_of_parameters_is_a_loop():
    w, gains = weights(), torch.tensor([0.05, 0.1, 0.2])
    make = lambda k: tm.Network(tm.ReducedWongWangStep(4), w, coupling="additive", k=k)
    found = fixed_point(make(gains.unsqueeze(-1)))["S"]
    torch.testing.assert_close(found, torch.stack([fixed_point(make(k))["S"] for k in gains]))


def test_derivatives_are_those_of_the_implicit_function_up_to_the_second():
    w, k = weights(2).requires_grad_(), torch.tensor(0.1, requires_grad=True)

    def rest(w, k):
        return fixed_point(tm.Network(tm.ReducedWongWangStep(2), w, coupling="additive", k=k))["S"]

    assert torch.autograd.gradcheck(rest, (w, k))
    assert torch.autograd.gradgradcheck(lambda k: rest(w.detach(), k), (k,), atol=1e-4, fast_mode=True)


def test_free_parameters_get_a_gradient():
    node = tm.ReducedWongWangStep(2).free("w", "I_o")
    fixed_point(node)["S"].sum().backward()
    assert all(bool(parameter.grad.abs() > 0) for parameter in node.parameters())


def test_in_float32_it_is_found_to_the_last_digits():
    torch.set_default_dtype(torch.float32)
    node = tm.JansenRitStep(2)
    single, double = fixed_point(node), fixed_point(node.to(torch.float64))
    for name, value in single.items():
        torch.testing.assert_close(value.double(), double[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("system", [tm.LinearStep(2, gamma=0.0), tm.KuramotoNetwork(3)], ids=["linear", "phases"])
def test_where_there_is_none_it_says_so_and_what_is_left(system):
    inputs = {next(iter(system.inputs)): 0.3}
    with pytest.raises(ValueError, match=r"no fixed point was found; the largest slope left is .* per ms"):
        fixed_point(system, inputs=inputs)


class Pushed(tm.NeuralMass):
    """Falls below what its bounds admit."""

    category, use_case = "phenomenological", "test"
    x = tm.State(1.0, "", "Activity.", bounds=tm.NONNEGATIVE)
    x_inp = tm.Input("", "Input.", port=True)

    @staticmethod
    def derivative(s, u, p):
        return (-1 - s.x + u.x_inp,)


def test_one_outside_the_bounds_of_a_state_is_refused():
    with pytest.raises(ValueError, match="x = -1 at index 0, but x must be ≥ 0"):
        fixed_point(Pushed(1))
    torch.testing.assert_close(fixed_point(Pushed(1), inputs={"x_inp": 1.5})["x"], torch.tensor([0.5]))


def test_wrong_names_are_refused():
    with pytest.raises(TypeError, match="no state 'S_x'"):
        fixed_point(tm.WongWangExcInhStep(1), guess={"S_x": 0.1})
    with pytest.raises(TypeError, match="no input 'coupling_'"):
        fixed_point(tm.WongWangExcInhStep(1), inputs={"coupling_": 0.1})
