"""Networks in Triton: the loop of a tile of simulations, run in its interpreter, is the eager one; and it compiles."""

import pytest
import torch
from conftest import FULL
from coupled import CANCELS, LINKS, SAME, N, assert_same, found, held_beside_read, mixed, network, pairs
from covering import every, pairwise

import torchmass as tm
from torchmass import stretches
from torchmass.integrators import INTEGRATORS
from torchmass.kernels import choice, linked
from torchmass.kernels.triton import launch, launches, tiles

BATCHES = ["none", "k", "a", "weights", "delays", "x0"]  # what differs among simulations
AXES = {
    "link": list(LINKS),
    "method": list(INTEGRATORS),
    "batch": BATCHES,
    "coupling": ["diffusive", "sine", "sigmoidal"],
    "grad_horizon": [None, 5],
    "dtype": [torch.float64, torch.float32],
    "programs": ["one", "several"],  # that have the nodes of a simulation
}
PROGRAMS = pytest.mark.parametrize("programs", AXES["programs"])
NEAR = 4  # runs in single precision, of which the one with most rounding says how much there may be
STEPS = 10  # more than are summed at once where delays are long, and than have a block of random numbers


@pytest.fixture(autouse=True)
def few_programs(monkeypatch):
    monkeypatch.setattr(tiles, "PROGRAMS", 1)  # as if there were more simulations than programs


def hold(monkeypatch, programs):
    """Have one program for all nodes, or several that hold two each."""
    if programs == "several":
        monkeypatch.setattr(tiles, "MOST", 1)
        monkeypatch.setattr(tiles, "LEAST", 2)


def name(case):
    return "-".join(str(value) for value in case.values())


def batch_of(net, batch):
    """Three simulations that differ in this; what a run is told of it."""
    rng = torch.Generator().manual_seed(7)
    draw = lambda *shape: torch.rand(3, *shape, dtype=torch.float64, generator=rng).to(net.coupling.k)
    if batch == "none":
        return {}
    if batch == "x0":
        net.fix("init_x")
        return {"x0": {"x": draw(N)}, "batch_size": 3}
    values = {"k": draw(1), "a": draw(N), "weights": draw(N, N) / N, "delays": draw(N, N)}
    owner = net.node if batch == "a" else net.coupling
    free = {batch} & set(owner._free)
    owner.fix(*free)
    owner.assign(**{batch: values[batch]})
    owner.free(*free)
    return {}


@pytest.mark.slow
@pytest.mark.parametrize("case", every(AXES) if FULL else pairwise(AXES), ids=name)
def test_a_network_in_triton_is_the_eager_one(case, monkeypatch):
    hold(monkeypatch, case["programs"])
    link, batch = case["link"], case["batch"]
    if (batch == "weights" and link == "all alike") or (batch == "delays" and "delays" not in LINKS[link]):
        batch = "k"
    options = {key: case[key] for key in ("method", "grad_horizon")} | {"duration": STEPS * 0.1}
    run = lambda *of: in_a_batch(lambda dtype: network(link, case["coupling"], dtype), batch, *of, **options)
    truth = run("eager", torch.float64)
    errors, allowed = differences(run("triton", case["dtype"]), truth), dict.fromkeys(truth, 0.0)
    single = iter(range(NEAR) if case["dtype"] == torch.float32 else ())
    while wrong := beyond(errors, allowed, case["dtype"]):
        near = next(single, None)
        assert near is not None, wrong
        other = differences(run("eager", torch.float32, near), run("eager", torch.float64, near))
        allowed = {key: max(error, other[key]) for key, error in allowed.items()}


def in_a_batch(build, batch, backend, dtype, near=0, **options):
    """What a run gives; of a network that differs a little in all that is free, if `near` is not 0."""
    torch.set_default_dtype(dtype)
    net, rng = build(dtype), torch.Generator().manual_seed(near)
    given = batch_of(net, batch)
    with torch.no_grad():
        for value in net.parameters():
            value.mul_(1 + 1e-4 * bool(near) * torch.rand(value.shape, dtype=torch.float64, generator=rng).to(dtype))
    return found(net, backend, **given, **options)


def beyond(errors, allowed, dtype):
    """What differs by more than rounding, of which eager in float32 has its own: by chance more or less of it."""
    limit = lambda key: SAME[dtype] * (CANCELS if "gradient" in key else 1) + 3 * allowed[key]
    return [key for key, error in errors.items() if error > limit(key)]


def differences(values, truth):
    return {
        key: float((value.double() - truth[key]).abs().max() / (truth[key].abs().max() + 1e-300))
        for key, value in values.items()
    }


