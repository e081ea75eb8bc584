"""Threads that share the nodes of one simulation change nothing, and do not wait for one that gets no core."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from coupled import LINKS, assert_close, found, network, with_history

import torchmass as tm
from torchmass.kernels import call, linked
from torchmass.kernels.coupled import CONNECTED, NOBODY, UNWEIGHTED, Crew, whose_are_soon


def shared(threads, monkeypatch, link, n=53, k=0.7, **options):
    """A run and its gradients, with so many threads."""
    monkeypatch.setattr(call, "threads", lambda *_: threads)
    return found(network(link, n=n, k=k), "fused", **options)


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.usefixtures("quickly_built")
@pytest.mark.parametrize("is_early", [False, True], ids=["nodes", "early"])
@pytest.mark.parametrize("method", ["heun", "rk4"])
@pytest.mark.parametrize("link", LINKS)
def test_a_simulation_is_the_same_to_the_bit_whoever_shares_it(link, method, is_early, monkeypatch):
    """Threads share nodes, or one takes all steps, and another what can be done apart from them."""
    monkeypatch.setattr(call, "crew", lambda *_: Crew(3, is_early))
    one = shared(1, monkeypatch, link, method=method)
    assert_close(one, found(network(link, n=53), "eager", method=method))
    for threads in (2, 3):
        assert_equal(one, shared(threads, monkeypatch, link, method=method))


@pytest.mark.parametrize("is_early", [False, True], ids=["nodes", "early"])
def test_so_it_is_where_some_nodes_fill_no_vector(is_early, monkeypatch):
    monkeypatch.setattr(call, "crew", lambda *_: Crew(3, is_early))
    one, two = (shared(threads, monkeypatch, "at once", n=50) for threads in (1, 3))
    assert_close(one, found(network("at once", n=50), "eager"))
    assert_equal(one, two)


@pytest.mark.parametrize("link", ["at once", "late", "late, held, nearest"])
@pytest.mark.parametrize(("duration", "horizon"), [(16.0, 41), (1.3, None), (102.4, None), (133.7, 701)])
def test_so_it_is_over_few_steps_and_many_and_where_gradients_are_cut(link, duration, horizon, monkeypatch):
    """Gradients of weights are summed 512 steps at a time."""
    options = {"duration": duration, "grad_horizon": horizon}
    one, two = (shared(threads, monkeypatch, link, **options) for threads in (1, 2))
    assert_equal(one, two)
    assert_close(one, found(network(link, n=53), "eager", **options))


@pytest.mark.parametrize("link", ["late", "some shorter than a step"])
def test_so_are_a_run_from_a_history_and_its_gradient(link, monkeypatch):
    net, ours = network(link, n=53), []
    for threads in (1, 2):
        monkeypatch.setattr(call, "threads", lambda *_, threads=threads: threads)
        ours.append(with_history(net, "fused", n=53))
    for one, two, expected in zip(*ours, with_history(net, "eager", n=53), strict=True):
        assert torch.equal(one, two)
        torch.testing.assert_close(one, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("link", ["at once", "late"])
@pytest.mark.parametrize("steps", [1, 13, 64, 100])
def test_two_halves_of_a_run_that_is_shared_are_the_whole_to_the_bit(steps, link, monkeypatch):
    monkeypatch.setattr(call, "threads", lambda *_: 2)
    sim = tm.Simulator(network(link, n=53), 0.1, backend="fused")
    whole, first = sim.run(20.0, seed=3), sim.run(steps * 0.1, seed=3)
    second = sim.run(20.0 - steps * 0.1, x0=first.state)
    assert torch.equal(torch.cat([first["x"], second["x"]]), whole["x"])
    assert all(torch.equal(value, whole.state[name]) for name, value in second.state.items())


def test_few_simulations_are_shared_by_many_threads(monkeypatch):
    k = 0.2 + torch.rand(2, 1, dtype=torch.float64)
    one, many = (shared(threads, monkeypatch, "late", k=k) for threads in (1, 5))
    for name, value in one.items():  # gradients that simulations have in common are summed in another order
        assert (value - many[name]).abs().max() <= 1e-13 * ("gradient" in name) * value.abs().max(), name


@pytest.mark.parametrize("link", ["at once", "late"])
def test_simulations_that_go_through_time_together_are_what_they_are_alone(link, monkeypatch):
    k = 0.2 + torch.rand(11, 1, dtype=torch.float64)
    alone = shared(11, monkeypatch, link, k=k)  # as many threads as simulations
    for threads in (1, 2):  # each four at a time, and the rest
        for name, value in shared(threads, monkeypatch, link, k=k).items():
            assert (value - alone[name]).abs().max() <= 1e-13 * ("gradient" in name) * value.abs().max(), name


def test_more_threads_than_lines_of_the_cache_are_as_many_as_those(monkeypatch):
    assert_equal(*(shared(threads, monkeypatch, "at once", n=9) for threads in (1, 16)))


@pytest.fixture
def numbers(monkeypatch):
    """Of how many threads each call takes, of four."""
    threads, found, before = call.threads, [], torch.get_num_threads()
    monkeypatch.setattr(call, "threads", lambda *given: found.append(threads(*given)) or found[-1])
    monkeypatch.setattr(call, "WORK_OF_A_THREAD", 1)
    torch.set_num_threads(4)
    yield found
    torch.set_num_threads(before)


def test_a_few_nodes_are_not_shared(numbers):
    for n in (47, 48, 159, 160, 219, 220):
        for delay in (1.0, 0.5, None):  # ten steps, five, none
            net = tm.Network(tm.HopfStep(n), torch.rand(n, n) / n, delays=delay)
            tm.Simulator(net, 0.1, backend="fused").run(5.0)
    assert numbers == [1, 1, 1, 2, 2, 1, 4, 2, 1, 4, 2, 1, 4, 2, 1, 4, 2, 2]


@pytest.mark.parametrize(("sigma", "free", "forward", "back"), [(0, "k", 1, 1), (0.1, "k", 2, 2), (0, "weights", 1, 2)])
def test_a_second_thread_draws_noise_and_sums_gradients_of_weights(sigma, free, forward, back, numbers):
    """Where all is coupled at once it has nothing else to do."""
    noise = {"noise": tm.WhiteNoise(sigma)} if sigma else {}
    net = tm.Network(tm.HopfStep(96), torch.rand(96, 96) / 96, **noise)
    net.coupling.free(free)
    tm.Simulator(net, 0.1, backend="fused").run(5.0)["x"].sum().backward()
    assert numbers == [forward, back]


@pytest.mark.parametrize(("own", "others", "expected"), [(0.0, 1.0, 4), (0.0, 0.5, 2), (1.0, 0.0, 2)])
def test_what_a_node_sends_itself_at_once_waits_for_no_other(own, others, expected, numbers):
    delays = torch.full((96, 96), others).fill_diagonal_(own)
    net = tm.Network(tm.HopfStep(96), 0.1 * torch.rand(96, 96).fill_diagonal_(0.0), delays=delays)
    net.coupling.free("weights")
    tm.Simulator(net, 0.1, "euler", "fused").run(5.0)["x"].sum().backward()
    assert numbers == [expected] * 2


@pytest.mark.parametrize(("weight", "to", "expected"), [(0.5, 1, CONNECTED), (0.0, 1, UNWEIGHTED), (0.5, 0, NOBODY)])
def test_delays_of_a_few_steps_count_between_nodes_that_are_connected(weight, to, expected):
    weights, lags = torch.ones(3, 3), torch.full((3, 3), 8.0)
    assert whose_are_soon(weights, lags, None, None) == NOBODY
    weights[to, 0], lags[to, 0] = weight, 7.9
    assert whose_are_soon(weights, lags, None, None) == expected
    ends = (weights >= 0).nonzero().mT  # the same as a list, to and from
    assert whose_are_soon(weights.flatten(), lags.flatten(), None, ends) == expected


@pytest.mark.parametrize(("frees", "expected"), [((), [1, 1, 2]), (("delays",), [1, 2, 3]), (("weights",), [1, 2, 3])])
def test_delays_are_looked_at_once_a_run_or_until_one_changes(frees, expected, monkeypatch):
    looks, counts = [], []
    looked = lambda *own: looks.append(1) or whose_are_soon(*own)
    for module in (call, linked):
        monkeypatch.setattr(module, "whose_are_soon", looked)
    net = network("late", n=53)
    net.coupling.fix("weights", "delays")
    net.coupling.free(*frees)
    for change in (False, False, True):
        if change:
            net.coupling.assign(distance=0.1)
        found(net, "fused")
        counts.append(len(looks))
    assert counts == expected


chooses_cores = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")

CROWDED = """
import os, sys, torch, torchmass as tm
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # one core for two threads
sys.path.insert(0, sys.argv[1])
from coupled import found, network
from torchmass.kernels import call
results = []
for threads in (1, 2):
    call.threads = lambda *_: threads
    results.append(found(network(sys.argv[2], n=120), "fused", duration=600.0, sample_every=50))
