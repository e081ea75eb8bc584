"""Every model in a network, in Triton's interpreter: with each link, coupling, noise and method in turn.

`make test-all` has any two of these meet: each model with each link, coupling, noise and method, and these with others.
"""

import pytest
import torch
from agreement import NOISES, assert_equal, node_of, outcome
from conftest import FLOWS, FULL, MODELS, step_of
from coupled import links
from covering import pairwise

import torchmass as tm
from torchmass.couplings import COUPLINGS

N, LARGE = 3, (tm.ThalamusStep, tm.ZerlautStep, tm.ZerlautSecondOrderStep)
LINKS, AXES = links(N), (list(links(N)), list(COUPLINGS), list(NOISES))
IN_TURN = [
    (cls, *(axis[k % len(axis)] for axis in AXES), cls.methods[k % len(cls.methods)]) for k, cls in enumerate(MODELS)
]


def every_two():
    """Cases in which any two values meet; a map has a method of its own."""
    maps = [cls for cls in MODELS if cls not in FLOWS]
    for models, methods in ((FLOWS, list(tm.INTEGRATORS)), (maps, ["map"])):
        yield from (tuple(case.values()) for case in pairwise(dict(enumerate([models, *AXES, methods]))))


CASES = list(every_two()) if FULL else IN_TURN


def result(backend, cls, link, coupling, noise, method):
    given = {"conn": torch.rand(N, N, generator=torch.Generator().manual_seed(1))} | LINKS[link]
    net = tm.Network(node_of(cls, N, noise=noise), coupling=coupling, k=0.01, **given)
    net.coupling.free("k", "weights")
    sim = tm.Simulator(net, step_of(cls, 0.05), method, backend)
    return outcome(sim, 2 if cls in LARGE else 4, inputs=dict.fromkeys(cls.input_declarations, 0.1))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(str(getattr(v, "__name__", v)) for v in case))
def test_a_model_in_a_network_is_what_eager_steps_make_of_it(case):
    assert_equal(result("triton", *case), result("eager", *case), 1e-11)


def test_every_model_link_coupling_noise_and_method_is_there():
    for axis, values in zip((MODELS, *AXES, list(tm.INTEGRATORS)), zip(*CASES, strict=True), strict=False):
        assert set(axis) <= set(values) | {"map"}
