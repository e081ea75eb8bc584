"""Facts of the literature about the physiological models that came after the first ones."""

import pytest
import torch

import torchmass as tm
from torchmass.models.wong_wang import rate


def decisions(coherence, count=200):
    """The states in which two seconds of stimulus end, (count,) each."""
    noise = {f"noise_S{k}_inp": tm.OUProcess(0.02 / 2**0.5, 2.0) for k in (1, 2)}
    sim = tm.Simulator(tm.WongWangStep(**noise), dt=0.5)
    end = sim.run(2000.0, inputs={"coherence": coherence}, batch_size=count, seed=1).state
    return end["S1"][:, 0], end["S2"][:, 0]


def test_wong_wang_decides_and_the_more_surely_the_more_coherent_the_stimulus_is():
    """Wong & Wang 2006, figures 2 and 3: one population wins, by chance at coherence 0, always at 51.2 %."""
    chosen = []
    for coherence in (0.0, 0.032, 0.064, 0.128, 0.256, 0.512):
        S1, S2 = decisions(coherence)
        chosen.append(float((S1 > S2).double().mean()))
        assert float((S1 - S2).abs().median()) > 0.5
    assert abs(chosen[0] - 0.5) < 0.1
    assert chosen == sorted(chosen)
    assert chosen[-1] == 1.0


def test_wong_wang_ends_where_the_paper_s_populations_do():
    S1, S2 = decisions(0.032)
    assert abs(float(torch.maximum(S1, S2).median()) - 0.66) < 0.01
    assert abs(float(torch.minimum(S1, S2).median()) - 0.06) < 0.01


def test_wong_wang_keeps_a_decision_without_the_stimulus():
    """Without it the spontaneous state and two persistent ones are stable."""
    node = tm.WongWangStep(3, mu_0=0.0, init_S1=torch.tensor([0.1, 0.6, 0.05]), init_S2=torch.tensor([0.1, 0.05, 0.6]))
    end = tm.Simulator(node, dt=0.5).run(5000.0).state
    torch.testing.assert_close(end["S1"], torch.tensor([0.103, 0.567, 0.032]), rtol=0, atol=1e-3)
    torch.testing.assert_close(end["S2"], torch.tensor([0.103, 0.032, 0.567]), rtol=0, atol=1e-3)


def test_the_firing_rate_and_its_slope_are_right_at_the_threshold():
    """At aI = b the curve is 0/0; its value there is 1/d and its slope a/2."""
    a, b, d = torch.tensor(270.0), torch.tensor(108.0), torch.tensor(0.154)
    current = (b / a + torch.tensor([0.0, 1e-9, -1e-7, 1e-4])).requires_grad_()
    found = rate(current, a, b, d)
    (slope,) = torch.autograd.grad(found.sum(), current)
    torch.testing.assert_close(found, 1 / d + a / 2 * (current - b / a), rtol=1e-5, atol=0)
    torch.testing.assert_close(slope, (a / 2).expand(4), rtol=5e-3, atol=0)


def test_the_excitatory_population_rests_near_3_hz():
    """Deco et al. 2014: feedback inhibition holds it there."""
    node = tm.WongWangExcInhStep()
    s, p = tm.Simulator(node, dt=0.5).run(5000.0).state, node.values()
    x = p.w_p * p.J_N * s["S_e"] - p.J_i * s["S_i"] + p.W_e * p.I_o
    assert abs(float(rate(x, p.a_e, p.b_e, p.d_e)) - 3.08) < 0.01


@pytest.mark.parametrize(("G", "states"), [(0.0, [0.034]), (0.6, [0.047, 0.781]), (1.2, [0.866])])
def test_the_reduced_model_has_one_state_two_and_one_as_regions_excite_each_other_more(G, states):
    """Deco et al. 2013, figure 2: low activity, then bistable, then high activity alone; every region gets G S."""
    node = tm.ReducedWongWangStep(2, w=0.9 + G, init_S=torch.tensor([0.0, 1.0]))
    end = tm.Simulator(node, dt=1.0).run(20_000.0).state["S"]
    torch.testing.assert_close(end, torch.tensor([states[0], states[-1]]), rtol=0, atol=1e-3)


@pytest.mark.parametrize(("preset", "S", "hz"), [("deco_2013", 0.0344, 0.555), ("tvb", 0.0980, 1.695)])
def test_the_reduced_model_rests_where_a_preset_says(preset, S, hz):
    """Where opening and closing balance, S = γτH/(1 + γτH)."""
    node = tm.ReducedWongWangStep.preset(preset)
    end, p = tm.Simulator(node, dt=1.0).run(20_000.0).state["S"], node.values()
    fired = rate(p.w * p.J_N * end + p.I_o, p.a, p.b, p.d)
    assert abs(float(end) - S) < 1e-4
    assert abs(float(fired) - hz) < 1e-3
    gain = p.gamma * p.tau_S * 1e-3 * fired
    torch.testing.assert_close(end, gain / (1 + gain), rtol=1e-8, atol=0)


@pytest.mark.parametrize(("x0", "seizes"), [(-1.6, True), (-2.0, True), (-2.1, False), (-2.4, False)])
def test_seizures_come_and_go_where_the_tissue_is_epileptogenic(x0, seizes):
    """Jirsa et al. 2014; the boundary lies near −2.06."""
    run = tm.Simulator(tm.EpileptorStep(x0=x0), 0.05).run(12_000.0, transient=2000.0, sample_every=20, monitors=["x1"])
    firing = (run["x1"][:, 0] > 0).double().unfold(0, 200, 200).amax(1)  # of stretches of 200 ms
    starts = int((firing.diff() > 0).sum())
    assert (starts >= 2) == seizes
    assert (float(firing.max()) == 0) != seizes
    assert (starts >= 2 and int((firing.diff() < 0).sum()) >= 2) == seizes


@pytest.mark.parametrize(("Iext", "threshold"), [(3.1, -2.062), (2.8, -1.987)])
def test_the_slow_epileptor_seizes_above_the_knee_of_its_cubic(Iext, threshold):
    """Proix et al. 2014: epileptogenic above x0 = −2.06."""
    knee = 1 + Iext - 32 / 27  # z where x = −4/3
    assert abs(-4 / 3 - knee / 4 - threshold) < 1e-3
    node = tm.Epileptor2dStep(2, x0=torch.tensor([threshold - 0.01, threshold + 0.01]), Iext=Iext)
    x1 = tm.Simulator(node, 0.1).run(20_000.0, transient=5000.0, sample_every=10)["x1"]
    starts = ((x1[1:] > 0) & (x1[:-1] <= 0)).sum(0)
    assert starts[0] == 0
    assert starts[1] >= 3
    assert float(x1[:, 0].max()) < -4 / 3
