"""Sparse connectomes: what is accepted as one, what it connects, and that its sums and gradients are those of eager."""

import pytest
import scipy.sparse
import torch
from coupled import assert_same

import torchmass as tm
from torchmass.kernels.linked import form_of
from torchmass.kernels.step.exchange import DENSE, LATE, SPARSE

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
N = 203  # of which no vector is a divisor
PLACES = torch.tensor([[0, 1, 1, 2], [1, 0, 0, 2]])  # [to, from]
VALUES = torch.tensor([0.5, 0.25, 0.5, 0.0], dtype=torch.float64)
SMALL = torch.tensor([[0.0, 0.5, 0.0], [0.75, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
PATTERN = torch.tensor([[False, True, False], [True, False, False], [False, False, True]])
COO = torch.sparse_coo_tensor(PLACES, VALUES, (3, 3), check_invariants=True)
SCIPY = (VALUES.numpy(), PLACES.numpy())
KINDS = {
    "COO with duplicates": lambda: COO,
    "coalesced": lambda: COO.coalesce(),
    "CSR": lambda: COO.coalesce().to_sparse_csr(),
    "CSC": lambda: COO.coalesce().to_sparse_csc(),
    "whole numbers": lambda: (8 * COO.coalesce()).int() / 8,
    "scipy's matrix": lambda: scipy.sparse.coo_matrix(SCIPY, shape=(3, 3)),
    "scipy's array": lambda: scipy.sparse.csr_array(SCIPY, shape=(3, 3)),
    "scipy's CSC": lambda: scipy.sparse.csc_array(SCIPY, shape=(3, 3)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sparse_matrix_gives_the_weights_and_where_they_may_be(kind):
    given = KINDS[kind]()
    for coupling in (tm.Network(tm.LinearStep(3), given).coupling, tm.couplings.SineCoupling(given)):
        assert torch.equal(coupling.weights, SMALL[PATTERN].to(coupling.weights))
        assert torch.equal(coupling.ends, PATTERN.nonzero().mT)
        assert torch.equal(coupling.matrix("weights"), SMALL.to(coupling.weights))


def test_a_batch_of_sparse_matrices_has_the_pattern_of_all():
    members = torch.stack([SMALL, SMALL.mT, 3 * SMALL.triu()])
    coupling = tm.Network(tm.LinearStep(3), members.to_sparse()).coupling
    assert torch.equal(coupling.ends, ((SMALL != 0) | (SMALL.mT != 0)).nonzero().mT)
    assert coupling.weights.shape == (3, 2)
    assert torch.equal(coupling.matrix("weights"), members)


@pytest.mark.parametrize("mask", [torch.ones(3, 3), torch.ones(3, 3).to_sparse()])
def test_a_mask_that_is_given_stands(mask):
    coupling = tm.AdditiveCoupling(COO, mask=mask)
    assert coupling.ends.shape == (2, 9)
    assert torch.equal(coupling.matrix("weights"), SMALL)


@pytest.mark.parametrize("late", [SMALL, COO, SMALL[PATTERN], SMALL + torch.eye(3), (SMALL + torch.eye(3)).to_sparse()])
def test_delays_may_be_a_matrix_of_any_kind_or_one_a_connection(late):
    coupling = tm.DiffusiveCoupling(COO, delays=late, distance=late, speed=torch.tensor([[1.0], [2.0]]))
    lags = coupling.lags()
    assert lags is not None
    expected = late.to_dense() if late.ndim == 2 else SMALL
    torch.testing.assert_close(lags, torch.stack([2 * expected, 1.5 * expected])[:, PATTERN])
    assert torch.equal(coupling.matrix("delays"), expected * PATTERN)


@pytest.mark.parametrize("weights", [2 * COO, 2 * SMALL, 2 * SMALL[PATTERN]])
def test_weights_are_assigned_as_they_are_given(weights):
    coupling = tm.AdditiveCoupling(COO)
    assert torch.equal(coupling.assign(weights=weights).matrix("weights"), 2 * SMALL)
    assert torch.equal(coupling.free("weights").assign(weights=weights).weights, 2 * SMALL[PATTERN])
    assert torch.equal(coupling.assign(weights=0.5).matrix("weights"), 0.5 * PATTERN)


def test_the_gradient_of_sparse_weights_reaches_what_they_were_made_of():
    values = VALUES.clone().requires_grad_()
    given = torch.sparse_coo_tensor(PLACES, values, (3, 3), check_invariants=True)
    tm.Network(tm.LinearStep(3), given).rhs({"x": torch.tensor([1.0, 2.0, 3.0])})["x"].sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([1.0, -1.0, -1.0, 0.0], dtype=torch.float64))


def test_phases_take_a_sparse_matrix_without_what_is_their_own():
    coupling = tm.KuramotoNetwork(3, COO).coupling
    assert torch.equal(coupling.matrix("weights"), SMALL / 3)
    assert coupling.weights.shape == (2,)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: tm.Network(tm.LinearStep(2), COO), ValueError, "N=2"),
        (lambda: tm.AdditiveCoupling(torch.ones(2, 3).to_sparse()), ValueError, "square"),
        (lambda: tm.AdditiveCoupling(scipy.sparse.csr_array((2, 3))), ValueError, "square"),
        (lambda: tm.AdditiveCoupling(scipy.sparse.coo_array([1.0, 2.0])), ValueError, "square"),
        (lambda: tm.AdditiveCoupling(COO.float()), ValueError, "float32"),
        (lambda: tm.AdditiveCoupling(COO, mask=torch.zeros(3, 3)), ValueError, "no connection"),
        (lambda: tm.AdditiveCoupling(COO).assign(weights=torch.ones(3, 3)), ValueError, "no connection"),
        (lambda: tm.AdditiveCoupling(float("nan") * COO), ValueError, "finite"),
    ],
)
def test_bad_sparse_input_raises(make, error, message):
    with pytest.raises(error, match=message):
        make()


def sparse(connected, seed=0):
    """Weights of these pairs."""
    weights = torch.randn(connected.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    places = connected.nonzero().mT
    return torch.sparse_coo_tensor(places, weights[tuple(places)], connected.shape, check_invariants=True)


def few(share=0.02, seed=0):
    """Some pairs; one node reaches all, one hears all, others hear nothing."""
    connected = torch.rand(N, N, generator=torch.Generator().manual_seed(seed)) < share
    connected[7], connected[:, 11], connected[20:25] = True, True, False
    return connected


def network(conn, coupling="diffusive", dtype=torch.float64, **options):
    torch.set_default_dtype(dtype)
    start = torch.linspace(-1, 1, N)
    node = tm.HopfStep(N, a=torch.linspace(-0.2, 0.3, N), init_x=0.3, init_y=start).free("a", "init_x")
    noise = tm.WhiteNoise(0.1)
    net = tm.Network(node, conn.to(dtype), coupling=coupling, **{"k": 0.1, "noise": noise, **options})
    return net.free("k", "weights")


def form(net, method="heun"):
    (link,) = net.dynamics().links
    return form_of(link, 0.1, method)


CASES = {
    "Euler": {"method": "euler"},
    "Heun": {"method": "heun"},
    "Runge–Kutta": {"method": "rk4"},
    "held": {"hold": True},
    "two channels": {"coupling": "sine"},
}


@pytest.mark.parametrize("case", CASES)
def test_sums_over_connections_are_those_of_eager(case):
    options = dict(CASES[case])
    method = options.pop("method", "heun")
    net = network(sparse(few()), **options)
    assert form(net, method) == SPARSE
    assert_same(net, method=method, duration=13.0)


@pytest.mark.parametrize("pairs", ["none", "one", "one way", "itself"])
def test_any_pattern_will_do(pairs):
    connected = torch.zeros(N, N, dtype=torch.bool)
    if pairs == "one":
        connected[N - 1, 0] = True
    if pairs == "one way":
        connected = few().tril(-1)
    if pairs == "itself":
        connected = torch.eye(N, dtype=torch.bool)
    net = network(sparse(connected))
    assert form(net) == SPARSE
    gradient = assert_same(net, duration=4.0)["gradient coupling.raw.weights"]
    assert len(gradient) == int(connected.sum())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_node_that_leaves_the_finite_numbers_takes_those_it_reaches_with_it_and_no_others(dtype):
    source, reached = 96, 3  # the first lane of any vector
    connected = few()
    connected[:, source] = connected[:, reached] = False
    connected[reached, source] = True
    net = network(sparse(connected), dtype=dtype, coupling="additive")
    assert form(net) == SPARSE
    start = torch.full((N,), 0.1).index_fill(0, torch.tensor([source]), 1e30)
    run = tm.Simulator(net, 0.1, backend="fused").run(2.0, x0={"x": start}, allow_nonfinite=True)
    lost = ~run["x"][-1].isfinite()
    assert lost.nonzero().flatten().tolist() == [reached, source]


def test_weights_of_0_that_may_learn_have_their_gradient():
    net = network(0 * sparse(few()))
    assert form(net) == SPARSE
    gradient = assert_same(net, duration=4.0)["gradient coupling.raw.weights"]
    to, source = net.coupling.ends
    assert gradient[to != source].all()  # what is diffusive does not hear itself


def test_a_batch_of_weights_with_one_pattern_is_the_same():
    conn = torch.stack([sparse(few(), seed).to_dense() for seed in range(3)]).to_sparse()
    net = network(conn)
    assert form(net) == SPARSE
    assert_same(net, duration=4.0)
    assert_same(network(sparse(few()), k=torch.rand(3, 1)), duration=4.0)


def test_gains_and_symmetric_weights_learn_where_connections_are():
    connected = few() | few().mT
    half = sparse(connected).to_dense()
    net = network((half + half.mT).to_sparse(), symmetric=True, log_gain=torch.zeros(N, N))
    net.free("log_gain")
    assert form(net) == SPARSE
    assert_same(net, duration=4.0)
    net.fix("weights")
    assert form(net) == SPARSE
    assert_same(net, duration=4.0)


def test_in_float32_it_is_as_right_as_dense():
    net = network(sparse(few()), dtype=torch.float32)
    assert_same(net, duration=4.0)


def test_the_form_is_sparse_where_few_weights_count_and_no_others_learn():
    few_of_many = sparse(few()).to_dense()
    net = network(few_of_many)
    assert form(net) == DENSE  # all of them learn
    net.fix("weights")
    assert form(net) == SPARSE
    assert form(network(sparse(torch.ones(N, N) > 0))) == DENSE


def test_delays_of_pairs_that_cannot_learn_do_not_count():
    conn = sparse(few())
    rng = torch.Generator().manual_seed(1)
    for some in (conn, conn.to_dense()):
        net = network(some, mask=few(), delays=(0.2 + 5 * torch.rand(N, N, generator=rng)) * few())
        assert form(net) == LATE
        gradient = assert_same(net, duration=2.0)["gradient coupling.raw.weights"]
        assert gradient.ndim == 1 or not gradient[~few()].any()
