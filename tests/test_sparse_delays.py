"""Delayed connections of a list are those of a matrix: the same values and gradients, in memory of the list alone."""

import resource

import pytest
import torch
from coupled import CANCELS, SAME, assert_same, pairs

import torchmass as tm
from torchmass.kernels import linked

N = 53  # of which no vector is a divisor, and too few for a list of a dense matrix
CONNECTED = (pairs(3, N) < 0.1) | torch.eye(N, dtype=torch.bool)
CONNECTED[7], CONNECTED[:, 11], CONNECTED[20:25] = True, True, False  # one hears all, all hear one, some hear nobody
W, DELAYS = pairs(1, N) / N, pairs(2, N)
SPEEDS = torch.tensor([[2.0], [3.0], [4.0]], dtype=torch.float64)
LEARN = ("k", "weights")
CASES = {
    "interpolated": ({"delays": 0.2 + 15 * DELAYS}, (*LEARN, "delays")),
    "rounded": ({"delays": 15 * DELAYS, "interpolation": "nearest"}, LEARN),
    "held": ({"delays": 0.1 + 15 * DELAYS, "hold": True}, LEARN),
    "shorter than a step": ({"delays": 0.3 * DELAYS}, (*LEARN, "delays")),
    "themselves at once": ({"delays": 2 * DELAYS * (pairs(5, N) < 0.5)}, LEARN),
    "over distances": ({"distance": 0.1 + 9 * DELAYS, "speed": 2.0}, (*LEARN, "speed", "distance")),
    "a batch of speeds": ({"distance": 0.1 + 9 * DELAYS, "speed": SPEEDS}, (*LEARN, "speed")),
    "a batch of weights": ({"conn": torch.stack([W, 2 * W, W.mT]), "delays": 9 * DELAYS}, LEARN),
}


def network(case, kind):
    """The network of a case, given as a list of connections or as matrices with a mask."""
    options, free = dict(CASES[case][0]), CASES[case][1]
    conn = options.pop("conn", W) * CONNECTED
    conn = conn.to_sparse() if kind == "sparse" else conn
    node = tm.HopfStep(N, a=torch.linspace(-0.2, 0.3, N), init_x=0.3, init_y=torch.linspace(-1, 1, N)).free("a")
    net = tm.Network(node, conn, noise=tm.WhiteNoise(0.1), mask=CONNECTED, **options)
    net.coupling.free(*free)
    return net


def kinds(net, method="heun"):
    return [linked.kind_of(link, 0.1, method) for link in net.dynamics().links]


@pytest.mark.parametrize("method", ["heun", "rk4"])
@pytest.mark.parametrize("case", CASES)
def test_a_list_of_delayed_connections_gives_what_their_matrix_gives(case, method):
    sparse, dense = (network(case, kind) for kind in ("sparse", "dense"))
    assert [[kind.is_sparse for kind in kinds(net, method)] for net in (sparse, dense)] == [[True], [False]]
    history = torch.randn(400, N, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    values = []
    for net in (sparse, dense):
        past = history.clone().requires_grad_()
        run = tm.Simulator(net, 0.1, method, backend="fused").run(17.0, seed=1, x0={"history_x": past})
        loss = run["x"].square().sum() + run.state["y"].sum()
        names, parameters = zip(*net.named_parameters(), strict=True)
        gradients = torch.autograd.grad(loss, [*parameters, past])
        values.append({"x": run["x"].detach()} | dict(zip([*names, "history"], gradients, strict=True)))
    for name, value in values[0].items():
        expected = values[1][name]
        expected = expected[..., CONNECTED] if value.shape != expected.shape else expected
        tolerance = SAME[torch.float64] * (1 if name == "x" else CANCELS)
        torch.testing.assert_close(value, expected, rtol=0, atol=tolerance * float(expected.abs().max()))


@pytest.mark.parametrize("case", ["interpolated", "themselves at once"])
def test_kernels_of_delayed_connections_are_their_eager_steps(case):
    assert_same(network(case, "sparse"), duration=6.0)


def test_a_dense_matrix_of_few_connections_that_do_not_learn_is_a_list():
    nodes = 100
    few = pairs(1, nodes) * (pairs(3, nodes) < 0.03)
    net = tm.Network(tm.HopfStep(nodes, init_x=pairs(4, nodes)[0]), few, k=0.1, delays=3 * pairs(2, nodes)).free("k")
    assert [kind.is_sparse for kind in kinds(net)] == [True]
    assert_same(net, duration=4.0)
    net.free("weights")
    assert [kind.is_sparse for kind in kinds(net)] == [False]
    none = tm.Network(tm.HopfStep(nodes), torch.zeros(nodes, nodes), delays=3.0).free("k")
    assert_same(none, duration=1.0)


def test_lists_may_be_of_more_nodes_than_16_bits_count():
    nodes = 70_000
    ends = torch.stack((torch.arange(nodes), torch.arange(nodes).roll(1)))
    conn = torch.sparse_coo_tensor(ends, torch.ones(nodes), (nodes, nodes), check_invariants=True)
    start = torch.linspace(0, 1, nodes)
    net = tm.Network(tm.HopfStep(nodes, init_x=start), conn, coupling="additive", delays=0.2)
    fused, eager = (tm.Simulator(net, 0.1, backend=backend).run(0.3)["x"] for backend in ("fused", "eager"))
    torch.testing.assert_close(fused, eager)


def test_memory_is_of_connections_and_not_of_pairs():
    nodes, degree = 20_000, 20
    source = torch.randint(nodes, (nodes * degree,), generator=torch.Generator().manual_seed(0))
    ends = torch.stack((torch.arange(nodes).repeat_interleave(degree), source))
    conn = torch.sparse_coo_tensor(ends, torch.rand(nodes * degree), (nodes, nodes), check_invariants=True)
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024  # bytes
    before = peak()
    net = tm.Network(tm.HopfStep(nodes, init_x=0.1), conn, k=0.01, delays=3 * conn).free("weights", "k", "delays")
    tm.Simulator(net, 0.1, backend="fused").run(2.0)["x"].square().sum().backward()
    assert peak() - before < 500e6 < 8 * nodes**2
