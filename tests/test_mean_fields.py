"""Facts about the mean fields of spiking neurons and about the thalamus."""

import math

import pytest
import torch

import torchmass as tm


def test_coombes_byrne_without_synapses_is_montbrio_pazo_roxin():
    node = tm.CoombesByrneStep(k=0.0, eta=1.0)
    other = tm.MontbrioPazoRoxinStep(J=0.0, tau=1.0, delta=1.0, eta=1.0, init_r=100.0, init_v=0.0)
    runs = [tm.Simulator(model, dt=0.01).run(20.0) for model in (node, other)]
    torch.testing.assert_close(1000 * runs[0]["r"], runs[1]["r"], rtol=1e-10, atol=0)
    torch.testing.assert_close(runs[0]["v"], runs[1]["v"], rtol=1e-10, atol=1e-12)


def test_coombes_byrne_with_fast_synapses_is_the_model_without_memory():
    values = {"Delta": 1.0, "eta": 2.0, "v_syn": -4.0, "k": 1.0, "init_r": 0.1}
    runs = {
        alpha: tm.Simulator(tm.CoombesByrne4dStep(alpha=alpha, init_g=0.1 * math.pi, **values), 0.001).run(10.0)["r"]
        for alpha in (50.0, 100.0)
    }
    plain = tm.Simulator(tm.CoombesByrneStep(**values), 0.001).run(10.0)["r"]
    errors = [float((run - plain).abs().max()) for run in runs.values()]
    assert errors[1] < 0.02
    assert 1.8 < errors[0] / errors[1] < 2.2  # of first order in 1/α


def test_coombes_byrne_oscillates_where_synapses_are_strong():
    """Coombes & Byrne 2019, figure 2: a limit cycle at the paper's values, and rest where k is small."""
    node = tm.CoombesByrne4dStep(2, k=torch.tensor([0.1, 1.0]))
    r = tm.Simulator(node, 0.005).run(150.0, transient=130.0)["r"]
    swing = r.amax(0) - r.amin(0)
    assert float(swing[0]) < 1e-3
    assert abs(float(swing[1]) - 1.23) < 0.02


ADAPTATION = [0.0, 5.0, 60.0]


def test_adaptation_quiets_the_mean_field_of_adex_neurons():
    """di Volo et al. 2019: asynchronous states of a few Hz, where inhibitory neurons fire more."""
    end = tm.Simulator(tm.ZerlautStep(3, b_e=ADAPTATION), 0.1).run(12_000.0).state
    torch.testing.assert_close(end["E"], torch.tensor([3.12, 2.81, 1.41]), rtol=0, atol=0.01)
    assert bool((end["I"] > 3 * end["E"]).all())
    expected = 4.0 * (mean_potential(end) + 65) + 500 * torch.tensor(ADAPTATION) * 1e-3 * end["E"]
    torch.testing.assert_close(end["W_e"], expected, rtol=1e-6, atol=0)


def mean_potential(s):
    """Of excitatory neurons, in mV, from the conductances in nS."""
    f_e, f_i = 400 * (s["E"] + 1e-3) + 400 * 2.5, 100 * (s["I"] + 1e-3)
    G_e, G_i = 1.5 * 5e-3 * f_e, 5 * 5e-3 * f_i
    return (G_i * -80 - 650 - s["W_e"]) / (10 + G_e + G_i)


def test_the_mean_field_of_adex_neurons_has_a_paroxysmal_state():
    node = tm.ZerlautStep(2, b_e=5.0, init_E=torch.tensor([2.0, 150.0]), init_I=torch.tensor([9.0, 150.0]))
    E = tm.Simulator(node, 0.1).run(3000.0).state["E"]
    assert float(E[0]) < 3
    assert abs(float(E[1]) - 193) < 2


def test_the_second_order_tends_to_the_first_as_neurons_become_many():
    first = tm.Simulator(tm.ZerlautStep(), 0.1).run(3000.0).state["E"]
    many = torch.tensor([1e4, 1e5, 1e6])
    node = tm.ZerlautSecondOrderStep(3, N_tot=many, p_connect_e=500 / many, p_connect_i=500 / many)
    excess = tm.Simulator(node, 0.1).run(3000.0).state["E"] - first
    assert 0.005 < float(excess[0]) < 0.02
    torch.testing.assert_close(excess[:-1] / excess[1:], torch.full((2,), 10.0), rtol=0.02, atol=0)


@pytest.mark.slow
def test_the_covariances_are_those_of_rates_that_fluctuate():
    """Noise on the rates of the first order, as strong as that of a finite number of neurons, makes them vary so."""
    node = tm.ZerlautSecondOrderStep(b_e=0.0)
    s, p = tm.Simulator(node, 0.1).run(4000.0).state, node.values()
    count = {"E": p.N_tot * (1 - p.g), "I": p.N_tot * p.g}
    strength = {k: (s[k] * (1e3 / p.T - s[k]) / n).sqrt() / p.T.sqrt() for k, n in count.items()}
    noise = {f"noise_{k}": tm.WhiteNoise(float(sigma)) for k, sigma in strength.items()}
    start = {f"init_{k}": float(s[k]) for k in ("E", "I", "W_e")}
    run = tm.Simulator(tm.ZerlautStep(100, b_e=0.0, **noise, **start), 0.5).run(20_000.0, transient=500.0, seed=1)
    E, I = (run[k] - run[k].mean() for k in ("E", "I"))
    found = torch.stack([(a * b).mean() for a, b in ((E, E), (E, I), (I, I))])
    torch.testing.assert_close(found, torch.cat([s["C_ee"], s["C_ei"], s["C_ii"]]), rtol=0.05, atol=0)


def test_spindles_wax_and_wane_in_a_thalamus_asleep_and_not_in_one_awake():
    """Costa et al. 2016: the potassium leak, raised in sleep, brings spindles of 11 to 15 Hz."""
    run = tm.Simulator(tm.ThalamusStep(2, g_LK=torch.tensor([0.01, 0.03])), 0.02).run(
        16_000.0, monitors=["V_t"], transient=4000.0, sample_every=50
    )
    awake, asleep = run["V_t"].T
    assert float(awake.max() - awake.min()) < 0.1
    envelope = asleep.unfold(0, 500, 500).amax(-1) - asleep.unfold(0, 500, 500).amin(-1)  # mV in half a second
    assert float(envelope.max()) > 15
    assert float(envelope.min()) < 2
    spindling = asleep.unfold(0, 500, 250)[int((asleep.unfold(0, 500, 250).std(-1)).argmax())]
    peaks = ((spindling[1:-1] > spindling[:-2]) & (spindling[1:-1] >= spindling[2:])).sum()
    assert 10 <= 2 * int(peaks) <= 16
