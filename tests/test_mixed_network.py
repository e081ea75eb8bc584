"""Networks of several models: what each node computes, sends and receives, and what users see of it."""

import math

import pytest
import torch

import torchmass as tm

N = 7
W = torch.rand(N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) / N  # [to, from]
D = 0.2 + 5 * torch.rand(N, N, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
CORTEX, THALAMUS = [4, 0, 2], [6, 3, 1, 5]
ORDER = [*CORTEX, *THALAMUS]


def in_groups(values, **own):
    """A Hopf network of two groups, which have the values of the nodes of one of a single model."""
    part = lambda nodes: {name: value[..., nodes] if value.ndim else value for name, value in values.items()}
    models = [tm.HopfStep(len(nodes), **part(nodes), **own) for nodes in (CORTEX, THALAMUS)]
    return {"cortex": (models[0], CORTEX), "thalamus": (models[1], THALAMUS)}


def in_regions(result, name):
    """A series, or a state, of both groups in the order of the regions."""
    both = torch.cat([result[f"cortex_{name}"], result[f"thalamus_{name}"]], -1)
    return both[..., torch.tensor(ORDER).argsort()]


SPACED = torch.linspace(0, 1, N, dtype=torch.float64)
VALUES = {"a": -0.2 + 0.5 * SPACED, "init_x": 0.1 + 0.9 * SPACED}
KINDS = {
    "at once": {},
    "all alike": {"conn": 0.3},
    "held": {"hold": True},
    "late": {"delays": D},
    "some shorter than a step": {"delays": 0.05 * D},
    "from the output": {"coupled_var": "output", "delays": D},
    "into y": {"target": "y_inp", "coupled_var": "y"},
}


@pytest.mark.parametrize("kind", KINDS)
def test_two_groups_of_one_model_are_the_network_of_that_model(kind):
    options = {"conn": W, "k": 0.7, **KINDS[kind]}
    one = tm.Network(tm.HopfStep(N, **VALUES), **options)
    two = tm.Network(in_groups(VALUES), **options)
    found = []
    for net, series in ((one, lambda r, name: r[name]), (two, in_regions)):
        net.coupling.free("k", "weights", *({"delays"} & set(options)))
        for model in net.models.values():
            model.free("a", "init_x", "w")
        r = tm.Simulator(net, 0.1, backend="eager").run(8.0)
        values = [series(r, "x"), series(r, "y")]
        loss = sum((value * SPACED).square().sum() for value in values)
        loss.backward()
        of_nodes = {name: model.raw for name, model in net.models.items()}
        grads = {f"{name}_{own}": value.grad for name, raw in of_nodes.items() for own, value in raw.named_parameters()}
        grads |= {name.removeprefix("_"): value for name, value in grads.items()}
        shared = [sum(value for name, value in grads.items() if name in ("w", "cortex_w", "thalamus_w"))]
        found.append([*values, series(grads, "a"), series(grads, "init_x"), *shared])
        found[-1] += [value.grad for value in net.coupling.parameters()]
    for ours, expected in zip(*found, strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-12, atol=1e-14)


def multiplicative():
    return {"noise_y": tm.WhiteNoise(0.1), "noise_x": tm.WhiteNoise(0.2, g=lambda s: s.x)}


def coloured_from_a_drawn_start():
    return {"noise_x_inp": tm.OUProcess(0.1, 3.0), "init_x": torch.distributions.Normal(torch.zeros(()), 1.0)}


@pytest.mark.parametrize("noises", [multiplicative, coloured_from_a_drawn_start])
def test_noise_is_that_of_the_node_whatever_its_group(noises):
    values, noise = {"a": VALUES["a"]}, noises()
    one = tm.Network(tm.HopfStep(N, **values, **noise), W, delays=D)
    two = tm.Network(in_groups(values, **noise), W, delays=D)
    options = {"seed": 3, "batch_size": 2, "first_simulation": 5}
    expected, found = (tm.Simulator(net, 0.1, backend="eager").run(5.0, **options) for net in (one, two))
    torch.testing.assert_close(in_regions(found, "x"), expected["x"], rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(in_regions(found.state, "y"), expected.state["y"], rtol=1e-12, atol=1e-14)


def mixed(conn=W, **options):
    """Four damped nodes and three Jansen–Rit columns."""
    linear = tm.LinearStep(4, gamma=torch.linspace(-0.1, -0.4, 4), init_x=torch.linspace(1, 2, 4))
    columns = tm.JansenRitStep(3, mu=torch.tensor([120.0, 220.0, 90.0]))
    parts = {"cortex": (columns, CORTEX), "thalamus": (linear, THALAMUS)}
    return tm.Network(parts, conn, coupling="additive", **options)


def test_two_models_are_what_a_loop_over_both_computes():
    net = mixed(k=0.5, coupled_var={"cortex": "E", "thalamus": "x"}, target={"cortex": "I_inp", "thalamus": "x_inp"})
    dt, steps = 0.1, 50
    linear, columns = net.models["thalamus"], net.models["cortex"]
    x, s = torch.linspace(1, 2, 4), columns.States(*torch.zeros(6, 3))
    rows = []
    for _ in range(steps):
        signal = torch.zeros(N)
        signal[CORTEX], signal[THALAMUS] = s.E, x
        arriving = 0.5 * W @ signal
        u = columns.Inputs(torch.zeros(3), torch.zeros(3), arriving[CORTEX])
        slopes = columns.derivative(s, u, columns.values())
        s = columns.States(*(value + dt * slope for value, slope in zip(s, slopes, strict=True)))
        x = x + dt * (linear.gamma * x + arriving[THALAMUS])
        rows.append((x, *s))
    r = tm.Simulator(net, dt, "euler", backend="eager").run(steps * dt)
    names = ["thalamus_x", *(f"cortex_{name}" for name in s._fields)]
    for name, value in zip(names, zip(*rows, strict=True), strict=True):
        torch.testing.assert_close(r[name], torch.stack(value), rtol=1e-12, atol=1e-14)


def test_a_linear_node_follows_an_oscillating_one_at_its_frequency():
    """The stationary answer of ẋ = γx + k w X to X = √a cos ωt has the amplitude k w √a / √(γ² + ω²)."""
    period, gamma, weight = 20.0, -0.5, 0.8
    w = 2 * math.pi / period
    parts = {"source": (tm.HopfStep(1, a=0.25, w=w, init_x=0.5), [1]), "filter": (tm.LinearStep(1, gamma=gamma), [0])}
    net = tm.Network(parts, [[0.0, weight], [0.0, 0.0]], coupling="additive")
    r = tm.Simulator(net, 0.1, backend="eager").run(40.0 + period, transient=40.0)
    turned = lambda series: (series[:, 0] * torch.exp(-1j * w * r.ts)).mean()
    answer = turned(r["filter_x"]) / turned(r["source_x"])
    assert abs(answer - weight / (1j * w - gamma)) < 1e-3


def test_a_group_that_is_left_out_sends_and_receives_nothing():
    x = {"cortex_x": torch.rand(3), "cortex_y": torch.rand(3), "thalamus_x": torch.rand(4), "thalamus_y": torch.rand(4)}
    sends = lambda x: 0.5 * (1 + torch.tanh(60 * (x - 0.5)))  # not 0 where x is
    alone = tm.Network(in_groups(VALUES), 0 * W).rhs(x)
    only = {"source": {"cortex": "y"}, "target": {"thalamus": "y_inp"}}
    for weights, matrix in ((W, W), (0.3, 0.3 * (1 - torch.eye(N)))):
        coupling = tm.TVBPreSigmoidalCoupling(weights, N, k=2.0, **only)
        slopes = tm.Network(in_groups(VALUES), coupling=coupling).rhs(x)
        arriving = 2 * matrix[THALAMUS][:, CORTEX] @ sends(x["cortex_y"])
        torch.testing.assert_close(slopes["thalamus_y"], alone["thalamus_y"] + arriving)
        assert all(torch.equal(slopes[name], alone[name]) for name in ("cortex_x", "cortex_y", "thalamus_x"))


def test_several_couplings_go_between_ports_of_the_models():
    thalamus, cortex = tm.ThalamusStep(2), tm.JansenRitStep(1)
    up = tm.AdditiveCoupling(2 * torch.ones(3, 3), source={"thalamus": "output"}, target={"cortex": "E_inp"})
    down = tm.AdditiveCoupling(torch.ones(3, 3), source={"cortex": "E"}, target={"thalamus": "r_inp"}, k=0.5)
    parts = {"thalamus": (thalamus, [2, 0]), "cortex": (cortex, [1])}
    net = tm.Network(parts, coupling={"up": up, "down": down})
    state = {name: value + 1 for name, value in net.initial_state().items()}
    of = lambda group: {name.removeprefix(f"{group}_"): v for name, v in state.items() if name.startswith(group)}
    rate = thalamus.output(thalamus.States(**of("thalamus")), thalamus.values())
    expected = {f"cortex_{name}": v for name, v in cortex.rhs(of("cortex"), E_inp=2 * rate.sum()).items()}
    relay = thalamus.rhs(of("thalamus"), r_inp=0.5 * state["cortex_E"])
    expected |= {f"thalamus_{name}": value for name, value in relay.items()}
    found = net.rhs(state)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=name)


def test_an_impulse_reaches_the_other_group_after_its_delay():
    conn, delays = torch.zeros(3, 3), torch.full((3, 3), 9.0)
    conn[0, 2], delays[0, 2] = 1.0, 0.75
    parts = [(tm.LinearStep(2, gamma=0.0, init_x=0.0), [1, 0]), (tm.HopfStep(1, a=-1.0, init_x=0.0), [2])]
    net = tm.Network(parts, conn, coupling="additive", delays=delays)
    sim = tm.Simulator(net, 0.1, "euler", backend="eager")
    assert {name: tuple(v.shape) for name, v in net.initial_state(dt=0.1).items() if "history" in name} == {
        "history_linear_x": (91, 2),
        "history_hopf_x": (91, 1),
    }
    history = {"history_hopf_x": torch.zeros(91, 1), "history_linear_x": torch.rand(91, 2)}
    x = sim.run(2.0, x0={"hopf_x": 1.0, **history})["linear_x"]
    assert not x[:7].any()
    assert not x[:, 0].any()
    torch.testing.assert_close(x[7, 1], torch.tensor(0.1 * 0.5))  # from 0.7 ms on, half of what is between the samples


def found(net, backend, method, **options):
    """All that a run gives, and the gradient of a loss of all of it."""
    r = tm.Simulator(net, 0.1, method, backend=backend).run(6.0, seed=3, monitors=[*net.states, "output"], **options)
    values = {name: value for name, value in r.items() if name != "ts"} | {f"end {k}": v for k, v in r.state.items()}
    loss = sum((value / (1 + value.detach().abs().max())).square().mean() for value in values.values())
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    names = [f"gradient {name}" for name, _ in net.named_parameters()]
    return {name: value.detach() for name, value in values.items()} | dict(zip(names, gradients, strict=True))


FUSED = {
    "at once, a batch": ("heun", {"coupled_var": "output", "noise": lambda: {"cortex_E_inp": tm.OUProcess(9.0, 5.0)}}),
    "late": ("exp_euler", {"delays": D, "noise": lambda: {"thalamus_x": tm.WhiteNoise(0.1, g=lambda s: s.x)}}),
    "one way": ("midpoint", {"coupled_var": {"cortex": "output"}, "target": {"thalamus": "x_inp"}, "delays": 0.05 * D}),
}


@pytest.mark.parametrize("case", FUSED)
def test_the_fused_loop_of_a_mixed_network_is_the_eager_one(case):
    method, options = FUSED[case]
    noise = options.get("noise", dict)()
    net = mixed(k=torch.tensor([[0.5], [0.7]]) if "batch" in case else 0.5, **{**options, "noise": noise})
    net.free("k", "weights", "gamma", "cortex.mu", "cortex.Ae", "thalamus.init_x")
    if "delays" in options:
        net.free("delays")
    eager, fused = (found(net, backend, method) for backend in ("eager", "fused"))
    assert eager.keys() == fused.keys()
    for name, value in fused.items():
        tolerance = 1e-11 if "gradient" in name else 1e-12
        assert (value - eager[name]).abs().max() <= tolerance * eager[name].abs().max(), name
    halves = tm.Simulator(net, 0.1, method, backend="fused")
    whole, first = halves.run(6.0, seed=3), halves.run(2.3, seed=3)
    second = halves.run(3.7, x0=first.state)
    for name in net.states:
        assert torch.equal(torch.cat([first[name], second[name]]), whole[name])
    assert all(torch.equal(value, whole.state[name]) for name, value in second.state.items())


def test_a_step_at_a_time_and_two_halves_are_the_run():
    net = mixed(delays=D, noise={"thalamus_x": tm.WhiteNoise(0.1)})
    sim = tm.Simulator(net, 0.1, backend="eager")
    whole, first = sim.run(1.0, seed=3), sim.run(0.4, seed=3)
    second = sim.run(0.6, x0=first.state)
    state = net.initial_state(dt=0.1)
    for k in range(10):
        state = net(state, dt=0.1, seed=3, step_index=k)
    for name, value in state.items():
        assert torch.equal(value, whole.state[name])
        assert torch.equal(second.state[name], value)


def test_a_batch_is_a_loop():
    k, gamma = torch.tensor([[0.5], [0.7]]), torch.rand(2, 4)
    both = mixed(k=k)
    both.assign(gamma=gamma)
    batch = tm.Simulator(both, 0.1, backend="eager").run(2.0)
    for i in range(2):
        one = mixed(k=k[i])
        one.assign(gamma=gamma[i])
        r = tm.Simulator(one, 0.1, backend="eager").run(2.0)
        for name in one.states:
            torch.testing.assert_close(batch[name][:, i], r[name], rtol=1e-13, atol=1e-13)


class Root(tm.NeuralMass):
    """A root, which has no derivative where its state starts by default, nor where it has no input."""

    x = tm.State(0.0, "", "Activity.")
    a = tm.Param(0.0, "", "Scale, at which neither is finite by default.")
    x_inp = tm.Input("", "Input.", port=True)

    @staticmethod
    def derivative(s, u, p):
        return (torch.log(p.a) - torch.sqrt(p.a * s.x) + torch.sqrt(p.a * u.x_inp),)

    @staticmethod
    def output(s, p):
        return torch.log(s.x * p.a)


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_what_other_groups_make_of_a_model_reaches_nobody_not_even_a_nan(backend):
    parts = {"root": (Root(2, a=1.1, init_x=4.0), [2, 0]), "linear": (tm.LinearStep(2, init_x=2.0), [1, 3])}
    net = tm.Network(parts, 0.5, coupling="additive")
    net.free("root.a", "linear.init_x", "root.init_x", "gamma", "k")
    r = tm.Simulator(net, 0.1, backend=backend).run(1.0, monitors=["output", "root_x"])
    assert r["output"].isfinite().all()
    gradients = torch.autograd.grad(r["output"].square().sum() + r["root_x"].sum(), list(net.parameters()))
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)


