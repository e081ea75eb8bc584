"""Each kind of coupling is what it says, is what others say it is, and can be fitted."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import torchmass as tm
from torchmass.couplings import ALIASES, COUPLINGS

ARRAYS = {k: torch.from_numpy(v) for k, v in np.load(Path(__file__).parent / "reference" / "coupling.npz").items()}
WEIGHTS = torch.tensor([[0.1, 0.7, 0.0], [0.2, -0.3, 1.1], [0.0, 0.4, 0.0]], dtype=torch.float64)  # [to, from]
JANSEN_RIT = {"cmin": 0.001, "cmax": 0.01, "midpoint": 5.5, "r": 0.6}
CASES = [  # the array, the kind, its values
    ("diffusive", "diffusive", {"k": 0.7}),
    ("additive", "additive", {"k": 0.7, "b": 0.3}),
    ("sigmoidal", "sigmoidal", {"k": 0.7, "a": 1.3, "b": 0.2, "slope": 1.7, "midpoint": 0.4}),
    ("sigmoidal_default", "sigmoidal", {}),
    ("tanh", "tanh", {"k": 0.7, "scale": 1.1}),
    ("tanh_default", "tanh", {"k": 0.5}),  # the gain is 1 here unless given
    ("sigmoidal_jansen_rit", "sigmoidal_jansen_rit", {"k": 0.7, **JANSEN_RIT}),
    ("sigmoidal_jansen_rit_default", "sigmoidal_jansen_rit", {}),
    ("tvb_linear", "additive", {"k": 0.7, "b": 0.3}),
    ("tvb_difference", "diffusive", {"k": 0.7}),
    ("tvb_tanh", "tvb_tanh", {"a": 0.7, "b": 1.3, "midpoint": 0.2, "sigma": 0.8}),
    ("tvb_sigmoidal", "tvb_sigmoidal", {"cmin": -0.5, "cmax": 1.5, "midpoint": 0.2, "a": 1.2, "sigma": 0.9}),
]


def arriving(coupling: tm.Coupling, seen: Tensor, own: Tensor) -> Tensor:
    """What arrives at nodes, (*b, N), from signals as each of them sees them, (*b, N, N)."""
    p, weights = coupling.values(), coupling.strengths()
    channels = torch.broadcast_tensors(seen, *coupling.send(seen, p))[1:]
    return coupling.receive(own, tuple((weights * channel).sum(-1) for channel in channels), p)


@pytest.mark.parametrize(("array", "kind", "values"), CASES, ids=[case[0] for case in CASES])
def test_a_coupling_equals_that_of_other_programs(array, kind, values):
    seen = ARRAYS["x_delayed_jr" if "jansen" in array else "x_delayed"]
    found = arriving(COUPLINGS[kind](ARRAYS["W"], **values), seen, ARRAYS["y"])
    torch.testing.assert_close(found, ARRAYS[array], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", [n for n in ARRAYS if n.startswith("tvb_")])
def test_a_network_knows_the_couplings_of_the_virtual_brain_by_their_names(name):
    (kind,) = (kind for array, kind, _ in CASES if array == name)
    assert type(tm.Network(tm.LinearStep(3), WEIGHTS, coupling=name).coupling) is COUPLINGS[kind]


def test_a_laplacian_without_a_norm_is_the_diffusive_coupling():
    x = torch.randn(3)
    net = tm.Network(tm.LinearStep(3, gamma=0.0), WEIGHTS, coupling="laplacian", k=0.6)
    torch.testing.assert_close(net.rhs({"x": x})["x"], 0.6 * (WEIGHTS - torch.diag(WEIGHTS.sum(1))) @ x)
    assert not ALIASES.keys() & COUPLINGS.keys()


def test_pre_sigmoidal_is_the_formula_of_the_virtual_brain():
    values = {"H": 0.4, "Q": 1.1, "G": 2.0, "P": 0.9, "theta": 0.3}
    sent = 0.4 * (1.1 + torch.tanh(2.0 * (0.9 * ARRAYS["x_delayed"] - 0.3)))
    found = arriving(COUPLINGS["tvb_pre_sigmoidal"](ARRAYS["W"], **values), ARRAYS["x_delayed"], ARRAYS["y"])
    torch.testing.assert_close(found, (ARRAYS["W"] * sent).sum(-1))


@pytest.mark.parametrize("kind", COUPLINGS)
def test_a_network_adds_up_what_every_node_sends(kind):
    net = tm.Network(tm.LinearStep(3, gamma=0.0), WEIGHTS, coupling=kind, k=0.6)
    x = torch.randn(2, 3)
    found = net.rhs({"x": x})["x"]
    torch.testing.assert_close(found, arriving(net.coupling, x[:, None, :].expand(2, 3, 3), x))


@pytest.mark.parametrize("kind", COUPLINGS)
def test_every_value_of_a_coupling_matters_and_its_gradient_is_right(kind):
    node = tm.LinearStep(3, gamma=-0.5, init_x=torch.tensor([0.3, -0.4, 0.8]))
    late = {"delays": 0.13, "distance": 0.01 + torch.rand(3, 3), "speed": 2.0}
    unsaturated = {"G": 2.0} if kind == "tvb_pre_sigmoidal" else {}
    net = tm.Network(node, WEIGHTS, coupling=kind, **late, **unsaturated)
    net.coupling.free(*net.coupling.declarations)
    sim = tm.Simulator(net, dt=0.1)
    names = [f"model.{name}" for name, _ in net.named_parameters()]
    loss = lambda *values: torch.func.functional_call(sim, dict(zip(names, values, strict=True)), (0.5,))["x"]
    values = tuple(net.parameters())
    assert torch.autograd.gradcheck(loss, values)
    for name, gradient in zip(names, torch.autograd.grad(loss(*values).square().sum(), values), strict=True):
        assert gradient.abs().max() > 0, name


@pytest.mark.parametrize("kind", COUPLINGS)
def test_a_coupling_is_documented(kind):
    doc = COUPLINGS[kind].__doc__ or ""
    assert "Source:" in doc
    assert r"\(" in doc
    listed = doc.partition("Parameters::")[2].split()
    assert set(COUPLINGS[kind].declarations) <= set(listed)


def test_sines_of_differences_are_summed_pair_by_pair_with_the_lag_of_the_target():
    alpha = torch.tensor([0.0, 0.5, -1.0])
    net = tm.Network(tm.LinearStep(3, gamma=0.0), WEIGHTS, coupling="sine", k=2.0, alpha=alpha)
    x = 10 * torch.randn(4, 3)
    pairs = torch.sin(x[:, None, :] - x[:, :, None] - alpha[:, None])  # (4, to, from)
    torch.testing.assert_close(net.rhs({"x": x})["x"], 2 * (WEIGHTS * pairs).sum(-1))


@pytest.mark.parametrize("kind", COUPLINGS)
def test_a_number_is_the_weight_of_every_pair_of_different_nodes(kind):
    node = tm.LinearStep(4, gamma=0.0)
    nets = [tm.Network(node, conn, coupling=kind) for conn in (0.3, 0.3 * (1 - torch.eye(4)))]
    x = torch.randn(2, 4)
    torch.testing.assert_close(*(net.rhs({"x": x})["x"] for net in nets))
    nets[0].free("weights")
    assert nets[0].coupling.weights.shape == (1, 1)
    alone = tm.Network(tm.LinearStep(1, gamma=0.0), 0.3, coupling="additive")
    assert float(alone.rhs({"x": torch.ones(1)})["x"]) == 0  # there is no other node


def test_a_matrix_of_one_weight_is_not_taken_for_a_number():
    node, one = tm.LinearStep(3), torch.ones(1, 1)
    for make in (
        lambda: tm.Network(node, one),
        lambda: tm.Network(node, coupling=tm.AdditiveCoupling(one)),
        lambda: tm.Network(node, coupling=tm.AdditiveCoupling(1.0, 2)),
        lambda: tm.AdditiveCoupling(one, 3),
        lambda: tm.Network(node, torch.ones(3, 3)).assign(weights=one),
        lambda: tm.KuramotoNetwork(3, one),
    ):
        with pytest.raises(ValueError, match=r"must be \(\*b, N, N\) with \[to, from\] and N=3"):
            make()
    tm.Network(node, 1.0).assign(weights=one)


@pytest.mark.parametrize("number", [0.5, 1, torch.tensor(0.5, dtype=torch.float64)])
def test_a_number_is_no_matrix_of_weights_that_were_one(number):
    net = tm.Network(tm.LinearStep(3), torch.ones(3, 3))
    with pytest.raises(ValueError, match=r"must be \(\*b, N, N\) .* N=3, got a number, .* give a matrix"):
        net.assign(weights=number)
    assert torch.equal(net.coupling.weights, torch.ones(3, 3))
    alike = tm.Network(tm.LinearStep(3), 0.25).assign(weights=number)
    expected = tm.Network(tm.LinearStep(3), float(number) * (1 - torch.eye(3)))
    x = {"x": torch.randn(3)}
    torch.testing.assert_close(alike.rhs(x)["x"], expected.rhs(x)["x"])


W = ARRAYS["kuramoto.W"]
KURAMOTO = {  # the arrays of the functional reference, and what they are made with
    "rhs_alltoall": {"k": 0.4},
    "rhs_alltoall_alpha_self": {"k": 0.4, "alpha": 0.3, "exclude_self": False},
    "rhs_conn_alpha": {"k": 0.4, "alpha": 0.3, "conn": W},
    "rhs_conn_nonorm": {"k": 0.1, "conn": W, "normalize_by_n": False},
}


@pytest.mark.parametrize("array", KURAMOTO)
def test_a_kuramoto_network_equals_that_of_the_functional_reference(array):
    net = tm.KuramotoNetwork(6, omega=ARRAYS["kuramoto.omega"], **KURAMOTO[array])
    found = net.rhs({"theta": ARRAYS["kuramoto.theta"]}, theta_inp=ARRAYS["kuramoto.inputs"])["theta"]
    torch.testing.assert_close(found, ARRAYS[f"kuramoto.{array}"], rtol=1e-10, atol=1e-12)


def test_a_kuramoto_network_takes_a_connectome_with_its_names_and_at_a_speed_its_distances():
    connectome = tm.datasets.synthetic_connectome(12, density=0.5)
    net = tm.KuramotoNetwork(12, connectome, speed=2.0)
    assert net.labels == connectome.labels
    torch.testing.assert_close(net.coupling.weights, connectome.weights / 12)
    torch.testing.assert_close(net.coupling.lags(), connectome.delays(2.0))


def test_a_kuramoto_network_is_in_the_catalogue_and_says_what_it_is():
    states = {info.cls: info.n_state_vars for info in tm.list_models("network")}
    assert states[tm.KuramotoNetwork] == 1
    assert ".. math::" in tm.KuramotoNetwork.__doc__
    with pytest.raises(ValueError, match="conn must be"):
        tm.KuramotoNetwork(3, torch.ones(2, 2))
    with pytest.raises(TypeError, match="no parameter 'K'"):
        tm.KuramotoNetwork(3, K=1.0)


@pytest.mark.parametrize("K", [1.0, 3.0, 6.0])
def test_phases_synchronise_above_the_threshold_of_kuramoto(K):
    """For a Lorentzian of half width Δ, K_c = 2/(πg(0)) = 2Δ, and beyond it r = √(1 − K_c/K); here Δ = 1."""
    count = 400
    place = (torch.arange(count) + 0.5) / count
    omega = torch.tan(math.pi * (place - 0.5))
    start = 2 * math.pi * torch.rand(count, generator=torch.Generator().manual_seed(0))
    net = tm.KuramotoNetwork(count, omega=omega, init_theta=start, k=K)
    theta = tm.Simulator(net, dt=0.05).run(60.0, transient=30.0, sample_every=4)["theta"]
    order = torch.polar(torch.ones_like(theta), theta).mean(-1).abs().mean()
    expected = math.sqrt(max(0.0, 1 - 2 / K))
    assert abs(float(order) - expected) < (0.03 if K > 2 else 0.15)  # of 400 at rest some order is left by chance


@pytest.mark.parametrize("kind", ["laplacian_rw", "laplacian_sym"])
def test_a_laplacian_is_the_matrix_of_the_textbook(kind):
    weights = torch.tensor([[0.0, 0.7, 0.1], [0.2, 0.0, 1.1], [0.3, 0.0, 0.0]])
    d = torch.diag(weights.sum(1))
    half = torch.linalg.inv(d.sqrt())
    expected = torch.linalg.inv(d) @ weights if kind == "laplacian_rw" else half @ weights @ half
    x = torch.randn(3)
    net = tm.Network(tm.LinearStep(3, gamma=0.0), weights, coupling=kind, k=0.6)
    torch.testing.assert_close(net.rhs({"x": x})["x"], 0.6 * (expected - torch.eye(3)) @ x)
    alike = tm.Network(tm.LinearStep(3, gamma=0.0), 0.4, coupling=kind, k=0.6)
    pairs = (torch.ones(3, 3) - torch.eye(3)) / 2
    torch.testing.assert_close(alike.rhs({"x": x})["x"], 0.6 * (pairs - torch.eye(3)) @ x)


def test_a_node_that_nothing_reaches_has_a_finite_laplacian_and_gradient():
    weights = torch.tensor([[0.0, 0.7], [0.0, 0.0]])
    for kind, expected in (("laplacian_rw", 0.0), ("laplacian_sym", -2.0)):
        net = tm.Network(tm.LinearStep(2, gamma=0.0), weights, coupling=kind).free("weights")
        slopes = net.rhs({"x": torch.tensor([1.0, 2.0])})["x"]
        assert float(slopes[1].detach()) == expected
        assert torch.autograd.grad(slopes[0], net.coupling.raw.weights)[0].isfinite().all()


@pytest.mark.parametrize("delays", [None, 0.5])
def test_a_loaded_coupling_has_delays_where_the_saved_one_has(delays):
    saved = tm.DiffusiveCoupling(WEIGHTS, delays=delays)
    for before in (None, 2.0):  # of a coupling that loads it, a copy of another
        loaded = copy.deepcopy(tm.DiffusiveCoupling(WEIGHTS, delays=before))
        loaded.load_state_dict(saved.state_dict())
        lags = loaded.lags()
        assert lags is None if delays is None else torch.equal(lags, saved.lags())
        assert loaded._longest == saved._longest
