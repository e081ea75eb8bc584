"""Facts of the literature about the phenomenological models that came after the first ones."""

import math

import pytest
import torch

import torchmass as tm


def period(x, dt):
    """The mean time between upward zeros."""
    up = ((x[1:] > 0) & (x[:-1] <= 0)).nonzero()[:, 0]
    at = up - x[up] / (x[up + 1] - x[up])
    return float((at[-1] - at[0]) / (len(at) - 1)) * dt


def exponent(model, dt, interval, count, warm):
    """The largest Lyapunov exponent per ms of a model with two nodes, one of which is brought back to the other."""
    sim, names, size = tm.Simulator(model, dt, "rk4", "fused"), list(model.states), 1e-7
    base = {name: value[:1] for name, value in sim.run(warm).state.items()}
    apart, grown = torch.zeros(len(names)), 0.0
    apart[0] = size
    for k in range(-20, count):
        pair = {name: torch.cat([base[name], base[name] + apart[i]]) for i, name in enumerate(names)}
        end = sim.run(interval, x0=pair, monitors=names[:1]).state
        base, apart = {name: end[name][:1] for name in names}, torch.stack([end[name].diff()[0] for name in names])
        if k >= 0:
            grown += math.log(float(apart.norm()) / size)
        apart = apart * (size / apart.norm())
    return grown / (count * interval)


def test_van_der_pol_is_harmonic_for_a_small_mu():
    x = tm.Simulator(tm.VanDerPolStep(mu=0.1, init_x=2.0), 0.01, "rk4").run(400.0, transient=200.0)["x"][:, 0]
    assert abs(period(x, 0.01) - 2 * math.pi * (1 + 0.1**2 / 16)) < 1e-5
    assert abs(float(x.max()) - 2) < 1e-3


@pytest.mark.parametrize("mu", [10.0, 30.0])
def test_van_der_pol_relaxes_slowly_for_a_large_mu(mu):
    x = tm.Simulator(tm.VanDerPolStep(mu=mu, init_x=2.0), 0.002, "rk4").run(20 * mu, transient=5 * mu)["x"][:, 0]
    expected = (3 - 2 * math.log(2)) * mu + 7.014 * mu ** (-1 / 3)
    assert abs(period(x, 0.002) / expected - 1) < 0.02


def test_stuart_landau_is_hopf_with_beta_1():
    state = tm.Simulator(tm.StuartLandauStep(a=0.3), 0.05, "rk4").run(200.0).state
    assert abs(float(state["x"] ** 2 + state["y"] ** 2) - 0.3) < 1e-8
    runs = [tm.Simulator(node, 0.1).run(50.0) for node in (tm.StuartLandauStep(), tm.HopfStep(beta=1.0))]
    torch.testing.assert_close(runs[0]["x"], runs[1]["x"], rtol=1e-12, atol=0)


def test_threshold_linear_rates_follow_positive_currents_and_die_under_negative_ones():
    """The inhibitory rate decays, too, which it does not in the functional reference."""
    current = torch.tensor([100.0, -50.0]).expand(3000, 2)
    run = tm.Simulator(tm.ThresholdLinearStep(2), 0.1, "rk4").run(300.0, inputs={"E_inp": current, "I_inp": current})
    torch.testing.assert_close(run.state["E"], torch.tensor([6.6, 0.0]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(run.state["I"], torch.tensor([35.1, 0.0]), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(run["E"][:, 1], torch.exp(-run.ts / 20), rtol=1e-8, atol=0)


@pytest.mark.parametrize(
    ("preset", "swings"), [("excitable", [0, 0]), ("limit_cycle", [1.159] * 2), ("bistable", [2.617, 0])]
)
def test_the_generic_oscillator_does_what_a_preset_says(preset, swings):
    node = tm.Generic2dOscillatorStep.preset(
        preset, 2, init_V=torch.tensor([0.1, 2.5]), init_W=torch.tensor([0.0, -2.0])
    )
    V = tm.Simulator(node, 0.5).run(12_000.0, transient=10_000.0, monitors=["V"])["V"]
    torch.testing.assert_close(V.amax(0) - V.amin(0), torch.tensor([*map(float, swings)]), rtol=0, atol=2e-3)


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"preset.*bistable"):
        tm.Generic2dOscillatorStep.preset("bistabel")
    with pytest.raises(ValueError, match="no preset"):
        tm.LinearStep.preset("rest")


def test_lorenz_has_its_exponent_and_its_two_unstable_centres():
    """Sprott 2003, Chaos and Time-Series Analysis: 0.9056."""
    assert abs(exponent(tm.LorenzStep(2), 0.01, 2.5, 1200, 50.0) - 0.906) < 0.01
    node, root = tm.LorenzStep(2), math.sqrt(72)
    centre = {"x": torch.tensor([root, -root]), "y": torch.tensor([root, -root]), "z": torch.tensor(27.0)}
    assert max(float(slope.abs().max()) for slope in node.rhs(centre).values()) < 1e-12


@pytest.mark.parametrize(
    ("preset", "low", "high"), [("fixed_point", -1e3, -1), ("limit_cycle", -1, 1), ("chaos", 5, 20)]
)
def test_larter_breakspear_does_what_a_preset_says(preset, low, high):
    """Breakspear, Terry & Friston 2003: rest, a cycle, and chaos with an exponent of more than 5 per second."""
    assert low < 1000 * exponent(tm.LarterBreakspearStep.preset(preset, 2), 0.1, 20.0, 300, 1000.0) < high
    V = tm.Simulator(tm.LarterBreakspearStep.preset(preset), 0.1).run(3000.0, transient=2000.0)["V"]
    assert (float(V.max() - V.min()) > 0.05) == (preset != "fixed_point")
