"""explain() says what a run will be computed with, why, and what memory it takes, and runs nothing."""

import pytest
import torch
from conftest import freeable

import torchmass as tm


def simulator(**options):
    return tm.Simulator(tm.JansenRitStep(80).free("Ae", "be"), dt=0.1, **options)


def test_a_fused_run_is_explained():
    found = simulator().explain(100_000.0, monitors=["E"], sample_every=100, checkpoint="sqrt", inputs=220.0)
    assert found.backend == "fused"
    assert "1,000,000 steps of heun" in str(found)
    assert "kept for the gradient" in repr(found)
    assert found.rows == 10_000 * 80 * 8


def test_how_long_a_gpu_kernel_takes_to_build_is_told_before():
    pytest.importorskip("triton")
    nodes = [cls(3) for cls in (tm.HopfStep, tm.ZerlautSecondOrderStep)]
    small, large = (tm.Simulator(node.free(*freeable(node)), 0.1, backend="triton").explain(1.0) for node in nodes)
    assert 2 <= small.fused.seconds < 5 < 20 < large.fused.seconds
    assert f"not built yet (about {large.fused.seconds} seconds)" in str(large)


def test_the_memory_is_what_the_run_takes():
    sim = simulator(backend="fused")
    found = sim.explain(300.0, monitors=["E", "output"], sample_every=7)
    run = sim.run(300.0, monitors=["E", "output"], sample_every=7)
    assert found.rows == sum(run[name].numel() * run[name].element_size() for name in ("E", "output"))
    (path,) = (t for t in run["E"].grad_fn.saved_tensors if t.ndim == 1 and t.numel() > 80)
    assert found.fused.path == path.numel() * path.element_size()


def test_without_a_gradient_nothing_is_kept():
    with torch.no_grad():
        assert simulator().explain(100.0).fused.path == 0
    assert simulator().explain(100.0, gradient="forward", inputs=220.0).fused.path == 0


def test_an_eager_run_says_why():
    network = tm.Network(tm.HopfStep(2), [[0.0, 1.0], [1.0, 0.0]])
    found = tm.Simulator(network, dt=0.1).explain(100.0, gradient="forward")
    assert (found.backend, found.fused) == ("eager", None)
    assert "its nodes are coupled" in str(found)


def test_an_adaptive_run_has_nothing_to_choose():
    with pytest.raises(ValueError, match="runs in torchdiffeq"):
        simulator(method="dopri5").explain(100.0)


def test_explaining_draws_no_random_number():
    sim = tm.Simulator(tm.HopfStep(1, noise_x=tm.WhiteNoise(0.1)), dt=0.1)
    before = torch.get_rng_state()
    sim.explain(100.0)
    assert torch.equal(torch.get_rng_state(), before)


def test_what_a_network_keeps_is_told_to_within_a_fifth():
    net = tm.Network(tm.HopfStep(16), torch.rand(16, 16), delays=1 + 4 * torch.rand(16, 16)).free("weights")
    sim = tm.Simulator(net, dt=0.1)
    told = sim.explain(200.0).fused.path
    assert "for which every step is kept" in str(sim.explain(200.0))
    x = sim.run(200.0)["x"]
    kept = sum(saved.numel() * saved.element_size() for saved in x.grad_fn.saved_tensors[-1:])
    assert kept == pytest.approx(told, rel=0.2)
    stretched = sim.explain(200.0, checkpoint="sqrt").fused  # of 2,000 steps √(2,000 · 50), with 50 of the past
    assert stretched.interval == 316
    assert stretched.path == pytest.approx(told * 366 / 2000, rel=0.2)
