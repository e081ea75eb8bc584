"""Networks on processors whose vectors are shorter than this one's: what is compiled for those runs here, too."""

import pytest
import torch
from conftest import forget_kernels
from coupled import CANCELS, SAME, found, network

from torchmass.kernels.cpp import build

# the processor, and what this one must have for its instructions
PROCESSORS = {"haswell": "avx2", "x86-64-v2": "sse4_2"}  # 32 bytes; 16, and no fused products
LINKS = ["at once", "late", "some shorter than a step", "itself at once"]


def has(feature):
    try:
        with open("/proc/cpuinfo") as said:
            return any(line.startswith("flags") and f" {feature} " in line for line in said)
    except OSError:
        return False


@pytest.fixture(params=PROCESSORS)
def built_for(request, monkeypatch):
    if not build.is_gcc() or not has(PROCESSORS[request.param]):
        pytest.skip(f"nothing is built for {request.param} here")
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, f"-march={request.param}"))
    forget_kernels()
    yield request.param
    forget_kernels()


@pytest.mark.usefixtures("built_for", "quickly_built")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("link", LINKS)
def test_a_network_is_the_eager_one_on_other_processors(link, dtype):
    exact, net = network(link, n=13), network(link, n=13, dtype=dtype)
    net.load_state_dict({name: value.to(dtype) for name, value in exact.state_dict().items()})
    truth, eager, ours = found(exact, "eager"), found(net, "eager"), found(net, "fused")
    for name, value in truth.items():
        error = lambda other, value=value: float((other.double() - value).abs().max() / value.abs().max())
        allowed = SAME[dtype] * (CANCELS if "gradient" in name else 1)
        assert error(ours[name]) <= allowed + 3 * error(eager[name]), name
