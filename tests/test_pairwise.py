"""Couplings that are functions of pairs of signals, which no sum of what each node sends can be."""

import pytest
import torch
from coupled import Saturating

import torchmass as tm

W = torch.tensor([[0.0, 2.0, 0.3], [0.5, 0.0, 0.0], [0.7, 3.0, 0.1]], dtype=torch.float64)  # [to, from]


class Phases(Saturating):
    """`SineCoupling`, pair by pair."""

    alpha = tm.Param(0.0, "", "Phase lag of the node that receives.")

    @staticmethod
    def pair(x, y, p):
        return (torch.sin(y - x - p.alpha),)


def test_it_is_a_loop_over_pairs():
    weights, x, slope, k = torch.rand(2, 3, 3), torch.randn(2, 3), torch.tensor([1.0, 2.0, 3.0]), torch.rand(2, 1)
    net = tm.Network(tm.LinearStep(3, gamma=0.0), coupling=Saturating(weights, slope=slope, k=k))
    found = net.rhs({"x": x})["x"]
    for b in range(2):
        for i in range(3):
            sums = sum(weights[b, i, j] * torch.tanh(slope[i] * (x[b, j] - x[b, i])) for j in range(3))
            torch.testing.assert_close(found[b, i], k[b, 0] * sums)


@pytest.mark.parametrize("given", [W, 0.4], ids=["weights", "a number"])
def test_one_that_separates_is_the_same_as_its_sends(given):
    def results(kind):
        node = tm.LinearStep(3, gamma=-0.1, init_x=torch.tensor([0.3, -0.7, 1.2]))
        net = tm.Network(node, coupling=kind(given, 3, k=0.5, alpha=torch.tensor([0.1, 0.2, 0.3])))
        r = tm.Simulator(net.free("k", "weights", "alpha"), 0.1, backend="eager").run(5.0)
        return r["x"], *torch.autograd.grad(r["x"].square().sum(), list(net.parameters()))

    for one, other in zip(results(Phases), results(tm.SineCoupling), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_its_runs_are_eager_and_say_why():
    sim = tm.Simulator(tm.Network(tm.LinearStep(3), coupling=Saturating(W)), 0.1)
    assert "pairs of nodes" in sim.explain(100.0).why
    assert sim.run(1.0).backend == "eager"
    with pytest.raises(Exception, match=r"a function of pairs of nodes.*Use backend='eager'"):
        tm.Simulator(sim.model, 0.1, backend="fused").run(1.0)


def test_it_has_neither_delays_nor_linear_theory_nor_groups_that_are_left_out():
    with pytest.raises(ValueError, match="Saturating defines pair, which has no delays"):
        Saturating(W, delays=1.0)
    with pytest.raises(ValueError, match="linear theory of couplings that define pair"):
        tm.linear.linearise(tm.Network(tm.LinearStep(3), coupling=Saturating(W)), {"x": torch.zeros(3)})
    parts = {"a": (tm.LinearStep(2), [0, 1]), "b": (tm.LinearStep(1), [2])}
    net = tm.Network(parts, coupling={"one": Saturating(W, source={"a": "x"})})
    with pytest.raises(ValueError, match="reads every group"):
        tm.Simulator(net, 0.1).run(1.0)
