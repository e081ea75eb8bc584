"""Kernels in Triton compile for a real card, on a machine that has none: what its interpreter does not check."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = ["HopfStep-float32", "HopfStep-float64", "MontbrioPazoRoxinStep-float32"]
WAYS = ["forward", "adjoint", "close"]
STAGES = ["start", "stage_0", "stage_1", "start_back", "stage_0_back", "stage_1_back", "finish_back", "close"]
ENDLESS = 1800  # seconds


def compiled(folder, *cases):
    """What `ahead` says of the kernels of these cases, by name."""
    command = [sys.executable, Path(__file__).with_name("ahead.py"), *cases]
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(folder)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=ENDLESS)
    return {(kernel := json.loads(line)).pop("kernel"): kernel for line in done.stdout.splitlines()}


@pytest.mark.slow
def test_kernels_compile_for_a_card_and_keep_in_registers_what_they_hold(tmp_path):
    found = compiled(tmp_path, *CASES)
    assert list(found) == [f"{case}-{way}" for case in CASES for way in WAYS]
    for name, kernel in found.items():
        assert kernel["spilled"] <= 32, name  # ptxas spills a few words where one more program then fits
        bits = int(name.split("-")[1].removeprefix("float"))
        assert set(kernel["numbers"]) <= ({bits, 64} if "adjoint" in name else {bits}), name  # it adds up in double


@pytest.mark.slow
def test_kernels_of_a_delayed_network_of_the_largest_model_are_built(tmp_path):
    network, split = "ZerlautSecondOrderStep-float32-network", "HopfStep-float32-network-split"
    found = compiled(tmp_path, network, split)
    names = [*(f"{network}-{way}" for way in WAYS), f"{network}-correlate"]
    assert list(found) == [*names, *(f"{split}-{way}" for way in STAGES), f"{split}-correlate"]
