"""A sparse connectome means what the same dense one means, with what its connections have as one number each."""

import pytest
import torch
from coupled import CANCELS, SAME, Saturating, assert_same, found, pairs
from torch.func import functional_call
from torch.utils._python_dispatch import TorchDispatchMode

import torchmass as tm
from torchmass.kernels import linked
from torchmass.kernels.step.exchange import DENSE, LATE, MIXED
from torchmass.linear import linearise

N = 7
CONNECTED = (pairs(3, N) < 0.4) | torch.eye(N, dtype=torch.bool).roll(1, 0)
W, DELAYS = pairs(1, N) * CONNECTED, pairs(2, N)
DOUBLE = {"dtype": torch.float64}


def given(kind, **matrices):
    """These matrices, sparse or dense; the dense weights have the same connections."""
    if kind == "dense":
        return matrices | {"mask": CONNECTED}
    listed = CONNECTED.nonzero().mT
    return {
        name: torch.sparse_coo_tensor(listed, value[CONNECTED], (N, N), check_invariants=True)
        if value.shape == (N, N)
        else value
        for name, value in matrices.items()
    }


def network(kind, coupling="diffusive", free=("k", "weights"), **options):
    node = tm.HopfStep(N, a=torch.linspace(-0.2, 0.3, N), init_x=0.3, init_y=torch.linspace(-1, 1, N)).free("a")
    matrices = {"conn": W, **{name: value for name, value in options.items() if name in ("delays", "distance")}}
    net = tm.Network(node, **options | given(kind, **matrices), coupling=coupling, noise=tm.WhiteNoise(0.1))
    net.coupling.free(*free)
    return net


def assert_equal(one, other):
    """The same values, and the same gradients at the connections."""
    assert one.keys() == other.keys()
    for name, value in one.items():
        expected = other[name]
        expected = expected[..., CONNECTED] if value.shape != expected.shape else expected
        tolerance = SAME[torch.float64] * (CANCELS if "gradient" in name else 1)
        torch.testing.assert_close(value, expected, rtol=0, atol=tolerance * float(expected.abs().max()) + 1e-15)


LINKS = {
    "at once": {},
    "held": {"hold": True},
    "late": {"delays": 0.2 + 3 * DELAYS},
    "some shorter than a step": {"delays": 0.3 * DELAYS},
    "over distances": {"distance": 0.1 + 9 * DELAYS, "speed": torch.tensor([[2.0], [3.0]], **DOUBLE)},
    "nearest": {"delays": 0.6 * DELAYS, "interpolation": "nearest"},
}
FREE = {
    "some shorter than a step": ("k", "weights", "delays"),
    "over distances": ("k", "weights", "distance", "speed"),
}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("coupling", ["diffusive", "sine", "laplacian_rw"])
def test_eager_steps_of_a_sparse_network_are_those_of_the_dense_one(link, coupling):
    ways = [network(kind, coupling, FREE.get(link, ("k", "weights")), **LINKS[link]) for kind in ("sparse", "dense")]
    assert ways[0].coupling.weights.shape == (int(CONNECTED.sum()),)
    assert_equal(*(found(net, "eager", duration=2.0) for net in ways))


@pytest.mark.parametrize("coupling", tm.couplings.COUPLINGS)
def test_every_kind_of_coupling_takes_sparse_weights(coupling):
    assert_equal(*(found(network(kind, coupling, k=0.3), "eager", duration=0.5) for kind in ("sparse", "dense")))


@pytest.mark.parametrize("link", LINKS)
def test_kernels_of_a_small_sparse_network_are_its_eager_steps(link):
    net = network("sparse", free=FREE.get(link, ("k", "weights")), **LINKS[link])
    (form,) = [linked.form_of(one, 0.1, "heun") for one in net.dynamics().links]
    assert form == {"at once": DENSE, "held": DENSE, "late": LATE}.get(link, MIXED)
    assert_same(net, duration=3.0)


def test_gains_are_of_connections_and_symmetric_values_stay_so():
    one_way, gain = W.triu(1), pairs(5, N).triu()
    for free in ("weights", "log_gain"):
        both = [
            tm.AdditiveCoupling(weights, symmetric=True, log_gain=gain + gain.mT).free(free)
            for weights in (lambda: one_way + one_way.mT, lambda: (one_way + one_way.mT).to_sparse())
            for weights in [weights()]
        ]
        for coupling in both:
            with torch.no_grad():
                coupling.raw.get_parameter(free).copy_(coupling.raw.get_parameter(free) + 1.0)
        dense, sparse = (coupling.edges.matrix(coupling.strengths()) for coupling in both)
        connected = both[1].edges.matrix(torch.ones_like(both[1].weights)) > 0
        torch.testing.assert_close(sparse, dense * connected)
        assert torch.equal(sparse, sparse.mT)
    with pytest.raises(ValueError, match="must equal its transpose"):
        tm.AdditiveCoupling(one_way.to_sparse(), symmetric=True)


@pytest.mark.parametrize("slope", [(), (N,), (3, 1), (3, N)])
def test_functions_of_pairs_are_computed_for_connections_alone(slope):
    x, slope = torch.randn(3, N), torch.rand(slope)
    dense, sparse = (
        tm.Network(tm.LinearStep(N), coupling=Saturating(weights, slope=slope)).rhs({"x": x})["x"]
        for weights in (W, W.to_sparse())
    )
    torch.testing.assert_close(sparse, dense)