@PROGRAMS
def test_several_couplings_from_states_and_outputs_are_the_same(programs, monkeypatch):
    hold(monkeypatch, programs)
    delays, weights = pairs(2), pairs(1) / N
    node = tm.JansenRitStep(N, mu=150.0, noise_E_inp=tm.OUProcess(10.0, 5.0), init_M=torch.linspace(0, 0.1, N))
    rate = tm.SigmoidalJansenRitCoupling(weights, source="output", target="E_inp", delays=0.1 + delays, k=50.0)
    plain = tm.AdditiveCoupling(weights.mT.contiguous(), source="E", target="M_inp", k=0.1)
    short = tm.DiffusiveCoupling(weights, source="E", target="I_inp", delays=0.1 * delays, k=0.1)
    net = tm.Network(node, coupling={"rate": rate, "plain": plain, "short": short})
    net.free("rate.k", "rate.weights", "rate.delays", "plain.weights", "short.weights", "short.delays", "rate.r", "Ae")

    def values(backend):
        r = tm.Simulator(net, 0.1, backend=backend).run(1.2, seed=1)
        loss = sum((value / (1 + value.detach().abs().max())).square().mean() for value in r.values())
        return [*r.values(), *r.state.values(), *torch.autograd.grad(loss, list(net.parameters()))]

    for ours, expected in zip(values("triton"), values("eager"), strict=True):
        assert (ours - expected).abs().max() <= 1e-11 * expected.abs().max()


@PROGRAMS
def test_a_coupling_that_is_held_beside_one_that_is_read_in_the_middle_is_the_same(programs, monkeypatch):
    hold(monkeypatch, programs)
    assert_same(held_beside_read(), backend="triton", method="midpoint", duration=1.2)


@PROGRAMS
@pytest.mark.parametrize("link", ["late", "some shorter than a step"])
def test_a_history_and_an_input_that_are_given_have_the_same_gradient(link, programs, monkeypatch):
    hold(monkeypatch, programs)
    net = network(link)
    history, drive = torch.randn(120, N, requires_grad=True), torch.randn(STEPS, N, requires_grad=True)

    def values(backend):
        r = tm.Simulator(net, 0.1, backend=backend).run(0.1 * STEPS, seed=3, inputs=drive, x0={"history_x": history})
        loss = r["x"].square().sum() + r.state["history_x"].sum()
        return [r["x"], *torch.autograd.grad(loss, [history, drive])]

    for ours, expected in zip(values("triton"), values("eager"), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-13)


@PROGRAMS
def test_few_connections_are_summed_one_by_one(programs, monkeypatch):
    hold(monkeypatch, programs)
    monkeypatch.setattr(linked, "LEAST_NODES", 1)
    monkeypatch.setattr(linked, "PAIRS_PER_NODE", 1.0)
    monkeypatch.setattr(linked, "MOST_PAIRS", 0.5)
    weights = pairs(1) * (pairs(3) < 0.4)
    net = tm.Network(tm.HopfStep(N, init_x=pairs(4)[0]).free("a"), weights.to_sparse(), k=torch.rand(3, 1))
    net.coupling.free("weights", "k")
    assert form_of_only_link(net) == "sparse"
    assert_same(net, backend="triton", duration=0.5)


@PROGRAMS
@pytest.mark.parametrize("link", ["late", "some shorter than a step"])
def test_delayed_connections_may_be_a_list(link, programs, monkeypatch):
    hold(monkeypatch, programs)
    net = network(link, conn=(pairs(1) * (pairs(3) < 0.6)).to_sparse())
    (kind,) = [linked.kind_of(one, 0.1, "heun") for one in net.dynamics().links]
    assert kind.is_sparse
    assert_same(net, backend="triton", duration=1.2)


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["none", "delays"])
def test_terms_are_summed_step_by_step_or_many_steps_at_once_or_not_at_all(monkeypatch, batch):
    monkeypatch.setattr(tiles, "DELAYED_TERMS", 0)  # one term at once, so that there are some of each kind
    mask, delays = pairs(3) < 0.6, 0.2 + 2 * pairs(2)
    net = network("late", conn=pairs(1) * mask, delays=delays, mask=mask)
    in_steps = delays[mask] / 0.1
    assert (in_steps < tiles.AHEAD).any()
    assert (in_steps > tiles.AHEAD + 1).any()
    assert not mask.all()
    assert_same(net, backend="triton", duration=1.2, **batch_of(net, batch))


def form_of_only_link(net):
    (link,) = net.dynamics().links
    return linked.form_of(link, 0.1, "heun")


