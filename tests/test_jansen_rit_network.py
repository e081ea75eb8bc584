"""The whole-brain Jansen–Rit model, and the recurrent layers of the reference, which are networks of nodes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import torchmass as tm

ARRAYS = {k: torch.from_numpy(v) for k, v in np.load(Path(__file__).parent / "reference" / "networks.npz").items()}
TR, LAYERS = (
    {k.partition(".")[2]: v for k, v in ARRAYS.items() if k.startswith(kind)} for kind in ("JansenRitTR.", "layers.")
)
STATES = list(tm.JansenRitStep(1).states)
GAINS = {"g_l": 1.1, "g_f": 0.9, "g_b": 0.7}
LOGS = {"w_ll": TR["w_ll"], "w_ff": TR["w_ff"], "w_bb": TR["w_bb"]}
SC = TR["sc"]
N = len(SC)


def whole_brain(conn=SC, **values):
    return tm.JansenRitTR(N, conn, **{**GAINS, **LOGS, **values})


def asymmetric(n=N):
    return torch.rand(n, n, generator=torch.Generator().manual_seed(1)).triu(1)


def test_weights_are_those_of_the_reference():
    """It means to symmetrise the lateral ones, and does not: these are where they are symmetric."""
    net = whole_brain()
    for name, key in (("feedforward", "f"), ("feedback", "b")):
        found = net.coupling[name].strengths()
        torch.testing.assert_close(found, TR[f"Wn_{key}"])
        torch.testing.assert_close(-found.sum(1), TR[f"dg_{key}"])
    both = asymmetric() + torch.eye(N)
    lateral = tm.JansenRitTR(N, both).coupling["lateral"].strengths()
    torch.testing.assert_close(lateral, (both + both.T) / torch.linalg.matrix_norm(both + both.T))


def test_a_run_equals_the_reference_where_a_step_of_the_network_takes_what_it_takes():
    """Its columns send M, subtract what is theirs of E − I, and hear of the others once in ten steps."""
    node, state = tm.JansenRitStep(N), {name: torch.zeros(N) for name in STATES}
    sent, here = [torch.zeros(N)] * 64, torch.arange(N)
    weights = {key: TR[f"Wn_{key}"] for key in "lfb"}
    for row, drive in enumerate(TR["input"][:30]):
        seen = torch.stack(sent[::-1])[TR["delay_steps_used"], here]
        arriving = {key: (weight * seen).sum(1) for key, weight in weights.items()}
        for _ in range(10):
            y = state["E"] - state["I"]
            own = {"l": state["M"], "f": y, "b": y}
            u = {key: GAINS[f"g_{key}"] * (arriving[key] + TR[f"dg_{key}"] * own[key]) for key in weights}
            state = node(state, dt=0.1, method="exp_euler", M_inp=u["l"] + 0.5 * drive, E_inp=u["f"], I_inp=-u["b"])
        sent.append(state["M"])
        found = torch.stack([state[name] for name in "MEI"])
        torch.testing.assert_close(found, TR["MEI_mV"][row], rtol=1e-9, atol=1e-14)


def test_the_right_hand_side_is_that_of_a_column_with_three_inputs():
    conn, state = asymmetric(), {name: torch.randn(N) for name in STATES}
    net, y = whole_brain(conn, mu=100.0), state["E"] - state["I"]
    w = {name: coupling.strengths() for name, coupling in net.couplings.items()}
    heard = {name: (weight * (y[None, :] - y[:, None])).sum(1) for name, weight in w.items()}
    inputs = {"M_inp": 1.1 * heard["lateral"], "E_inp": 0.9 * heard["feedforward"], "I_inp": -0.7 * heard["feedback"]}
    expected = tm.JansenRitStep(N, mu=100.0).rhs(state, **inputs)
    for name, slope in net.rhs(state).items():
        torch.testing.assert_close(slope, expected[name])


def test_columns_in_the_same_state_do_not_notice_that_they_are_joined():
    alone = tm.Simulator(tm.JansenRitStep(mu=150.0), 0.1, backend="eager").run(30.0)
    at_once = tm.Simulator(whole_brain(asymmetric(), mu=150.0), 0.1, backend="eager").run(30.0)
    torch.testing.assert_close(at_once["E"], alone["E"].expand(-1, N), rtol=1e-9, atol=1e-12)


def test_the_fused_loop_gives_what_eager_gives_and_its_gradients():
    net = whole_brain(asymmetric(), delays=0.35 + 3 * SC, mu=torch.linspace(100, 220, N), init_E=10.0)
    net.free("g_l", "g_f", "g_b", "w_ll", "w_ff", "w_bb", "mu")

    def values(backend):
        end = tm.Simulator(net, 0.1, backend=backend).run(8.0, inputs={"M_inp": 0.5}).state["E"]
        return [end, *torch.autograd.grad(end.square().sum(), list(net.parameters()))]

    for ours, expected in zip(values("fused"), values("eager"), strict=True):
        assert (expected != 0).any()
        assert (ours - expected).abs().max() <= 1e-11 * expected.abs().max()


@pytest.mark.parametrize("name", [*GAINS, *LOGS])
def test_the_gradient_of_a_gain_is_that_of_finite_differences(name):
    sim = lambda net: tm.Simulator(net, 0.1, backend="eager").run(3.0).state["E"].sum()
    direction, h = torch.ones(()) if name in GAINS else SC, 1e-5
    make = lambda step: whole_brain(
        asymmetric(), mu=torch.linspace(100, 220, N), init_I=5.0, **{name: at + step * direction}
    )
    at = torch.as_tensor({**GAINS, **LOGS}[name], dtype=torch.float64)
    slope = torch.autograd.functional.jacobian(lambda step: sim(make(step)), torch.zeros(()))
    assert float(slope) != 0
    torch.testing.assert_close(slope, (sim(make(h)) - sim(make(-h))) / (2 * h), rtol=1e-5, atol=1e-9)


def test_values_are_freed_and_assigned_by_the_names_of_the_reference():
    net = whole_brain().free("w_ll", "mu", g_b=(0.0, 5.0))
    assert set(dict(net.named_parameters())) == {
        "coupling.lateral.raw.log_gain",
        "coupling.feedback.raw.k",
        "node.raw.mu",
    }
    net.assign(g_f=3.0, g_b=2.0)
    assert float(net.coupling["feedforward"].k) == 3
    assert float(net.coupling["feedback"].k.detach()) == pytest.approx(2)


def test_a_connectome_brings_labels_and_with_a_speed_its_distances():
    conn = tm.datasets.Connectome(SC, 10 * SC, [f"r{k}" for k in range(N)])
    assert whole_brain(conn).coupling["feedforward"].lags() is None
    net = whole_brain(conn, speed=5.0)
    assert net.labels == tuple(conn.labels)
    for coupling in net.couplings.values():
        torch.testing.assert_close(coupling.lags(), 2 * SC)


def test_a_number_joins_all_pairs_alike():
    one = tm.JansenRitTR(3).coupling["feedforward"].strengths()
    torch.testing.assert_close(one, (1 - torch.eye(3)) / 6**0.5)


BAD = {
    "weights of a wrong shape": (lambda: tm.JansenRitTR(3, SC), "in_size|N=3"),
    "gains of a wrong shape": (lambda: whole_brain(w_ll=torch.ones(2, 2)), "log_gain"),
    "an unknown parameter": (lambda: whole_brain(g_x=1.0), "no parameter 'g_x'"),
    "an unknown name": (lambda: whole_brain().free("w_xx"), "no parameter 'w_xx'"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_says_what_is_wrong(what):
    make, message = BAD[what]
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def linear(name: str, x: Tensor) -> Tensor:
    return x @ LAYERS[f"{name}_weight"] + LAYERS[f"{name}_bias"]


def recurrent(source: str, target: str, weights: Tensor, **values) -> tm.Coupling:
    """A linear layer from the nodes to themselves, which the reference holds over a step."""
    return tm.AdditiveCoupling(weights, source=source, target=target, hold=True, **values)


def test_a_jansen_rit_layer_is_a_network():
    h2h = recurrent("M", "E_inp", LAYERS["layer_h2h_weight"].T, b=LAYERS["layer_h2h_bias"])
    net = tm.Network(tm.JansenRitStep(4), coupling={"h2h": h2h})
    run = tm.Simulator(net, 0.1, "exp_euler").run(8.0, inputs={"E_inp": linear("layer_i2h", LAYERS["layer_in"])})
    torch.testing.assert_close(run["E"] - run["I"], LAYERS["layer_out_mV"], rtol=1e-9, atol=1e-13)


def test_a_jansen_rit_network_is_a_network_with_three_couplings():
    late = torch.ceil(LAYERS["net_delay_ms"] / 0.1) * 0.1  # as it rounds them, some up by a step
    parts = {
        "b": recurrent("M", "M_inp", LAYERS["net_wb"], delays=late),
        "f": recurrent("output", "E_inp", LAYERS["net_wf"]),
        "l": recurrent("output", "I_inp", LAYERS["net_wl"], k=-1.0),
    }
    sim = tm.Simulator(tm.Network(tm.JansenRitStep(4), coupling=parts), 0.1, "exp_euler")
    end = sim.run(8.0, inputs={"M_inp": linear("net_i2h", LAYERS["layer_in"])}).state
    torch.testing.assert_close(linear("net_h2o", end["E"] - end["I"]), LAYERS["net_out"], rtol=1e-9, atol=1e-13)


def test_a_wilson_cowan_layer_is_a_network():
    """Its cross weights are those of the plain model of the reference, whose names are exchanged."""
    h2h = recurrent("rE", "rE_inp", LAYERS["wc_layer_h2h_weight"].T, b=LAYERS["wc_layer_h2h_bias"])
    net = tm.Network(tm.WilsonCowanNoSaturationStep(4, init_rE=0.0, init_rI=0.0), coupling={"h2h": h2h})
    run = tm.Simulator(net, 0.1, "exp_euler").run(8.0, inputs={"rE_inp": linear("wc_layer_i2h", LAYERS["wc_in"])})
    torch.testing.assert_close(run["rE"], LAYERS["wc_layer_out"], rtol=1e-9, atol=1e-13)
