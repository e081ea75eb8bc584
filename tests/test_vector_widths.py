"""Networks on processors whose vectors are shorter than this one's: what is compiled for those runs here, too."""

import pytest
import torch
from agreement import assert_as_exact
from conftest import forget_kernels, machine_macros
from coupled import assert_same, found, network
from test_sparse import few, sparse
from test_sparse import network as sparse_network

from torchmass.kernels.cpp import build

# the processor, and what this one must have for its instructions
PROCESSORS = {"haswell": "__AVX2__", "x86-64-v2": "__SSE4_2__"}  # 32 bytes; 16, and no fused products
N = 53  # so many that two threads may share late sums
LINKS = ["at once", "late", "some shorter than a step", "itself at once"]


@pytest.fixture(params=PROCESSORS)
def built_for(request, monkeypatch):
    if not build.is_gcc() or PROCESSORS[request.param] not in machine_macros():
        pytest.skip(f"nothing is built for {request.param} here")
    monkeypatch.setattr(build, "FLAGS", (*build.FLAGS, f"-march={request.param}"))
    forget_kernels()
    yield request.param
    forget_kernels()


@pytest.mark.usefixtures("built_for", "quickly_built")
@pytest.mark.parametrize("link", LINKS)
def test_a_network_is_the_eager_one_on_other_processors(link):
    assert_same(network(link, n=N))


@pytest.mark.usefixtures("built_for", "quickly_built")
@pytest.mark.parametrize("link", LINKS)
def test_in_float32_it_is_as_right_as_eager_there(link):
    exact, net = network(link, n=N), network(link, n=N, dtype=torch.float32)
    net.load_state_dict({name: value.float() for name, value in exact.state_dict().items()})
    assert_as_exact(of_several_losses(net, "fused"), of_several_losses(net, "eager"), of_several_losses(exact, "eager"))


@pytest.mark.usefixtures("built_for", "quickly_built")
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_sums_over_connections_are_the_eager_ones_there(dtype):
    assert_same(sparse_network(sparse(few()), dtype=dtype), duration=4.0)


def of_several_losses(net, backend):
    """A gradient that is one number is a sum of many of either sign, which rounding leaves right or wrong by chance."""
    runs = [found(net, backend, loss=seed) for seed in range(4)]
    return {name: torch.stack([run[name] for run in runs]) for name in runs[0]}
