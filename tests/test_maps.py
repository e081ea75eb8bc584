"""A model that is a map steps by itself: in every backend, in networks, with noise; others refuse it."""

import pytest
import torch
from agreement import assert_equal, outcome

import torchmass as tm

BACKENDS = pytest.mark.parametrize("backend", ["eager", "fused"])
W = torch.tensor([[0.2, 0.5, 0.0], [0.9, 0.0, 0.3], [0.1, 0.7, 0.4]], dtype=torch.float64)
D = torch.tensor([[0.2, 1.0, 2.5], [0.3, 1.0, 4.0], [7.0, 0.5, 3.0]], dtype=torch.float64)


class RickerMap(tm.NeuralMass):
    """Ricker's map of a population, x' = x exp(r(1 − x)) + I, which has no use for dt."""

    x = tm.State(0.5, "", "Population.", bounds=tm.NONNEGATIVE)
    r = tm.Param(1.5, "", "Growth.")
    x_inp = tm.Input("", "Immigration.", port=True)

    @staticmethod
    def update(s, u, p, dt):
        return (s.x * torch.exp(p.r * (1 - s.x)) + u.x_inp,)


def coupled(delays=None, **noise):
    node = RickerMap(3, r=torch.tensor([1.2, 1.5, 1.8]), **noise).free("r")
    net = tm.Network(node, 0.1 * W, coupling="additive", k=0.5, delays=delays)
    net.coupling.free("weights", "k", "b")
    return net if delays is None else net.free("delays")


@BACKENDS
def test_a_run_is_a_loop_over_the_map_with_inputs_as_the_step_begins(backend):
    net, drive, x, rows = coupled(), torch.rand(40, 3), torch.full((3,), 0.5), []
    for u in drive:
        arriving = 0.5 * 0.1 * W @ x
        x = x * torch.exp(net.node.r * (1 - x)) + u + arriving
        rows.append(x)
    r = tm.Simulator(net, dt=0.7, backend=backend).run(40 * 0.7, inputs=drive)
    torch.testing.assert_close(r["x"], torch.stack(rows), rtol=1e-12, atol=1e-14)
    assert r.method == "map"


@pytest.mark.parametrize("delays", [None, D, D.clamp(min=1.0)])
def test_the_fused_loop_of_a_map_is_the_eager_one_with_noise_and_delays(delays):
    net = coupled(delays, noise_x=tm.WhiteNoise(0.01, g=lambda s: 1 + s.x), noise_x_inp=tm.OUProcess(0.01, 3.0))
    inputs = {"x_inp": 0.1 * torch.rand(60, 3)}
    eager, fused = (outcome(tm.Simulator(net, 1.0, backend=b), 60, inputs=inputs) for b in ("eager", "fused"))
    assert_equal(fused, eager)


def test_noise_is_added_after_the_step_in_proportion_to_the_root_of_dt():
    for dt in (0.1, 0.4):
        node = RickerMap(1, r=0.0, noise_x=tm.WhiteNoise(0.02))
        x = tm.Simulator(node, dt).run(dt, batch_size=20_000, seed=1)["x"][-1]
        assert abs(float(x.var()) / (0.02**2 * dt) - 1) < 0.05
    node = RickerMap(2, noise_x=tm.WhiteNoise(0.02, g=lambda s: s.x))
    start = {"x": torch.tensor([0.1, 0.2])}
    (still,) = RickerMap(2)(start, dt=1.0).values()
    (noisy,) = node(start, dt=1.0, seed=1).values()
    (double,) = node.assign(r=0.0)(start, dt=1.0, seed=1).values()
    torch.testing.assert_close(noisy - still, double - start["x"])  # g of the state before the step


def test_transforms_go_through_a_map():
    sim = tm.Simulator(RickerMap(2).free("r"), dt=1.0)
    loss = lambda raw: torch.func.functional_call(sim, {"model.raw.r": raw}, (10.0,))["x"].sum()
    r, h = torch.tensor([1.0, 1.4]), 1e-6
    slopes = torch.stack([(loss(v + h) - loss(v - h)) / (2 * h) for v in r])
    torch.testing.assert_close(torch.vmap(torch.func.grad(loss))(r), slopes, rtol=1e-7, atol=1e-8)


def test_a_step_and_a_run_are_of_the_one_method():
    node = RickerMap(2)
    assert node.methods == coupled().methods == ("map",)
    start = node.initial_state()
    assert torch.equal(node(start, dt=1.0)["x"], node(start, dt=1.0, method="map")["x"])


def both():
    class Both(RickerMap):
        @staticmethod
        def derivative(s, u, p):
            return (s.x,)


REFUSED = {
    "a scheme": (lambda n: tm.Simulator(n, 1.0, "heun"), "RickerMap, which is a map, has no method 'heun'. It has map"),
    "an adaptive method": (lambda n: tm.Simulator(n, 1.0, "dopri5"), "has no method 'dopri5'. It has map"),
    "a scheme of a step": (lambda n: n(n.initial_state(), dt=1.0, method="euler"), "has no method 'euler'"),
    "a map of equations": (
        lambda n: tm.Simulator(tm.HopfStep(2), 1.0, "map"),
        "HopfStep has no method 'map'. It has h",
    ),
    "its derivatives": (lambda n: n.rhs(n.initial_state()), "no time derivatives of x: the model is a map"),
    "a fixed point": (tm.linear.fixed_point, "no time derivatives of x: the model is a map"),
    "a linearisation": (lambda n: tm.linear.linearise(n, at={"x": 1.0}), "no time derivatives"),
    "a check of dt": (lambda n: tm.Simulator(n, 1.0).check_dt(5.0), "'map' is the model's own step"),
    "groups": (lambda n: tm.Network({"a": (n, [0, 1]), "b": (tm.HopfStep(1), [2])}, W), "a steps by itself, as a map"),
    "a derivative beside the map": (lambda n: both(), "Both defines both derivative and update"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_needs_a_derivative_refuses_a_map(case):
    ask, message = REFUSED[case]
    with pytest.raises((ValueError, TypeError), match=message):
        ask(RickerMap(2))


def test_a_map_that_calls_modules_is_never_fused():
    class Learned(RickerMap):
        def __init__(self, in_size=1, **values):
            super().__init__(in_size, **values)
            self.net = torch.nn.Linear(1, 1)

        def update(self, s, u, p, dt):
            return (s.x + dt * self.net(s.x.unsqueeze(-1)).squeeze(-1),)

    sim = tm.Simulator(Learned(2), dt=0.1)
    assert sim.run(50.0)["x"].requires_grad
    assert "its update is a method" in sim.explain(50.0).why
