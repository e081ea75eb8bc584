"""The rhythms of Jansen and Rit's column, and the bifurcations between them."""

import pytest
import torch

import torchmass as tm


def test_jansen_rit_spikes_or_makes_alpha_from_rest_as_p_says():
    """Grimbert & Faugeras 2006: 1.5 to 4.3 Hz for p in 114–137, 10.6 to 11.2 Hz for 140–315, and damped above."""
    p = torch.tensor([115.0, 125.0, 137.0, 140.0, 220.0, 315.0, 340.0])
    sim = tm.Simulator(tm.JansenRitStep(len(p), mu=p), dt=1.0)
    x = sim.run(22_000.0, monitors=["output"], transient=12_000.0)["output"]
    high = (x.amax(0) + x.mean(0)) / 2  # spikes have a small companion, which crosses the mean
    rates = []
    for above in (x > high).T:
        times = (above[1:] & ~above[:-1]).nonzero()[:, 0]
        rates.append(1000 * (len(times) - 1) / float(times[-1] - times[0]))
    assert rates[:-1] == pytest.approx([1.50, 2.81, 4.33, 10.58, 10.95, 11.16], abs=0.02)
    swing = x.amax(0) - x.amin(0)
    assert float(swing[:3].min()) > 2.5 * float(swing[3:].max())
    assert float(swing[-1]) < 0.02


def test_jansen_rit_rests_where_its_sigmoids_say():
    state = tm.Simulator(tm.JansenRitStep(1), dt=1.0).run(2_000.0).state
    assert abs(float(state["E"] - state["I"]) - (-1.90)) < 0.01  # mV, without input


def equilibria(y):
    """States and p for which a column rests at these EEGs, and the largest growth rate there, in 1/ms."""
    node = tm.JansenRitStep()
    v = node.values()
    S = lambda x: v.s_max * torch.sigmoid(v.r * (x - v.v0))
    M = v.Ae / v.be * S(y)
    I = v.Ai / v.bi * v.C * v.a4 * S(v.C * v.a3 * M)
    p = (y + I) * v.be / v.Ae - v.C * v.a2 * S(v.C * v.a1 * M)
    x = torch.stack([M, y + I, I, *torch.zeros(3, len(y))], 1)
    field = lambda x, p: torch.cat([*node.rhs(dict(zip(node.states, x[:, None], strict=True)), E_inp=p).values()])
    slopes = torch.func.vmap(torch.func.jacrev(field))(x, p)
    assert float(torch.func.vmap(field)(x, p).abs().max()) < 1e-10
    return p, torch.linalg.eigvals(slopes).real.amax(1)


@pytest.mark.parametrize(("low", "high", "p"), [(2.0, 3.0, 113.58), (6.3, 7.2, 89.83), (7.5, 8.5, 315.70)])
def test_jansen_rit_changes_its_stability_where_grimbert_and_faugeras_found(low, high, p):
    """Their figure 5: a fold, and two Hopf bifurcations on the upper branch."""
    for _ in range(4):  # each time ten times nearer
        y = torch.linspace(low, high, 12)
        found, growth = equilibria(y)
        k = int((growth[1:] * growth[:-1] < 0).nonzero()[0, 0])
        low, high = float(y[k]), float(y[k + 1])
    assert abs(float(found[k]) - p) < 0.02


@pytest.mark.parametrize(("preset", "low", "high"), [("rest", 0, 0), ("spikes", 1.5, 4.3), ("alpha", 8, 13)])
def test_jansen_rit_does_what_a_preset_says(preset, low, high):
    x = tm.Simulator(tm.JansenRitStep.preset(preset), dt=1.0).run(7_000.0, monitors=["output"], transient=3_000.0)
    eeg = x["output"][:, 0] - x["output"].mean()
    assert low <= int(((eeg[1:] > 0) & (eeg[:-1] <= 0)).sum()) / 4 * (float(eeg.std()) > 1e-3) <= high


def test_jansen_rit_makes_alpha_under_the_noise_of_the_paper():
    """Jansen & Rit 1995, figure 3: p uniform between 120 and 320 Hz."""
    p = 120 + 200 * torch.rand(21_000, 8, generator=torch.Generator().manual_seed(0))
    run = tm.Simulator(tm.JansenRitStep(8), dt=1.0).run(21_000.0, monitors=["output"], inputs=p, transient=1_000.0)
    eeg = run["output"] - run["output"].mean(0)
    power = torch.fft.rfft(eeg.unfold(0, 2000, 2000), dim=-1).abs().square().mean((0, 1))
    frequency = torch.fft.rfftfreq(2000, 1e-3)
    assert 8 <= float(frequency[power.argmax()]) <= 13
    alpha = (frequency >= 8) & (frequency <= 13)
    assert float(power[alpha].sum() / power.sum()) > 0.5
