"""A tensor that is elsewhere than the model is an error that names it."""

import pytest
import torch
from card import CARD, card
from coupled import N, pairs

import torchmass as tm


@pytest.fixture(autouse=True)
def there():
    """A card that the CPU plays."""
    with card(launches=False):
        yield


def hopf(**values):
    return tm.HopfStep(N, **values)


def network(**values):
    return tm.Network(hopf(), pairs(1), delays=pairs(2), **values).to(CARD)


def run(model, **options):
    return tm.Simulator(model, 0.1).run(0.5, **options)


RATES = torch.rand(5, N, dtype=torch.float64)
ELSEWHERE = {
    "an input": (lambda: run(hopf().to(CARD), inputs={"y_inp": RATES}), "input y_inp"),
    "an input of the port": (lambda: run(hopf().to(CARD), inputs=RATES), "input x_inp"),
    "what a callable returns": (lambda: run(hopf().to(CARD), inputs=lambda i, t: RATES[i]), "input x_inp"),
    "a stimulus": (lambda: run(hopf().to(CARD), inputs={"y_inp": tm.stimuli.Sine()}), "input y_inp"),
    "a start": (lambda: run(hopf().to(CARD), x0={"y": RATES[0]}), "y"),
    "a state that is continued": (lambda: run(hopf().to(CARD), x0=run(hopf()).state), "x"),
    "a history": (lambda: run(network(), x0={"history_x": RATES}), "history_x"),
    "a history of all runs": (lambda: tm.Simulator(network(), 0.1, history={"history_x": RATES}), "history_x"),
    "a parameter": (lambda: hopf().to(CARD).assign(a=RATES[0]), "HopfStep.a"),
    "a start of the model": (lambda: hopf().to(CARD).assign(init_x=RATES[0]), "HopfStep.init_x"),
    "weights": (lambda: tm.Network(hopf().to(CARD), pairs(1)), "conn"),
    "sparse weights": (lambda: tm.Network(hopf().to(CARD), pairs(1).to_sparse()), "weights"),
    "weights that are assigned": (lambda: network().assign(weights=pairs(1)), "weights"),
    "delays": (lambda: tm.Network(hopf().to(CARD), pairs(1).to(CARD), delays=pairs(2)), "delays"),
    "distances": (lambda: tm.Network(hopf().to(CARD), pairs(1).to(CARD), distance=pairs(2), speed=1.0), "distance"),
    "a coupling": (
        lambda: tm.Network(hopf().to(CARD), coupling=tm.SineCoupling(pairs(1))),
        "the weights",
    ),
    "noise": (lambda: hopf(noise_x=tm.WhiteNoise(0.1)).to(CARD).noise["x"].assign(sigma=RATES[0]), "WhiteNoise.sigma"),
    "an observer": (lambda: run(hopf().to(CARD), observe=tm.BOLDSignal(tr=100.0)), "BOLDSignal"),
    "a signal": (lambda: tm.BOLDSignal(tr=100.0).to(CARD)(RATES, dt=100.0), "the signal of BOLDSignal"),
}


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_tensor_that_is_elsewhere_is_named(name):
    make, named = ELSEWHERE[name]
    with pytest.raises(ValueError, match=rf"{named}.* is on (cpu|cuda:0), the model on (cpu|cuda:0)"):
        make()
