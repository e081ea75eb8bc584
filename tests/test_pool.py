"""Memory of large tensors is taken again, and only when nobody has it any more."""

import platform
import subprocess
import sys
import threading

import pytest
import torch

import torchmass as tm
from torchmass.kernels.cpp import pool

SHAPE = (1000, 100)  # 400 kB in float32


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch):
    monkeypatch.setattr(pool, "_kept", [])


def taken(shape=SHAPE, dtype=torch.float32):
    return pool.empty(shape, dtype)


def test_what_is_given_up_is_taken_again():
    first = taken()
    place = first.data_ptr()
    assert first.shape == SHAPE
    assert first.dtype == torch.float32
    assert place % 64 == 0
    del first
    assert taken().data_ptr() == place
    assert taken((500, 100), torch.float64).data_ptr() == place  # as many bytes


@pytest.mark.parametrize("held", [lambda x: x[3:], lambda x: x.numpy(), lambda x: x.view(-1).detach()])
def test_what_somebody_has_is_not(held):
    first = taken()
    place, kept = first.data_ptr(), held(first)
    del first
    assert taken().data_ptr() != place
    assert len(kept)


def test_no_more_is_kept_than_allowed(monkeypatch):
    monkeypatch.setattr(pool, "MOST", 900_000)
    tensors = [taken() for _ in range(4)]
    assert len({tensor.data_ptr() for tensor in tensors}) == 4
    assert sum(map(len, pool._kept)) <= 900_000
    for k, tensor in enumerate(tensors):
        tensor.fill_(k)
    assert [float(tensor.sum()) for tensor in tensors] == [0, 1e5, 2e5, 3e5]


def test_threads_never_share():
    places, meet = [], threading.Barrier(4)

    def many():
        meet.wait()
        for _ in range(300):
            mine = taken()
            mine.fill_(threading.get_ident() % 1000)
            places.append(bool((mine == threading.get_ident() % 1000).all()))

    threads = [threading.Thread(target=many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(places) == 1200
    assert all(places)


def test_two_runs_whose_results_are_kept_do_not_overwrite_each_other():
    sim = tm.Simulator(tm.HopfStep(100, init_x=0.1), dt=0.1, backend="fused")
    one = sim.run(200.0, x0={"x": 0.5})["x"]
    copy = one.clone()
    two = sim.run(200.0, x0={"x": -0.5})["x"]
    assert torch.equal(one, copy)
    assert not torch.equal(one, two)
    place = two.data_ptr()
    del two
    assert sim.run(200.0)["x"].data_ptr() == place


FREED = """
import resource
import torch
from torchmass.kernels.cpp import pool

def faults(times):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(times):
        pair = [torch.zeros(840_000) for _ in range(2)]  # as gradients of a series of 10,000 steps of 84 nodes
        del pair
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / times

pool.empty((1000, 100), torch.float32)
faults(10)
print(faults(10))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep what they like")
def test_what_torch_frees_stays_in_the_heap_once_there_was_a_run():
    """In a process of its own, since whatever large was freed before has the same effect."""
    faults = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True).stdout
    assert float(faults) < 100  # where the system is asked each time 1,640, one for every 4 KiB
