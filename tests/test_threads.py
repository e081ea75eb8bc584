"""A run that is worth it is split over threads, and how many there are changes nothing."""

import subprocess
import sys

import pytest
import torch
from agreement import assert_equal, node_of, outcome

import torchmass as tm
from torchmass.kernels import call


@pytest.fixture
def seen(monkeypatch):
    """How many threads each call of a kernel takes; afterwards torch has as many as before."""
    before, native, numbers = torch.get_num_threads(), call.threads, []

    def noted(*args):
        numbers.append(native(*args))
        return numbers[-1]

    monkeypatch.setattr(call, "threads", noted)
    yield numbers
    torch.set_num_threads(before)


def results(threads, n=37, batch=5, steps=2000, **options):
    """A noisy run and its gradients, with as many threads as torch is allowed."""
    torch.set_num_threads(threads)
    sim = tm.Simulator(node_of(tm.JansenRitStep, n, batch, noise="two"), dt=0.1, backend="fused")
    inputs = {"M_inp": 0.1 * torch.rand(steps, n, generator=torch.Generator().manual_seed(1)), "E_inp": 220.0}
    return outcome(sim, steps, inputs=inputs, monitors=["E", "output"], transient=1.0, sample_every=3, **options)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("checkpoint", ["none", "sqrt"])
def test_threads_leave_values_as_they_are_to_the_bit_and_gradients_to_rounding(dtype, checkpoint, seen):
    torch.set_default_dtype(dtype)
    one = results(1, checkpoint=checkpoint)
    assert set(seen) == {1}
    for threads in (2, 3):
        seen.clear()
        split = results(threads, checkpoint=checkpoint)
        assert seen == [threads, threads]  # forward and adjoint
        assert all(torch.equal(split[name], one[name]) for name in one if not name.startswith("gradient"))
        assert_equal(split, one, 1e-12)


def test_more_threads_than_vectors_are_as_many_as_vectors(seen):
    one, many = results(1, n=1, batch=3, steps=20_000), results(64, n=1, batch=3, steps=20_000)
    assert max(seen) > 3
    assert_equal(many, one, 1e-12)


def test_without_torch_s_threads_a_run_has_its_own(monkeypatch, seen):
    kept = results(2)
    monkeypatch.setattr(call, "team", lambda: 0)
    assert_equal(results(2), kept, 1e-12)
    assert set(seen) == {2}


FORKED = """
import os, torch, torchmass as tm
torch.set_num_threads(2)
sim = tm.Simulator(tm.JansenRitStep(100), dt=0.1, backend="fused")
last = lambda: sim.run(200.0)["E"][-1].tolist()  # comparing all of it would be work for torch's own threads
before = last()
child = os.fork()
if child == 0:
    os._exit(0 if last() == before else 3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_process_that_was_forked_off_does_not_wait_for_threads_that_it_has_not():
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == ["0"], done.stderr


def test_a_small_run_takes_one_thread(seen):
    results(2, n=2, batch=1, steps=20)
    assert seen == [1, 1]


def test_threads_do_not_outnumber_those_of_torch(seen):
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tm.Simulator(tm.HopfStep(100), dt=0.1, backend="fused").run(1000.0)
    assert seen == [1, 2]
    assert torch.get_num_threads() == 2
