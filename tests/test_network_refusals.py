"""What a network, its couplings and their linear theory refuse, with what is wrong and what to do."""

import math

import pytest
import torch

import torchmass as tm

W = torch.tensor([[0.0, 2.0, 0.0], [0.5, 0.0, 0.0], [0.0, 3.0, 0.0]], dtype=torch.float64)  # [to, from]
REST = {"x": torch.zeros(3), "y": torch.zeros(3)}


def network(**options):
    return tm.Network(tm.HopfStep(3, a=-0.1, noise_x=tm.WhiteNoise(0.1)), W, **{"k": 0.01, **options})


def broken(name, **options):
    """A network of which one value that is free became NaN, as in a fit that went wrong."""
    net = network(**options).free(name)
    with torch.no_grad():
        getattr(net.coupling.raw, name).view(-1)[1] = math.nan
    return net


def late(**options):
    return {"delays": torch.full((3, 3), 0.7), **options}


@pytest.mark.parametrize("name", ["forward", "keys", "training", "half", "noise", "a.b", "", "_x", "two words", 3])
@pytest.mark.parametrize("kind", ["coupling", "group"])
def test_a_part_of_a_network_has_a_name_that_hides_nothing(name, kind):
    make = {
        "coupling": lambda: tm.Network(tm.HopfStep(3), coupling={name: tm.AdditiveCoupling(W)}),
        "group": lambda: tm.Network({name: (tm.HopfStep(3), [0, 1, 2])}, W),
    }[kind]
    with pytest.raises(ValueError, match=f"a {kind} cannot be called .*: it must be an identifier"):
        make()


REFUSED = {
    "a string for a model": (lambda: tm.Network("hopf", W), "needs a model such as .*got str"),
    "weights that are complex": (lambda: tm.Network(tm.HopfStep(3), W + 0j), "conn must be real, got torch.complex128"),
    "a connectome of another size": (
        lambda: tm.Network(tm.HopfStep(3), tm.datasets.synthetic_connectome(12, density=0.5)),
        r"conn must be \(\*b, N, N\) with \[to, from\] and N=3, got shape \(12, 12\)",
    ),
    "a speed without distances": (lambda: network(speed=3.0), "speed delays nothing without distance="),
    "batches that do not broadcast": (
        lambda: tm.Simulator(network(k=torch.rand(2, 1), log_gain=torch.rand(3, 3, 3)), 0.1).run(1.0),
        r"must broadcast; they are \[\(2,\), \(3,\)\]",
    ),
    "weights on another device": (
        lambda: tm.Network(tm.HopfStep(3), W.to("meta")),
        "conn is on meta, the model on cpu",
    ),
    "a coupling on another device": (
        lambda: tm.Network(tm.HopfStep(3), coupling=tm.AdditiveCoupling(W.to("meta"))),
        "weights is on meta, the model on cpu",
    ),
    "weights of another dtype": (lambda: tm.Network(tm.HopfStep(3), W.float()), "conn is torch.float32"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_network_refuses(what):
    make, message = REFUSED[what]
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize("backend", ["eager", "fused"])
@pytest.mark.parametrize("room", [None, 5.0])
def test_a_delay_that_is_not_a_number_is_found_before_a_run(backend, room):
    net = broken("delays", **late(max_delay=room))
    with pytest.raises(ValueError, match=r"a delay must be finite, got nan at index \(0, 1\), in ms"):
        tm.Simulator(net, 0.1, backend=backend).run(1.0)


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_delays_that_are_rounded_have_no_gradient_instead_of_0(backend):
    sim = tm.Simulator(network(**late(interpolation="nearest")).free("delays"), 0.1, backend=backend)
    with pytest.raises(ValueError, match="rounded to whole steps have no gradient"):
        sim.run(1.0, seed=0)
    with torch.no_grad():  # as in a search
        sim.run(1.0, seed=0)


@pytest.mark.parametrize("name", ["weights", "delays", "k"])
@pytest.mark.parametrize("ask", [tm.linear.fixed_point, lambda net: tm.linear.linearise(net, REST)])
def test_linear_theory_names_a_value_that_is_not_a_number(name, ask):
    with pytest.raises(ValueError, match=f"Network: {name} is nan"):
        ask(broken(name, **late(), **({"k": torch.full((3,), 0.01)} if name == "k" else {})))


def test_linear_theory_refuses_slopes_that_are_infinite():
    """LAPACK ends the process where it meets one."""
    node = tm.LinearStep(2, gamma=torch.tensor([-1e308, -1.0]))
    with pytest.raises(ValueError, match="not finite, to first order"):
        tm.linear.linearise(tm.Network(node, [[-1e308, 0.0], [0.0, 0.0]], k=10.0), {"x": torch.zeros(2)})
