"""A run of a network on a GPU waits for the device twice, to see whether it and its gradient are finite; else never."""

import pytest
import torch
from coupled import LINKS, N, mixed, network, pairs
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from triton.runtime.interpreter import GridExecutor

import torchmass as tm
from torchmass import links, looks, undefined
from torchmass.kernels import linked, operator

# what the host waits for on a GPU: numbers, sizes that depend on values, and what is copied there
WAITS = {"_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "bincount", "unique_dim", "_unique2"}
WAITS |= {"unique_consecutive", "repeat_interleave", "lift_fresh", "_assert_async"}
BOOLS = (torch.bool, torch.uint8)


class Watch(TorchDispatchMode):
    """Keeps the names of all operations that a GPU is waited for in."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation._schema.name.split("::")[1]
        if operation.namespace == "torchmass":  # whose inside is seen too
            with self:
                return getattr(operator, f"_{name}")(*args)
        at = args[1] if name.startswith("index") and isinstance(args[1], (list, tuple)) else ()
        by_mask = any(isinstance(one, torch.Tensor) and one.dtype in BOOLS for one in at)
        self.waits += [name] if by_mask or name in WAITS else []
        return operation(*args, **(kwargs or {}))


@pytest.fixture(autouse=True)
def as_on_a_gpu(monkeypatch):
    for module in (links, linked, looks):
        monkeypatch.setattr(module, "waits", lambda x: True)
    launched = GridExecutor.__call__

    def launch(*args, **options):
        with _disable_current_modes():  # the kernel is interpreted
            return launched(*args, **options)

    monkeypatch.setattr(GridExecutor, "__call__", launch)


@pytest.fixture
def in_a_graph(monkeypatch):
    """Once it is called nobody may look at values."""
    hide = lambda x: True
    return lambda: [monkeypatch.setattr(module, "is_hidden", hide) for module in (looks, undefined)]


def sparse(weights):
    net = tm.Network(tm.HopfStep(N, init_x=pairs(4)[0]).free("a"), weights, k=torch.rand(3, 1))
    net.coupling.free("k")
    return net


def learning(link, **options):
    """A network whose delays have room to learn, where it has some."""
    room = {"max_delay": 20.0} if "delays" in LINKS[link] else {}
    return network(link, **room, **options)


FEW = pairs(1) * (pairs(3) < 0.4)
NETWORKS = {link: lambda link=link: learning(link) for link in LINKS} | {
    "delays that do not learn": lambda: network("late").fix("delays"),
    "masked": lambda: learning("late", mask=FEW != 0, conn=FEW),
    "delays of each simulation": lambda: learning("late", delays=0.2 + 9 * torch.stack([pairs(2), pairs(5)])),
    "a sparse matrix": lambda: sparse(FEW.to_sparse()).free("weights"),
    "few weights": lambda: sparse(FEW),
    "models of several kinds": mixed,
}


def work(net):
    """A run and its gradient."""
    r = tm.Simulator(net, 0.1, backend="triton").run(0.2, seed=1)
    loss = sum(value.square().sum() for name, value in r.items() if name != "ts")
    return [*r.values(), *torch.autograd.grad(loss, list(net.parameters()))]


@pytest.fixture
def few(monkeypatch):
    for name, value in {"LEAST_NODES": 1, "PAIRS_PER_NODE": 1.0, "MOST_PAIRS": 0.5}.items():
        monkeypatch.setattr(linked, name, value)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_second_run_waits_for_its_numbers_and_its_gradient_and_in_a_graph_for_nothing(few, in_a_graph, name):
    net = NETWORKS[name]()
    first = work(net)
    with Watch() as watch:
        work(net)
    assert len(watch.waits) == 2, watch.waits
    in_a_graph()
    with Watch() as watch:
        captured = work(net)
    assert watch.waits == []
    for ours, expected in zip(captured, first, strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=0)


def test_delays_that_learn_need_room_in_a_graph(in_a_graph):
    net = network("late")
    in_a_graph()
    with pytest.raises(ValueError, match=r"need max_delay= inside torch\.compile and in CUDA graphs"):
        work(net)


def test_a_delay_beyond_its_room_is_named_where_nobody_looked_before_the_run():
    net = network("late", max_delay=9.3)
    with torch.no_grad():
        net.coupling.raw.delays[1, 0] = 3.0  # exp(3.0) ms
    with pytest.raises(ValueError, match=r"a delay is 20.0855 at index \(1, 0\), in ms, beyond max_delay=9.3 ms"):
        work(net)


def test_what_was_found_of_values_is_found_again_when_one_of_them_changes():
    net = network("late").fix("delays", "weights")
    reach = lambda: net.dynamics().links[0].reach(0.1)
    assert reach() < 100
    net.coupling.fixed.delays[0, 0] = 30.0
    assert reach() == 301
    net.assign(delays=50.0)
    assert reach() == 501
