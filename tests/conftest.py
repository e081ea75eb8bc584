"""Every test runs in float64 and from the same seed of torch's default generator."""

import os
import subprocess
from functools import cache
from pathlib import Path

import interpreter  # noqa: F401
import pytest
import torch

import torchmass as tm
from torchmass.kernels.cpp import build
from torchmass.kernels.kernel import KERNELS

FULL = bool(os.environ.get("TORCHMASS_FULL"))  # `make test-all`: the whole products, some hours
QUICK = ("-O1", "-fexpensive-optimizations")  # the latter fuses multiplications and additions, as -O3 does

# kernels built by the tests stay in the checkout, out of the user's cache
os.environ.setdefault("TORCHMASS_CACHE", str(Path(__file__).parents[1] / ".pytest_cache" / "kernels"))

MODELS = [info.cls for info in tm.list_models() if issubclass(info.cls, tm.NeuralMass)]
FLOWS = [cls for cls in MODELS if "map" not in cls.methods]


def step_of(cls: type[tm.NeuralMass], usual: float) -> float:
    """A step in ms at which the model is stable, where `usual` is one for most."""
    return usual * cls.usual_dt / tm.NeuralMass.usual_dt


def moved(cls: type[tm.NeuralMass], s, u, p) -> tuple[torch.Tensor, ...]:
    """The derivatives of the states, or of a map the states after a step."""
    return cls.derivative(s, u, p) if cls in FLOWS else cls.update(s, u, p, 0.5)


@pytest.fixture(autouse=True)
def float64_and_seed():
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(before)


def quick(source: str, is_dear: bool, shipped=build.flags) -> tuple[str, ...]:
    """The flags of users where these are quick or the library is there; else some that compile in half of the time."""
    flags = shipped(source, is_dear)
    return flags if flags == build.LARGE or build.is_built(source, flags) else QUICK


@pytest.fixture
def quickly_built(monkeypatch):
    """Kernels are compiled in half of the time: for products, of which some cases are compiled as for users."""
    if not FULL:
        monkeypatch.setattr(build, "flags", quick)
    yield
    forget_kernels()


@cache
def machine_macros() -> str:
    """What GCC defines for this machine, of which the instructions that it has."""
    command = ["g++", "-march=native", "-dM", "-E", "-x", "c++", "/dev/null"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def forget_kernels() -> None:
    """Whoever comes next finds kernels that are built with his own flags."""
    for kernel in KERNELS.values():
        kernel._libraries.clear()
        kernel._forward.clear()


def freeable(node: tm.NeuralMass) -> list[str]:
    """The parameters whose values lie within their bounds, not on one."""
    return [name for name in node.Params._fields if bool(node.declarations[name].bounds.inside(node.value(name)).all())]


def random_state(cls: type[tm.NeuralMass], *shape: int) -> dict[str, torch.Tensor]:
    """A state drawn uniformly from the declared ranges."""
    ranges = {name: state.range for name, state in cls.state_declarations.items()}
    return {name: low + (high - low) * torch.rand(shape) for name, (low, high) in ranges.items()}


def random_inputs(cls: type[tm.NeuralMass], *shape: int) -> dict[str, torch.Tensor]:
    """Inputs drawn from a standard normal."""
    return {name: torch.randn(shape) for name in cls.input_declarations}
