"""The fused loop of a network is the eager one: values, ends, what it remembers and every gradient."""

from itertools import combinations

import pytest
import torch
from conftest import FULL, MODELS, freeable, random_state, step_of
from coupled import LINKS, N, assert_same, found, held_beside_read, network, pairs, with_history

import torchmass as tm
from torchmass.integrators import INTEGRATORS

QUICKLY = pytest.mark.usefixtures("quickly_built")
W, D = pairs(1) / N, pairs(2)
BESIDE = {  # kinds of coupling that differ in when they are read: delays are 2 to 30 steps, 1 to 4, and up to 3
    "at once": {},
    "held": {"hold": True},
    "late": {"delays": 0.2 + 2.8 * D},
    "late and held": {"delays": 0.1 + 0.3 * D, "hold": True},
    "short": {"delays": 0.01 + 0.3 * D},
    "short and held": {"delays": 0.01 + 0.3 * D, "hold": True},
}
KINDS = ["at once", "late", "some shorter than a step"]


def in_turn(one, other, always):
    """All pairs, or of each of the one the pair with `always`, and every third of the rest in turn."""
    places = [(i, a, j, b) for i, a in enumerate(one) for j, b in enumerate(other)]
    return [(a, b) for i, a, j, b in places if FULL or b == always or (i + j) % 3 == 0]


@pytest.mark.parametrize(("link", "method"), in_turn(LINKS, INTEGRATORS, "heun"))
def test_a_network_in_the_fused_loop_is_the_eager_one(link, method, request):
    if method != "heun":
        request.getfixturevalue("quickly_built")
    assert_same(network(link), method=method)


@pytest.mark.parametrize(("coupling", "link"), in_turn(tm.couplings.COUPLINGS, KINDS, "late"))
def test_every_kind_of_coupling_is_the_same_in_the_fused_loop(link, coupling, request):
    if link != "late":
        request.getfixturevalue("quickly_built")
    options = {"G": 2.0} if coupling == "tvb_pre_sigmoidal" else {}
    net = network(link, coupling, **options)
    own = [name for name, p in net.coupling.declarations.items() if p.per == "node" and name != "k"]
    net.coupling.free(*own)
    assert_same(net, duration=4.0)


@QUICKLY
@pytest.mark.parametrize("method", ["midpoint", "rk4"])
def test_a_coupling_that_is_held_has_delays_of_a_step_beside_one_that_is_read_in_the_middle(method):
    assert_same(held_beside_read(), method=method)


@QUICKLY
@pytest.mark.parametrize("two", list(combinations(BESIDE, 2)), ids=" and ".join)
def test_couplings_of_two_kinds_beside_each_other_are_those_of_eager(two):
    link = lambda name, source: tm.DiffusiveCoupling(W, source=source, target=f"{source}_inp", k=0.7, **BESIDE[name])
    parts = {"one": link(two[0], "x"), "other": link(two[1], "y")}
    net = tm.Network(tm.HopfStep(N, init_x=0.3), coupling=parts, noise={"x": tm.WhiteNoise(0.1)})
    for part in parts.values():
        part.free("k", "weights", *(["delays"] if part.lags() is not None else []))
    assert_same(net, method="rk4", duration=4.0)  # which reads as a step begins, in its middle and at its end


@pytest.mark.parametrize("link", LINKS)
def test_in_float32_it_is_as_right_as_eager(link):
    # against float64: eager in float32 has rounding of its own
    exact, net = network(link), network(link, dtype=torch.float32)
    net.load_state_dict({name: value.float() for name, value in exact.state_dict().items()})
    eager, ours, truth = found(net, "eager"), found(net, "fused"), found(exact, "eager")
    for name, value in truth.items():
        error = lambda other, value=value: float((other.double() - value).abs().max() / value.abs().max())
        assert error(ours[name]) <= (1e-4 if "gradient" in name else 2e-5) + 3 * error(eager[name]), name


@QUICKLY
@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("name", ["k", "a", "weights", "delays", "x0"])
def test_a_batch_of_networks_is_the_same(link, name):
    if name in ("weights", "delays") and (link == "all alike" or (name == "delays" and "delays" not in LINKS[link])):
        pytest.skip("has none")
    net = network(link)
    values = {
        "k": torch.rand(3, 1),
        "a": torch.randn(3, N),
        "weights": torch.rand(3, N, N) / N,
        "delays": D + torch.rand(3, N, N),
    }
    owner = net.node if name == "a" else net.coupling
    if name != "x0":
        owner.fix(*({name} & set(owner._free)))
        owner.assign(**{name: values[name]})
        owner.free(*({name} - ({"delays"} if net.coupling.nearest else set())))
    options = {"x0": {"x": torch.randn(3, N)}, "batch_size": 3} if name == "x0" else {}
    if name == "x0":
        net.fix("init_x")
    assert_same(net, duration=4.0, **options)