def test_the_whole_brain_model_and_linear_theory_take_sparse_weights():
    dense, sparse = (tm.JansenRitTR(N, conn, w_ll=pairs(4, N), delays=DELAYS) for conn in (W, W.to_sparse()))
    for name, coupling in sparse.couplings.items():
        torch.testing.assert_close(coupling.edges.matrix(coupling.strengths()), dense.couplings[name].strengths())
    ways = [network(kind, delays=DELAYS + 0.1, k=0.01) for kind in ("sparse", "dense")]
    for net in ways:
        net.node.fix("a").assign(a=-0.3)
    rest = {"x": 0.0, "y": 0.0}
    frequencies = torch.tensor([1.0, 10.0])
    torch.testing.assert_close(*(linearise(net, rest).spectrum(frequencies) for net in ways))


def test_a_state_brings_its_connections():
    net = network("sparse", delays=DELAYS + 0.1)
    saved = net.state_dict()
    others = tm.Network(tm.HopfStep(N), W.mT.tril().to_sparse(), delays=1.0, noise=tm.WhiteNoise(0.1))
    others.load_state_dict(saved)
    assert torch.equal(others.coupling.ends, net.coupling.ends)
    assert_equal(found(others, "eager", duration=0.5), found(net, "eager", duration=0.5))
    both = W + W.mT
    one, other = (
        tm.AdditiveCoupling(m.to_sparse(), symmetric=True).free("weights") for m in (both, both.tril(-2) + both.triu(2))
    )
    other.load_state_dict(one.state_dict())
    torch.testing.assert_close(other.matrix("weights"), both)


def test_members_of_a_vmap_have_weights_of_their_own_and_second_derivatives_are_there():
    net = network("sparse", "sine")
    x, weights = torch.randn(N), torch.rand(3, int(CONNECTED.sum()))
    step = {"dt": 0.1, "seed": 0, "step_index": 0}
    slope = lambda w: functional_call(net, {"coupling.raw.weights": w}, ({"x": x, "y": x},), step)["x"]
    for member, w in zip(torch.vmap(slope)(weights), weights, strict=True):
        torch.testing.assert_close(member, slope(w))
    assert torch.autograd.gradcheck(slope, weights[0].requires_grad_())
    assert torch.autograd.gradgradcheck(slope, weights[0].requires_grad_())


def test_candidates_of_a_fit_have_weights_of_their_own():
    net = network("sparse", free=("weights",))
    space = tm.fit.space.Space(net, names=["weights"])
    assert space.labels[:2] == ["weights[0]", "weights[1]"]
    (raw,) = space.split(torch.rand(4, len(space.labels))).values()
    assert raw.shape == (4, 1, int(CONNECTED.sum()))


class Largest(TorchDispatchMode):
    """The most numbers that any tensor has that an operation returns."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **kwargs or {})
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided:
                self.numbers = max(self.numbers, tensor.untyped_storage().nbytes() // tensor.element_size())
        return out


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_nothing_has_a_number_for_every_pair_of_many_nodes(backend):
    nodes, degree = 20_000, 5
    source = torch.randint(nodes, (nodes, degree), generator=torch.Generator().manual_seed(0))
    ends = torch.stack((torch.arange(nodes).repeat_interleave(degree), source.flatten()))
    with Largest() as largest:
        conn = torch.sparse_coo_tensor(ends, torch.rand(nodes * degree), (nodes, nodes), check_invariants=True)
        net = tm.Network(tm.HopfStep(nodes), conn, k=0.1, delays=conn).free("weights", "k")
        tm.Simulator(net, 0.1, backend=backend).run(0.2)["x"].sum().backward()
        repr(net)
    assert largest.numbers <= 100 * nodes * degree < nodes**2


def test_what_was_found_of_a_dense_matrix_is_used_again_until_it_changes(monkeypatch):
    nodes, searched = 100, []
    search = linked._searched
    monkeypatch.setattr(linked, "_searched", lambda link: searched.append(link) or search(link))
    net = tm.Network(tm.HopfStep(nodes, init_x=1.0), torch.eye(nodes).roll(1, 0), coupling="additive")
    run = lambda backend="fused": tm.Simulator(net, 0.1, backend=backend).run(0.5)["x"]
    assert torch.equal(run(), run())
    assert len(searched) == 1
    net.coupling.fixed.weights[3, 4] = 2.0
    torch.testing.assert_close(run(), run("eager"))
    assert len(searched) == 2
    net.double().float()
    run()
    assert len(searched) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tm.AdditiveCoupling(W.to_sparse(), log_gain=torch.rand(3)), r"\(\*b, E\), one for each of E=.*\(3,\)"),
        (lambda: tm.AdditiveCoupling(W.to_sparse(), delays=torch.rand(2, 2)), r"N=7.*got shape \(2, 2\)"),
        (lambda: tm.AdditiveCoupling(W.to_sparse(), delays=-W.to_sparse().abs()), "must be ≥ 0"),
        (lambda: tm.AdditiveCoupling(W.to_sparse()).assign(weights=W + 1), "0 where there is no connection; .* others"),
        (lambda: tm.AdditiveCoupling(W.to_sparse()).assign(weights=float("nan")), "finite"),
        (lambda: tm.AdditiveCoupling(W.to_sparse(), mask=CONNECTED[:3, :3]), "mask must be"),
    ],
)
def test_bad_values_of_connections_raise(make, message):
    with pytest.raises(ValueError, match=message):
        make()