def test_inputs_are_of_a_group_or_of_all_regions():
    net, drive = mixed(0 * W), torch.rand(5, N)
    sim = tm.Simulator(net, 0.1, backend="eager")
    named = {"cortex_E_inp": drive[:, CORTEX], "thalamus_x_inp": lambda i, t: drive[i, THALAMUS]}
    everywhere, apart = sim.run(0.5, inputs=drive), sim.run(0.5, inputs=named)
    for name in net.states:
        torch.testing.assert_close(everywhere[name], apart[name])
    cortex = tm.Simulator(net.models["cortex"], 0.1, backend="eager").run(0.5, inputs=drive[:, CORTEX])
    torch.testing.assert_close(everywhere["cortex_Ev"], cortex["Ev"])
    with pytest.raises(ValueError, match=r"input cortex_E_inp must be .* N=3, got shape \(7,\)"):
        sim.run(0.5, inputs={"cortex_E_inp": drive})


def test_monitors_see_the_states_of_each_group():
    noise = {"cortex_E_inp": tm.OUProcess(9.0, 5.0)}  # of a kernel that is built above
    net = mixed(labels=list("abcdefg"), coupled_var="output", noise=noise)
    monitors = {"eeg": lambda s: s.cortex_E - s.cortex_I, "all": "output", "x": "thalamus_x"}
    for backend in ("eager", "fused"):
        r = tm.Simulator(net, 0.1, backend=backend).run(1.0, monitors=monitors, seed=1)
        torch.testing.assert_close(r["all"][:, CORTEX], r["eeg"])
        torch.testing.assert_close(r["all"][:, THALAMUS], r["x"])
        assert r.labels == tuple("abcdefg")