@QUICKLY
@pytest.mark.parametrize("link", ["at once", "late"])
@pytest.mark.parametrize("driven", ["x", "x_inp"])
def test_coloured_noise_is_the_same_and_its_time_constant_has_a_gradient(driven, link):
    node = tm.HopfStep(N, **{f"noise_{driven}": tm.OUProcess(0.1, 2.0)}).free("a")
    node.noise[driven].free("sigma", "tau")
    late = {"delays": 0.2 + D} if link == "late" else {}
    values = assert_same(tm.Network(node, W, k=0.7, **late), duration=4.0)
    assert values[f"gradient node.noise.{driven}.raw.tau"].abs() > 0


def test_several_couplings_from_states_and_outputs_are_the_same():
    node = tm.JansenRitStep(N, mu=150.0, noise_E_inp=tm.OUProcess(10.0, 5.0), init_M=torch.linspace(0, 0.1, N))
    rate = tm.SigmoidalJansenRitCoupling(W, source="output", target="E_inp", delays=0.2 + 9 * D, k=50.0)
    plain = tm.AdditiveCoupling(W.mT.contiguous(), source="E", target="M_inp", k=0.1)
    short = tm.DiffusiveCoupling(W, source="E", target="I_inp", delays=0.1 * D, k=0.1)
    net = tm.Network(node, coupling={"rate": rate, "plain": plain, "short": short})
    net.free("rate.k", "rate.weights", "rate.delays", "plain.weights", "short.weights", "short.delays", "rate.r", "Ae")

    def values(backend):
        r = tm.Simulator(net, 0.1, backend=backend).run(12.0, seed=1)
        loss = sum((value / (1 + value.detach().abs().max())).square().mean() for value in r.values())
        return [*r.values(), *r.state.values(), *torch.autograd.grad(loss, list(net.parameters()))]

    for ours, expected in zip(values("fused"), values("eager"), strict=True):
        assert (ours - expected).abs().max() <= 1e-12 * expected.abs().max()


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("horizon", [7, 64])
def test_gradients_are_cut_where_eager_cuts_them(link, horizon):
    assert_same(network(link), duration=16.0, grad_horizon=horizon)


