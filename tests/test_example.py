"""The main job runs as a user would run it, prints its table and writes its figures."""

import importlib.util
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import torchmass as tm

EXAMPLE = Path(__file__).parents[1] / "examples" / "fit_resting_state.py"
NUMBER = r"(-?\d+\.\d{3})"

PACKAGES = ("matplotlib", "nitime", "scipy", "tqdm")


def ran(example, folder, *options):
    """What a process printed that ran an example in an empty folder."""
    return subprocess.run(
        [sys.executable, str(example), *options],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(example.parents[1])},
        capture_output=True,
        text=True,
        timeout=600,
    )


@pytest.mark.slow
def test_the_resting_state_fit_prints_its_table_and_draws_its_figures(tmp_path):
    for package in PACKAGES:
        pytest.importorskip(package)
    run = ran(EXAMPLE, tmp_path, "--steps", "2", "--figures", str(tmp_path / "figures"))
    assert run.returncode == 0, run.stderr
    assert "is small enough" in run.stdout
    for row in (
        "loss, first half",
        r"FC correlation, first half \(fitted\)",
        r"FC correlation, second half \(not fitted\)",
    ):
        assert re.search(rf"^{row}\s+{NUMBER}\s+{NUMBER}$", run.stdout, re.MULTILINE), run.stdout
    loss = re.search(rf"^loss, first half\s+{NUMBER}\s+{NUMBER}$", run.stdout, re.MULTILINE)
    assert loss is not None
    assert float(loss[2]) < float(loss[1])
    assert re.findall(rf"^ceiling: .*\)\s+{NUMBER}$", run.stdout, re.MULTILINE) == ["0.676", "0.417"]
    for name in ("fc", "a", "timeseries"):
        assert (tmp_path / "figures" / f"{name}.png").stat().st_size > 20_000


def test_the_gradient_of_the_resting_state_loss_is_its_slope():
    for package in PACKAGES:
        pytest.importorskip(package)
    spec = importlib.util.spec_from_file_location("fit_resting_state", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    first, _ = example.nitime_fmri().halves()
    recording = replace(first, data=first.data[:20])
    net = example.build(recording)
    net.coupling.assign(weights=0.3 * torch.randn(28, 28) * (1 - torch.eye(28)))
    sim = tm.Simulator(net, dt=example.DT, method="rk4")

    def loss() -> torch.Tensor:
        return example.mismatch(example.simulate(sim, recording, simulations=2, seed=1), recording)

    loss().backward()
    for name, index in (("node.raw.a", (3,)), ("coupling.raw.weights", (2, 5))):
        parameter, step, ends = net.get_parameter(name), 1e-5, []
        for shift in (step, -step):
            with torch.no_grad():
                parameter[index] += shift
                ends.append(loss())
                parameter[index] -= shift
        slope = (ends[0] - ends[1]) / (2 * step)
        torch.testing.assert_close(parameter.grad[index], slope, rtol=1e-6, atol=1e-9)
    assert net.get_parameter("coupling.raw.weights").grad.diagonal().abs().max() == 0


@pytest.mark.slow
def test_lightning_trains_a_layer_of_masses(tmp_path):
    pytest.importorskip("lightning")
    run = ran(EXAMPLE.with_name("recurrent_lightning.py"), tmp_path, "--epochs", "3", "--hidden", "8")
    assert run.returncode == 0, run.stderr
    found = re.search(r"^accuracy: (0\.\d+), of all evidence summed up: (0\.\d+)$", run.stdout, re.MULTILINE)
    assert found is not None, run.stdout
    assert 0.75 < float(found[1]) <= float(found[2]) + 0.02
