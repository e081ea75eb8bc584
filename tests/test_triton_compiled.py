"""Kernels in Triton compile for a real card, on a machine that has none: what its interpreter does not check."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = ["HopfStep-float32", "HopfStep-float64", "MontbrioPazoRoxinStep-float32"]


@pytest.mark.slow
def test_kernels_compile_for_a_card_and_keep_in_registers_what_they_hold(tmp_path):
    command = [sys.executable, Path(__file__).with_name("ahead.py"), *CASES]
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found = {(kernel := json.loads(line)).pop("kernel"): kernel for line in done.stdout.splitlines()}
    assert list(found) == [f"{case}-{way}" for case in CASES for way in ("forward", "adjoint", "close")]
    for name, kernel in found.items():
        assert kernel["spilled"] <= 32, name  # ptxas spills a few words where one more program then fits
        bits = int(name.split("-")[1].removeprefix("float"))
        assert set(kernel["numbers"]) <= ({bits, 64} if "adjoint" in name else {bits}), name  # it adds up in double
