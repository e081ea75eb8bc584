"""The benchmark of a GPU: it runs without one, times a part of what is long, goes on past what fails, and judges."""

import time
from argparse import Namespace
from dataclasses import dataclass

import pytest
import torch
from test_benchmarks import BENCHMARKS, run_quickly


@pytest.fixture
def gpu(monkeypatch):
    """The script as a module."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu

    return gpu


@dataclass
class Case:
    """A run whose steps take 10 µs each."""

    title: str = "a case"
    steps: int = 100_000
    pilot: int = 1000
    simulations: int = 2
    regions: int = 4
    longest: float = 0.0
    dtype: torch.dtype = torch.float32
    model: str = "rww"
    gradient: bool = False
    fails: bool = False

    @property
    def node_steps(self):
        return 8 * self.steps

    terms = node_steps

    def work(self, device, backend, steps):
        if self.fails or (backend == "eager" and self.gradient):
            raise RuntimeError("out of memory\nand more")
        return lambda: time.sleep(1e-5 * steps)


LIMITS = {"float32": {"operations": 1e9, "bytes": 1e9}}


def row_of(gpu, seconds=0.05, full=False, **values):
    return gpu.row_of(Case(**values), "cpu", LIMITS, Namespace(seconds=seconds, full=full))


def test_a_part_of_a_long_run_is_timed_and_scaled_unless_all_is_asked_for(gpu):
    row = row_of(gpu)
    assert 1000 <= row["timed_steps"] <= 5000
    assert 0.9 <= row["median"] <= 3
    assert f"{row['timed_steps']:,} of 100,000 steps, scaled" in gpu.cells(row)
    whole = row_of(gpu, steps=20_000, full=True)
    assert whole["timed_steps"] == 20_000
    assert "all" in gpu.cells(whole)


def test_what_fails_is_said_and_the_rest_goes_on(gpu):
    assert gpu.cells(row_of(gpu, fails=True))[1] == "failed: out of memory"
    row = row_of(gpu, gradient=True)
    assert row["eager"] == "failed: out of memory"
    assert row["median"] > 0


def test_what_must_be_reached_is_judged_as_far_as_it_was_measured(gpu):
    from gpu_requirements import requirements

    rows = {"single": {"median": 50.0}, "gradient": {"median": 250.0}, "batch": {"median": 1.0, "jax": "sees no GPU"}}
    single, double, published, gradient, jax, one = (found[1:] for found in requirements(rows))
    assert single == ["50", "yes"]
    assert gradient == ["5", "**no**"]
    assert double == published == jax == one == ["", ""]


def test_every_case_is_named_as_the_requirements_name_it(gpu):
    from gpu_cases import CASES
    from gpu_requirements import requirements

    rows = {key: {"median": 1.0, "jax": 11.0, "cpu": 1.0} for key in CASES}
    assert all(measured for _, measured, _ in requirements(rows))


@pytest.mark.slow
def test_networks_in_batches_run_without_a_gpu(tmp_path):
    pytest.importorskip("triton")
    printed, written = run_quickly("gpu", tmp_path / "gpu.json")
    assert len(written["cases"]) == 7
    for row in written["cases"].values():
        assert row["node_steps"] > 0
        assert f"| {row['title']} |" in printed
    assert "A quick run decides nothing." in printed