one, two = results
assert all(torch.equal(one[name], two[name]) for name in one)
print("the same")
"""

SQUEEZED = """
import contextlib, os, sys, threading, torch, torchmass as tm
sys.path.insert(0, sys.argv[1])
from coupled import network
from torchmass.kernels import call
from torchmass.kernels.coupled import Crew
cores = os.sched_getaffinity(0)
def to(some):
    for thread in os.listdir("/proc/self/task"):
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(thread), some)
def on_one_core_soon(work):
    timer = threading.Timer(0.03, to, [{min(cores)}])  # when both are at work
    timer.start()
    found = work()
    timer.join()
    to(cores)
    return found
call.crew = lambda *_: Crew(2, is_early=False)
results = []
for threads in (1, 2):
    call.threads = lambda *_: threads
    net = network(sys.argv[2], n=120)
    run = lambda: tm.Simulator(net, 0.1, "heun", backend="fused").run(2000.0, seed=3, sample_every=50)["x"]
    with torch.no_grad():
        run()
        alone = on_one_core_soon(run)
    series = on_one_core_soon(run)
    loss = series.square().sum()
    results.append([alone, series, *on_one_core_soon(lambda: torch.autograd.grad(loss, [*net.parameters()]))])
one, two = results
assert all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
print("the same")
"""


def assert_the_same(script, link):
    """Of a run of its own, by one thread and by two."""
    command = [sys.executable, "-c", script, Path(__file__).parent, link]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n")[-2:] == ["the same", ""], done.stdout + done.stderr


@chooses_cores
@pytest.mark.parametrize("link", ["at once", "late"])
def test_where_one_thread_gets_no_core_the_other_goes_on_alone(link):
    assert_the_same(CROWDED, link)


@chooses_cores
@pytest.mark.parametrize("link", ["at once", "late", "some shorter than a step"])
def test_where_one_thread_loses_its_core_the_other_goes_on_with_the_nodes_of_both(link):
    assert_the_same(SQUEEZED, link)
