"""Kernels in Triton compile for a real card, on a machine that has none: what its interpreter does not check."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = [  # the least and the most that a thread holds of what fits its registers
    "HopfStep-float32-forward",
    "HopfStep-float64-adjoint",
    "JansenRitStep-float32-forward",
    "JansenRitStep-float64-forward",
    "MontbrioPazoRoxinStep-float32-adjoint",
]


@pytest.mark.slow
def test_kernels_compile_for_a_card_and_keep_all_in_registers(tmp_path):
    command = [sys.executable, Path(__file__).with_name("ahead.py"), tmp_path, *CASES]
    environment = os.environ | {"TRITON_INTERPRET": "0", "TRITON_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    found = {(kernel := json.loads(line)).pop("case"): kernel for line in done.stdout.splitlines()}
    assert list(found) == CASES
    for case, kernel in found.items():
        assert kernel["spilled"] == 0, case
        assert kernel["registers"] <= 255
        other = "float64" if "float32" in case else "float32"
        assert not kernel[other] or "adjoint" in case, case  # which adds up in double
