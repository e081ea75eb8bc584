"""Torch's default device is for what users make: what runs is on the device of its model, whatever that is."""

import pytest
import torch
from torch.distributions import Normal

import torchmass as tm

N = 4


def draw(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(1))


def node(**values):
    return tm.HopfStep(N, **{"noise_x": tm.WhiteNoise(0.02)} | values).free("a")


def network(weights=None, **options):
    return tm.Network(node(), conn=draw(N, N) if weights is None else weights, k=0.1, **options).free("k")


def groups():
    return tm.Network([(tm.HopfStep(2).free("a"), [0, 3]), (tm.WilsonCowanStep(2), [1, 2])], conn=draw(N, N), k=0.1)


def observed():
    observers = {"bold": tm.BOLDSignal(tr=100.0), "fc": tm.Correlation(), "band": tm.BandPass(20.0, 60.0, method="iir")}
    return node(), {"observe": {name: observer.of("x") for name, observer in observers.items()}}


CASES = {
    "node": lambda: (node(), {}),
    "a batch that starts anywhere": lambda: (node(init_x=Normal(0.0, 1.0)), {"batch_size": 3}),
    "coloured noise": lambda: (node(noise_x=tm.OUProcess(0.02, 5.0)), {}),
    "network": lambda: (network(), {}),
    "delays": lambda: (network(delays=3 * draw(N, N)), {}),
    "few connections": lambda: (network(draw(N, N).to_sparse(), delays=3 * draw(N, N)), {}),
    "groups": lambda: (groups(), {}),
    "stimulus": lambda: (node(), {"inputs": tm.stimuli.Sine(0.1, 10.0) * tm.stimuli.Step(1.0, 2.0)}),
    "observers": observed,
}


def found(model, backend, **options):
    """All that two runs give, of which one continues the other, and the gradients."""
    sim = tm.Simulator(model, 0.1, backend=backend)
    first = sim.run(120.0, seed=1, **options)
    second = sim.run(120.0, x0=first.state, **options)
    seen = [*first.values(), *second.values()]
    sum(value.square().sum() for value in seen).backward()
    return [*seen, *(value.grad for value in model.parameters())]


@pytest.mark.parametrize("backend", ["eager", "fused"])
@pytest.mark.parametrize("case", CASES)
def test_a_run_is_where_its_model_is(case, backend):
    (model, options), (again, as_before) = CASES[case](), CASES[case]()
    expected = found(model, backend, **options)
    with torch.device("meta"):
        values = found(again, backend, **as_before)
    assert all(map(torch.equal, values, expected))


def test_a_run_without_a_seed_takes_the_same():
    sim, seeds = tm.Simulator(node(), 0.1), []
    for device in ("cpu", "meta"):
        torch.manual_seed(3)
        with torch.device(device):
            seeds.append(sim.run(1.0).seed)
    assert seeds[0] == seeds[1]
