"""What is left in the machine's instructions of requests for memory, which a compiler may drop without a word."""

import re
import subprocess

import pytest
import torch
from conftest import forget_kernels, machine_macros

import torchmass as tm
from torchmass.kernels.cpp import build


def assembly(cpp):
    """The functions of a generated file, by their names."""
    flags = [flag for flag in build.FLAGS if flag != "-shared"]
    command = [*build._words(), *flags, "-iquote", str(build.INCLUDE), str(cpp), "-S", "-o", "-"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return dict(re.findall(r"^(\w+):\n(.*?)^\t\.size\t\1", text, re.MULTILINE | re.DOTALL))


@pytest.mark.skipif(not build.is_gcc() or "__x86_64__" not in machine_macros(), reason="GCC on x86-64 alone")
def test_the_way_back_asks_for_what_was_written_down_before_it_is_needed(tmp_path, monkeypatch):
    """A sixth of its time it waits for memory else: 84 regions, reduced Wong–Wang, 10,000 steps."""
    monkeypatch.setenv("TORCHMASS_CACHE", str(tmp_path))
    forget_kernels()
    net = tm.Network(tm.HopfStep(5), torch.rand(5, 5))
    net.coupling.free("weights")
    tm.Simulator(net, 0.1, backend="fused").run(1.0)["x"].sum().backward()
    forget_kernels()
    (cpp,) = (file for file in tmp_path.glob("*.cpp") if "network_adjoint.h" in file.read_text())
    run = assembly(cpp)["_ZN8Backward3runEv"]
    assert run.count("prefetch") >= 3  # of gradients of what was recorded, of states and of what arrived