@QUICKLY
@pytest.mark.parametrize("link", LINKS)
def test_inputs_that_change_in_time_have_the_same_gradient(link):
    net = network(link)
    drive = torch.randn(40, N, requires_grad=True)

    def gradient(backend):
        x = tm.Simulator(net, 0.1, backend=backend).run(4.0, seed=3, inputs=drive)["x"]
        return torch.autograd.grad(x.square().sum(), drive)[0]

    torch.testing.assert_close(gradient("fused"), gradient("eager"), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("link", ["late", "some shorter than a step"])
def test_a_history_that_is_given_is_read_and_has_the_same_gradient(link):
    for ours, expected in zip(*(with_history(network(link), way) for way in ("fused", "eager")), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("steps", [1, 13, 64, 100])
def test_two_halves_are_the_whole_bit_for_bit(link, steps):
    sim = tm.Simulator(network(link), 0.1, backend="fused")
    whole = sim.run(20.0, seed=3)
    first = sim.run(steps * 0.1, seed=3)
    second = sim.run(20.0 - steps * 0.1, x0=first.state)
    assert torch.equal(torch.cat([first["x"], second["x"]]), whole["x"])
    assert all(torch.equal(value, whole.state[name]) for name, value in second.state.items())


@pytest.mark.slow
@pytest.mark.parametrize("link", ["late", "some shorter than a step"])
def test_a_long_run_keeps_a_ring_and_a_gradient_keeps_all_with_the_same_result(link):
    net = network(link)
    sim = tm.Simulator(net, 0.1, backend="fused")
    ring = sim.run(700.0, seed=3)
    with torch.no_grad():
        again = sim.run(700.0, seed=3)
    kept = sim.run(700.0, seed=3)["x"]
    assert kept.requires_grad
    assert torch.equal(again["x"], kept.detach())
    assert torch.equal(ring["x"].detach(), again["x"])


@QUICKLY
@pytest.mark.parametrize("nodes", [1, 2, 8, 9, 18, 31])
@pytest.mark.parametrize("link", ["at once", "late", "all alike"])
def test_any_number_of_nodes_will_do(link, nodes):
    rng = torch.Generator().manual_seed(nodes)
    weights = torch.rand(nodes, nodes, generator=rng) / nodes
    options = {"delays": 0.1 + 5 * torch.rand(nodes, nodes, generator=rng)} if link == "late" else {}
    node = tm.HopfStep(nodes, init_x=torch.linspace(0.1, 1, nodes)).free("a", "init_x")
    net = tm.Network(node, 0.2 if link == "all alike" else weights, coupling="additive", k=0.5, **options)
    net.coupling.free("weights", *options)
    assert_same(net, duration=8.0)


@QUICKLY
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_node_that_leaves_the_finite_numbers_does_so_as_in_eager_steps(dtype):
    """The last of a few nodes that fill no vector: others are infinite in one step, and no number in the next."""
    nodes = 18
    weights = torch.rand(nodes, nodes, generator=torch.Generator().manual_seed(0)).to(dtype)
    net = tm.Network(tm.HopfStep(nodes).to(dtype), weights, coupling="additive", k=0.1)
    start = torch.full((nodes,), 0.1, dtype=dtype).index_fill(
        0, torch.tensor([nodes - 1]), torch.finfo(dtype).max ** 0.5
    )
    options = {"x0": {"x": start}, "allow_nonfinite": True}
    eager, fused = (tm.Simulator(net, 0.1, "euler", backend=b).run(0.5, **options)["x"] for b in ("eager", "fused"))
    assert len(set(eager.isinf().sum(1).tolist())) > 1
    assert torch.equal(fused.isnan(), eager.isnan())
    assert torch.equal(fused.isinf(), eager.isinf())


def test_threads_share_the_simulations_of_a_batch():
    net = network("late", k=torch.rand(7, 1))
    one, two = (_with_threads(n, lambda: found(net, "fused", duration=40.0)) for n in (1, 2))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-12, atol=1e-13)


def _with_threads(count, work):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def test_what_kernels_of_networks_do_not_do_is_refused():
    net = network("late")
    run = lambda **options: tm.Simulator(net, 0.1).run(30.0, seed=1, **options)
    assert run().backend == "fused"
    with pytest.raises(ValueError, match="coupled"):
        tm.Simulator(net, 0.1, backend="fused").run(1.0, seed=1, gradient="forward")


def test_a_gradient_that_breaks_names_step_and_state():
    node = tm.LinearStep(2, gamma=0.0, init_x=torch.tensor([1.0, 2.0])).free("init_x")
    net = tm.Network(node, [[0.0, 1.0], [1.0, 0.0]], coupling="additive", k=1e3)
    messages = []
    for backend in ("eager", "fused"):
        x = tm.Simulator(net, 1.0, backend=backend).run(150.0, allow_nonfinite=True)["x"]
        with pytest.raises(tm.NonFiniteError) as error:
            x[20].sum().mul(float("inf")).backward()
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@QUICKLY
@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(MODELS)), ids=[cls.__name__ for cls in MODELS])
def test_every_model_is_the_same_in_a_network(place):
    cls, late = MODELS[place], place % 2
    node = cls(3, **{f"init_{name}": value for name, value in random_state(cls, 3).items()})
    if node.port is None:
        pytest.skip("has no port")
    dt = step_of(cls, 0.05)
    options = {"delays": dt * torch.tensor([[0.0, 2.3, 9.0], [1.2, 0.0, 4.0], [17.5, 3.0, 0.0]])} if late else {}
    net = tm.Network(node, 0.05 * W[:3, :3], coupled_var="output", **options)
    net.coupling.free("weights", "k")
    node.free(*freeable(node)[:3])

    def values(backend):
        r = tm.Simulator(net, dt, backend=backend).run(40 * dt)
        loss = sum((value / (1 + value.detach().abs().max())).square().mean() for value in list(r.values())[:-1])
        gradients = torch.autograd.grad(loss, list(net.parameters()), allow_unused=True)
        return [*r.values(), *(g for g in gradients if g is not None)]

    for ours, expected in zip(values("fused"), values("eager"), strict=True):
        assert (ours - expected).abs().max() <= 1e-11 * expected.abs().max() + 1e-15
