"""On a GPU: networks of every kind of coupling, and their gradients, are those of eager steps on the CPU."""

import warnings

import pytest
import torch
from coupled import LINKS, found, network, pairs

import torchmass as tm

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]
SIMULATIONS = [1, 7, 600]  # one, a few, and more than there are programs


@pytest.mark.parametrize("simulations", SIMULATIONS)
@pytest.mark.parametrize("link", LINKS)
def test_a_network_and_its_gradient_are_those_of_the_cpu(link, simulations):
    options = {"k": torch.rand(simulations, 1, dtype=torch.float64)} if simulations > 1 else {}
    net = network(link, n=33, **options)
    expected = found(net, "eager", duration=5.0)
    for name, value in found(net.to("cuda"), "fused", duration=5.0).items():
        tolerance = 1e-10 * expected[name].abs().max()
        torch.testing.assert_close(value.cpu(), expected[name], rtol=0, atol=float(tolerance) + 1e-15)


CAPTURED = {link: lambda link=link: network(link, max_delay=20.0) for link in LINKS if "delays" in LINKS[link]} | {
    "at once": lambda: network("at once"),
    "masked": lambda: network("late", max_delay=20.0, mask=pairs(3) < 0.4, conn=pairs(1) * (pairs(3) < 0.4)),
    "sparse": lambda: network("at once", conn=(pairs(1, 80) * (pairs(3, 80) < 0.05)).to_sparse(), n=80),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_a_network_is_captured_in_a_graph_with_values_that_change(name):
    net = CAPTURED[name]().to("cuda")
    sim = tm.Simulator(net, 0.1, backend="fused")
    values = list(net.parameters())

    def work():
        x = sim.run(3.0, seed=1)["x"]
        return [x.detach(), *torch.autograd.grad(x.square().sum(), values, allow_unused=True, materialize_grads=True)]

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # builds what is needed before
        work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        found = work()
    with torch.no_grad():
        for value in values:
            value.mul_(0.9)
    graph.replay()
    for ours, expected in zip(found, work(), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-13)


def test_a_second_run_of_a_network_waits_only_for_its_numbers_and_its_gradient():
    net = network("late", max_delay=20.0).to("cuda")
    sim = tm.Simulator(net, 0.1, backend="fused")
    work = lambda: torch.autograd.grad(sim.run(3.0, seed=1)["x"].square().sum(), net.coupling.raw.weights)
    work()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        work()
        torch.cuda.set_sync_debug_mode("default")
    assert sum("called a synchronizing" in str(one.message) for one in warned) == 2