def test_values_are_freed_by_group():
    net = mixed().free("cortex.mu", "gamma", **{"cortex.Ae": (1.0, 5.0)})
    names = {"node.models.cortex.raw.mu", "node.models.cortex.raw.Ae", "node.models.thalamus.raw.gamma"}
    assert set(dict(net.named_parameters())) == names
    net.assign(**{"cortex.mu": 3.0}, gamma=-2.0).fix("cortex.mu", "cortex.Ae")
    torch.testing.assert_close(net.models["cortex"].mu, torch.full((3,), 3.0))
    torch.testing.assert_close(net.models["thalamus"].gamma, torch.full((4,), -2.0))
    copy = mixed()
    copy.load_state_dict(net.state_dict())
    assert torch.equal(copy.models["thalamus"].raw.gamma, net.models["thalamus"].raw.gamma)
    with pytest.raises(ValueError, match=r"both the group cortex and the group thalamus.*'thalamus.a'"):
        tm.Network(in_groups(VALUES), W).free("a")
    with pytest.raises(ValueError, match=r"no parameter 'cortex.m'; did you mean 'cortex.mu'"):
        net.free("cortex.m")


def test_one_process_on_the_network_is_on_what_every_group_sends():
    white = tm.WhiteNoise(0.1)
    net = tm.Network(in_groups({}), W, coupled_var="y", noise=white)
    assert net.models["cortex"].noise["y"] is net.models["thalamus"].noise["y"] is white


