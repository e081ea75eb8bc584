"""A generated kernel stays within its arrays and within what C++ defines: run under the compiler's sanitizers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from sanitized import FLAGS, network_results, results

from torchmass.kernels.cpp import build

TESTS = Path(__file__).parent
WRITE = f"""
import ctypes, torch
from torchmass.kernels.cpp import build

library = build.load('extern "C" void write(double *x, long i) {{ x[i] = 1; }}', {FLAGS})
values = torch.zeros(35, dtype=torch.float64)
library.write(ctypes.c_void_p(values.data_ptr()), ctypes.c_long(34))
print("so far within")
library.write(ctypes.c_void_p(values.data_ptr()), ctypes.c_long(35))
"""
NEXT = f"""
from torchmass.kernels.cpp import build

library = build.load('extern "C" int next(int i) {{ return i + 1; }}', {FLAGS})
print("so far", library.next(1))
library.next(2**31 - 1)
"""


def sanitizer() -> str | None:
    """The library that must be loaded before all others, where the compiler has it."""
    if build.compiler() is None:
        return None
    command = [*build._words(), "-print-file-name=libasan.so"]
    found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return found if Path(found).is_absolute() else None


pytestmark = [pytest.mark.slow, pytest.mark.skipif(sanitizer() is None, reason="no C++ compiler with libasan here")]


def run(*words):
    """A Python program with the sanitizers."""
    options = {
        "LD_PRELOAD": sanitizer(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": str(TESTS.parent),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, env=os.environ | options, capture_output=True, text=True)


def clean(done):
    """Whether a program ran to its end, and nothing was reported on the way."""
    return (done.returncode, done.stdout, done.stderr) == (0, "run to its end\n", "")


@pytest.mark.parametrize(
    ("model", "dtype", "tolerance"),
    [
        ("JansenRitStep", "float64", 1e-11),
        ("LinearStep", "float32", 1e-4),
        ("Network", "float64", 1e-9),
        ("LateNetwork", "float64", 1e-9),
        ("SlopesNetwork", "float64", 1e-9),
    ],
)
def test_a_kernel_and_its_adjoint_stay_within_their_arrays_and_the_language(model, dtype, tolerance, tmp_path):
    """Of a large step, whose vectors go through time one by one, of a small one, whose go together, and of networks."""
    of = network_results if model.endswith("Network") else results
    done = run(TESTS / "sanitized.py", model, dtype, tmp_path / "found")
    assert clean(done), done.stderr
    for found, expected in zip(torch.load(tmp_path / "found"), of(model, getattr(torch, dtype)), strict=True):
        assert (found - expected).detach().abs().max() <= tolerance * expected.detach().abs().max()


def test_a_write_beyond_an_array_is_reported():
    beyond = run("-c", WRITE)
    assert (beyond.returncode != 0, beyond.stdout) == (True, "so far within\n")
    assert "heap-buffer-overflow" in beyond.stderr


def test_what_the_language_does_not_define_is_reported():
    over = run("-c", NEXT)
    assert (over.returncode != 0, over.stdout) == (True, "so far 2\n")
    assert "signed integer overflow" in over.stderr