def test_a_mixed_network_is_the_eager_one():
    net = mixed()

    def values(backend):
        r = tm.Simulator(net, 0.1, backend=backend).run(0.6, seed=1)
        loss = sum(value.square().sum() for name, value in r.items() if name != "ts")
        return [*r.values(), *torch.autograd.grad(loss, list(net.parameters()))]

    for ours, expected in zip(values("triton"), values("eager"), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-11, atol=1e-13)


def test_two_halves_are_the_whole_to_rounding():
    sim = tm.Simulator(network("late"), 0.1, backend="triton")
    whole, first = sim.run(2.0, seed=3), sim.run(0.7, seed=3)
    second = sim.run(1.3, x0=first.state)
    torch.testing.assert_close(torch.cat([first["x"], second["x"]]), whole["x"], rtol=1e-13, atol=1e-15)
    for key, value in second.state.items():
        torch.testing.assert_close(value, whole.state[key], rtol=1e-13, atol=1e-15)


def test_what_is_observed_in_a_run_is_what_is_observed_of_its_series(monkeypatch):
    monkeypatch.setattr(stretches, "ROOM", 1)
    monkeypatch.setattr(stretches, "LEAST", 7)
    monkeypatch.setattr(stretches, "KEPT", 1)
    net, mean = network("at once"), tm.TemporalAverage(0.5)
    sim = tm.Simulator(net, 0.1, backend="triton")
    r, x = sim.run(2.0, seed=1, observe={"mean": mean.of("x")}), sim.run(2.0, seed=1)
    torch.testing.assert_close(r["mean"], mean(x["x"], dt=0.1))
    ours, plain = (
        torch.autograd.grad(of.square().sum(), net.node.raw.a)[0] for of in (r["mean"], mean(x["x"], dt=0.1))
    )
    torch.testing.assert_close(ours, plain)


@PROGRAMS
@pytest.mark.parametrize("link", ["at once", "all alike", "late", "some shorter than a step"])
def test_what_is_sent_lasts_as_long_as_it_is_needed_where_nothing_is_kept_for_a_gradient(link, programs, monkeypatch):
    hold(monkeypatch, programs)
    net = network(link, **({"delays": 0.1 + pairs(2)} if link == "late" else {}))
    run = lambda backend: tm.Simulator(net, 0.1, backend=backend).run(4.0, seed=3, transient=0.5, sample_every=3)
    with torch.no_grad():
        ours, expected = run("triton"), run("eager")
    for key in ("x", "y"):
        torch.testing.assert_close(ours[key], expected[key], rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(ours.state[key], expected.state[key], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("shortest", "together"), [(0.25, 2), (0.45, 4), (3.0, 8)])
def test_a_launch_has_the_steps_that_the_shortest_delay_allows(shortest, together, monkeypatch):
    hold(monkeypatch, "several")
    counted = []
    monkeypatch.setattr(launches, "launched", lambda *given: counted.append(given) or launched(*given))
    launched = launch.launched
    net = network("late", delays=shortest + 2 * (pairs(2) - pairs(2).min()))
    assert_same(net, backend="triton", duration=2.0)
    steps = [given[3]["end"] - given[3]["begin"] for given in counted if "end" in given[3]]
    assert max(steps) == together
    assert sum(steps) == 2 * 20  # forward and back


def test_a_network_of_several_programs_says_so(monkeypatch):
    hold(monkeypatch, "several")
    monkeypatch.setattr(choice, "engine_of", lambda plan: "triton")
    net = network("at once")
    told = tm.Simulator(net, 0.1, backend="triton").explain(1.0)
    assert "they meet between 21 launches" in str(told)  # one that starts, and two of each step
    assert "take each stage of a step" in tm.Simulator(net, 0.1).explain(30.0).why


@pytest.mark.filterwarnings("ignore:(overflow|invalid):RuntimeWarning")
@PROGRAMS
def test_a_gradient_that_breaks_names_step_and_state(programs, monkeypatch):
    hold(monkeypatch, programs)
    node = tm.LinearStep(2, gamma=0.0, init_x=torch.tensor([1.0, 2.0])).free("init_x")
    net = tm.Network(node, [[0.0, 1.0], [1.0, 0.0]], coupling="additive", k=1e60)
    messages = []
    for backend in ("eager", "triton"):
        x = tm.Simulator(net, 1.0, backend=backend).run(6.0, allow_nonfinite=True)["x"]
        with pytest.raises(tm.NonFiniteError) as error:
            x[3].sum().mul(float("inf")).backward()
        messages.append(str(error.value))
    assert messages[0] == messages[1]