def test_groups_of_a_list_are_called_as_their_models_and_the_network_says_what_is_where():
    parts = [(tm.HopfStep(1), [2]), (tm.JansenRitStep(1), [0]), (tm.HopfStep(1), [1])]
    net = tm.Network(parts, W[:3, :3])
    assert list(net.models) == ["hopf_1", "jansen_rit", "hopf_2"]
    assert "hopf_1 at 2: HopfStep(in_size=1)" in repr(net)
    assert {name: nodes.tolist() for name, nodes in net.node.nodes.items()} == {
        "hopf_1": [2],
        "jansen_rit": [0],
        "hopf_2": [1],
    }


def test_a_state_that_leaves_the_finite_numbers_is_named_with_its_place_in_the_group():
    parts = {"a": (tm.LinearStep(1), [1]), "b": (tm.LinearStep(2, gamma=torch.tensor([0.0, 1e200])), [2, 0])}
    with pytest.raises(tm.NonFiniteError, match=r"b_x is not finite from b_x at index \(1,\) after step 1 "):
        tm.Simulator(tm.Network(parts, coupling={}), 0.1, backend="eager").run(1.0)


hopf = tm.HopfStep
REFUSED = {
    "two groups": ([(hopf(2), [0, 1]), (hopf(2), [1, 3])], {}, "0 to 3, each in one group: 2 missing; 1 twice"),
    "no group": ([(hopf(2), [0, 1]), (hopf(1), [3])], {}, "0 to 2, each in one group: 2 missing; 3 out of range"),
    "a negative index": ([(hopf(2), [0, -1])], {}, "1 missing; -1 out of range"),
    "too few indices": (
        [(hopf(2), [0])],
        {},
        "must be 2 whole numbers, one for each node of its HopfStep",
    ),
    "no whole numbers": ([(hopf(2), [0.0, 1.0])], {}, "must be 2 whole numbers"),
    "no model": ([("hopf", [0])], {}, "must be a model and its indices"),
    "no groups": ([], {}, "at least one group"),
    "a name that is none": ({"a b": (hopf(1), [0])}, {}, "cannot be called 'a b'"),
    "a reserved name": ({"noise": (hopf(1), [0])}, {}, "cannot be called 'noise'"),
    "two dtypes": (
        [(hopf(1).double(), [0]), (hopf(1).float(), [1])],
        {},
        "hopf_1 is torch.float64 on cpu",
    ),
    "an unknown group": (None, {"coupled_var": {"cortx": "x"}}, "no group 'cortx'; did you mean 'cortex'"),
    "no such state": (None, {"coupled_var": "E"}, "LinearStep has no state 'E'"),
    "no such port": (None, {"target": "x_inp"}, "JansenRitStep has no input 'x_inp'"),
    "unknown noise": (None, {"noise": {"x": None}}, "no state or input for noise 'x'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_mixed_network_refuses(case):
    parts, options, message = REFUSED[case]
    with pytest.raises((TypeError, ValueError), match=message):
        mixed(**options) if parts is None else tm.Network(parts, 0.1)


def test_two_groups_cannot_have_states_of_one_name():
    class Other(tm.LinearStep):
        """A state whose name is that of another group's."""

        b_x = tm.State(0.0, "", "Other.")

    with pytest.raises(ValueError, match="both have a_b_x"):
        tm.Network({"a": (Other(1), [0]), "a_b": (tm.LinearStep(1), [1])}, 0.1)
