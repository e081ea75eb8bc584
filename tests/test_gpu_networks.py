"""On a GPU: networks of every kind of coupling, and their gradients, are those of eager steps on the CPU."""

import pytest
import torch
from coupled import LINKS, found, network

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
