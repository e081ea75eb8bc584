"""Layers and networks of harmonic oscillators: the reference's numbers, and sequences as with nn.LSTM."""

import copy

import pytest
import torch
from test_horn import ARRAYS
from torch.nn.utils.rnn import pack_sequence

import torchmass as tm


def layer_of(name, n_input, n_hidden, **options):
    """A layer with weights of the reference, which has no 1/√n."""
    layer = tm.HORNSeqLayer(n_input, n_hidden, alpha=0.2, **options)
    return with_weights(layer, name)


def with_weights(layer, name):
    own = lambda part: ARRAYS[f"{name}_{part}"]
    with torch.no_grad():
        layer.input.weight.copy_(own("i2h_weight").mT)
        layer.input.bias.copy_(own("i2h_bias"))
    recurrent = own("W") if f"{name}_W" in ARRAYS else own("h2h_weight").mT
    layer.assign(weights=recurrent, k=1.0)
    return layer


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13)


DELAYS = {"nodelay": None, "delay": ARRAYS["layer_delay_ms"]}


@pytest.mark.parametrize("backend", ["eager", "fused"])
@pytest.mark.parametrize("kind", DELAYS)
def test_a_layer_is_the_reference_s(kind, backend):
    layer = layer_of(f"layer_{kind}", 3, 5, v=0.1, delay=DELAYS[kind])
    layer.simulator.backend = backend
    x, state = layer(ARRAYS["net_in"])
    close(x, ARRAYS[f"layer_{kind}_out"])
    close(state["y"], ARRAYS[f"layer_{kind}_y"][-1])


def test_a_network_is_the_reference_s():
    net = tm.HORNSeqNetwork(3, [5, 4], 2, alpha=0.2)
    for place, layer in enumerate(net.layers):
        with_weights(layer, f"net_l{place}")
    with torch.no_grad():
        net.output.weight.copy_(ARRAYS["net_h2o_weight"].mT)
        net.output.bias.copy_(ARRAYS["net_h2o_bias"])
    close(net(ARRAYS["net_in"])[0], ARRAYS["net_out"])


def test_recurrent_inputs_are_divided_by_the_root_of_the_number_of_units():
    """As in the authors' program: the loop that it runs, written out."""
    layer, s = tm.HORNSeqLayer(2, 7, alpha=0.3, omega=torch.linspace(0.1, 0.4, 7)), torch.randn(30, 4, 2)
    node, weights = layer.simulator.model.node, layer.simulator.model.coupling.weights
    x = y = torch.zeros(4, 7)
    for sample in s:
        u = layer.input(sample) + y @ weights.mT / 7**0.5
        y = y + node.alpha * torch.tanh(u) - 2 * node.gamma * y - node.omega**2 * x
        x = x + y
    found, state = layer(s)
    close(found[-1], x)
    close(state["y"], y)


def test_a_delay_of_d_samples_delays_by_d_samples():
    """Unit 1 is pushed in the first sample; unit 0 hears it one sample after that, and d later with a delay of d."""
    quiet = lambda d: tm.HORNSeqLayer(1, 2, delay=d)
    found = []
    for d in (None, 0.0, 3.0):
        layer = quiet(d)
        layer.assign(weights=[[0.0, 1.0], [0.0, 0.0]])
        with torch.no_grad():
            layer.input.weight.copy_(torch.tensor([[0.0], [5.0]]))
            layer.input.bias.zero_()
        found.append(layer(torch.eye(40, 1))[0][:, 0])
    assert int(found[0].nonzero()[0]) == 1
    close(found[1], found[0])
    close(found[2][3:], found[0][:-3])
    assert not found[2][:4].any()


def test_layers_in_a_network_are_layers_one_after_the_other():
    net, s = tm.HORNSeqNetwork(3, [5, 4], 2, delay=[2.0, None]), torch.randn(20, 2, 3)
    first, one = net.layers[0](s)
    second, two = net.layers[1](first)
    y, state = net(s)
    close(y, net.output(second[-1]))
    close(state, [one, two])
    close(net.hidden_activation(s), [first, second])


@pytest.mark.parametrize("delay", [None, 2.5])
def test_a_state_continues_a_sequence(delay):
    net, s = tm.HORNSeqNetwork(3, [5, 4], 2, delay=delay), torch.randn(9, 2, 3)
    _, state = net(s[:4])
    assert torch.equal(net(s[4:], state)[0], net(s)[0])


