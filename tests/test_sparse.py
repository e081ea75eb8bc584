"""Sparse connectomes: what is accepted as one, and what it connects."""

import pytest
import scipy.sparse
import torch

import torchmass as tm

pytestmark = pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
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
        assert torch.equal(coupling.weights, SMALL.to(coupling.weights))
        assert torch.equal(coupling.mask, PATTERN)


def test_a_batch_of_sparse_matrices_has_the_pattern_of_all():
    both = torch.stack([SMALL, SMALL.mT]).to_sparse()
    net = tm.Network(tm.LinearStep(3), both)
    assert net.coupling.weights.shape == (2, 3, 3)
    assert torch.equal(net.coupling.mask, (SMALL != 0) | (SMALL.mT != 0))


def test_a_mask_that_is_given_stands_and_delays_may_be_sparse():
    mask = torch.ones(3, 3, dtype=torch.bool)
    net = tm.Network(tm.LinearStep(3), COO, mask=mask.to_sparse(), delays=COO, distance=COO, speed=2.0)
    assert torch.equal(net.coupling.mask, mask)
    lags = net.coupling.lags()
    assert lags is not None
    assert torch.equal(lags, 1.5 * SMALL)
    assert torch.equal(net.coupling.assign(weights=2 * COO).weights, 2 * SMALL)


def test_the_gradient_of_sparse_weights_reaches_what_they_were_made_of():
    values = VALUES.clone().requires_grad_()
    given = torch.sparse_coo_tensor(PLACES, values, (3, 3), check_invariants=True)
    tm.Network(tm.LinearStep(3), given).rhs({"x": torch.tensor([1.0, 2.0, 3.0])})["x"].sum().backward()
    torch.testing.assert_close(values.grad, torch.tensor([1.0, -1.0, -1.0, 0.0], dtype=torch.float64))


def test_phases_take_a_sparse_matrix_without_what_is_their_own():
    net = tm.KuramotoNetwork(3, COO)
    assert torch.equal(net.coupling.weights, SMALL / 3)
    assert not net.coupling.mask[2, 2]


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