def test_batches_are_loops_first_or_second_and_packed():
    net, s = tm.HORNSeqNetwork(2, 6, 3, return_state=False), [torch.randn(n, 2) for n in (5, 8, 8)]
    alone = torch.stack([net(sequence) for sequence in s])
    close(net(pack_sequence(s, enforce_sorted=False)), alone)
    close(net(torch.stack(s[1:], 1)), alone[1:])
    turned = copy.deepcopy(net)
    turned.layers[0].batch_first = True
    close(turned(torch.stack(s[1:])), alone[1:])


def test_each_unit_has_values_of_its_own_that_are_trained():
    net = tm.HORNSeqNetwork(2, [6, 5], 3, gamma=0.02, return_state=False).free("omega", "gamma", "alpha", v=(-1.0, 1.0))
    s = torch.randn(60, 4, 2)
    assert net.layers[1].simulator.model.node.raw.omega.shape == (5,)
    for name, gradient in zip(
        dict(net.named_parameters()), torch.autograd.grad(net(s).square().sum(), [*net.parameters()]), strict=True
    ):
        assert gradient.abs().min() > 0, name


def test_values_are_assigned_to_every_layer():
    net = tm.HORNSeqNetwork(2, [6, 5], 3).assign(k=1.0, v=0.5)
    for layer in net.layers:
        assert (layer.simulator.model.coupling.k.item(), layer.simulator.model.node.v.max().item()) == (1.0, 0.5)
    with pytest.raises(TypeError, match="Network has no parameter 'omga'; did you mean 'omega'"):
        net.assign(omga=1.0)


def test_the_gradient_is_right_with_delays():
    net, s = tm.HORNSeqNetwork(2, [3, 2], 1, delay=1.7).free("omega", "alpha", "delays"), torch.randn(12, 2, 2)
    names = [name for name, _ in net.named_parameters()]

    def loss(*values):
        return torch.func.functional_call(net, dict(zip(names, values, strict=True)), (s,))[0]

    assert torch.autograd.gradcheck(loss, tuple(p.detach().requires_grad_() for p in net.parameters()))


def test_weights_start_as_in_the_authors_program():
    layer = tm.HORNSeqLayer(4, 400)
    assert 0.45 < layer.input.weight.abs().max() <= 0.5
    assert 0.045 < layer.simulator.model.coupling.weights.abs().max() <= 0.05


@pytest.mark.slow
def test_it_learns_to_tell_two_rhythms_apart():
    torch.manual_seed(0)
    net = tm.HORNSeqNetwork(1, 8, 1, return_state=False).free("omega")
    t, fast = torch.arange(100.0)[:, None], torch.rand(64) < 0.5
    s = torch.sin(2 * torch.pi * t / torch.where(fast, 14.0, 28.0) + 6 * torch.rand(64))[..., None]
    optimiser = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(60):
        loss = torch.nn.functional.binary_cross_entropy_with_logits(net(s)[:, 0], fast.double())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert ((net(s)[:, 0] > 0) == fast).double().mean() >= 0.95


S = torch.randn(5, 2, 3, dtype=torch.float64)
WRONG = {
    "a feature too many": (lambda net: net(S[..., :2]), "input_size=3 numbers a sample"),
    "no samples": (lambda net: net(S[:0]), "x has no samples"),
    "an axis too many": (lambda net: net(S[None]), "x must be"),
    "a state of another batch": (lambda net: net(S[:, :1], net(S)[1]), r"state\['x'\] must be \(1, 5\)"),
    "states of too few layers": (lambda net: net(S, net(S)[1][:1]), "state must be one for each of the 2 layers"),
    "delays of too few layers": (lambda net: tm.HORNSeqNetwork(3, [5, 4], 2, delay=[1.0]), "delay must be one for"),
    "no layers": (lambda net: tm.HORNSeqNetwork(3, [], 2), "n_hidden must be the size of a layer, or a list"),
    "no units": (lambda net: tm.HORNSeqLayer(3, 0), "whole number"),
    "an unknown value": (lambda net: tm.HORNSeqLayer(3, 5, omga=0.1), "no parameter 'omga'; did you mean 'omega'"),
    "values of other units": (lambda net: tm.HORNSeqLayer(3, 5, omega=torch.ones(4)), "N=5"),
    "half precision": (lambda net: net.half()(S.half()), "use torch.autocast"),
    "samples that are not finite": (lambda net: net(S / 0), "x_inp must be finite"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said(case):
    ask, message = WRONG[case]
    with pytest.raises((ValueError, TypeError), match=message):
        ask(tm.HORNSeqNetwork(3, [5, 4], 2))
