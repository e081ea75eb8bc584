"""Runs on a card that the CPU plays are those of the CPU, and all that they make is there."""

import pytest
import torch
from card import CARD, OnCard, assert_same_on_card, card
from coupled import LINKS, N, Saturating, mixed, network, pairs
from stimulated import KINDS, TIMES, built

import torchmass as tm
from torchmass.couplings import COUPLINGS
from torchmass.kernels import linked
from torchmass.kernels.triton import tiles


def gradients(run, module):
    """All that a run gives, and the gradient of a loss of it for all that is free."""
    seen = [*run.values(), *run.state.values()]
    loss = sum(value.square().sum() for value in seen if value.requires_grad)
    leaves = [leaf for leaf in module.parameters() if leaf.requires_grad]
    found = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True) if leaves else ()
    return [*(value.detach() for value in seen), *found]


def simulated(model, to, duration=0.5, *, dt=0.1, method=None, backend="eager", **options):
    """A run of a model, once it is there."""
    sim = tm.Simulator(to(model), dt, method, backend)
    return gradients(sim.run(duration, **{"seed": 1} | options), sim)


def hopf(n=N, **values):
    return tm.HopfStep(n, **{"noise_x": tm.WhiteNoise(0.1), "a": torch.linspace(-0.2, 0.3, n)} | values).free("a", "w")


MODELS = [info.cls for info in tm.list_models() if issubclass(info.cls, tm.NeuralMass)]


@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_a_model_runs(cls):
    free = next(iter(cls.Params._fields))
    assert_same_on_card(
        lambda to: simulated(cls(2).free(free), to, 2 * cls.usual_dt, dt=cls.usual_dt, inputs=0.1, batch_size=2)
    )


@pytest.mark.parametrize("method", [*tm.INTEGRATORS, "dopri5"])
def test_a_method_steps(method):
    noise = {} if method in tm.INTEGRATORS else {"noise_x": None}
    assert_same_on_card(lambda to: simulated(hopf(**noise), to, method=method))


@pytest.mark.parametrize("kind", KINDS)
def test_a_stimulus_drives(kind):
    def work(to):
        stimulus = to(built(kind).free(*KINDS[kind][1]))
        drive = 2 * stimulus * to(tm.stimuli.regions(2, [0])) + 1.0
        return [stimulus.at(TIMES).detach(), *simulated(hopf(2), to, inputs={"x_inp": drive, "y_inp": stimulus})]

    assert_same_on_card(work)


NOISES = {
    "white": lambda: tm.WhiteNoise(0.1),
    "coloured": lambda: tm.OUProcess(0.1, torch.linspace(1.0, 2.0, N)),
    "multiplicative": lambda: tm.WhiteNoise(torch.linspace(0.1, 0.2, N), g=lambda s: s.x),  # of states alone
}


@pytest.mark.parametrize(("noise", "where"), [(n, w) for n in NOISES for w in ("x", "x_inp")][:-1])
def test_a_noise_drives(noise, where):
    def work(to):
        node = tm.HopfStep(N, **{f"noise_{where}": NOISES[noise]()}).free("a")
        node.noise[where].free("sigma")
        return simulated(node, to, batch_size=2)

    assert_same_on_card(work)


OPTIONS = {
    "inputs of a callable": lambda to: {"inputs": lambda i, t: (t, [0.1] * N)},
    "inputs of numbers": lambda to: {"inputs": {"x_inp": 1.0, "y_inp": [0.1] * N}},
    "inputs of tensors": lambda to: {"inputs": {"x_inp": to(torch.rand(5, 2, N)), "y_inp": to(torch.rand(5))}},
    "a start of numbers": lambda to: {"x0": {"x": 0.1, "y": [0.2] * N}},
    "a start of tensors": lambda to: {"x0": {"x": to(torch.rand(2, N))}, "batch_size": 2},
    "a monitor": lambda to: {"monitors": {"mean": lambda s: s.x.mean(-1), "seen": "output"}},
    "few rows": lambda to: {"transient": 0.2, "sample_every": 2},
    "kept states": lambda to: {"checkpoint": 2, "grad_horizon": 3},
    "a bar": lambda to: {"monitors": ["x"], "first_simulation": 3, "batch_size": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_run_is_asked_for(name):
    assert_same_on_card(lambda to: simulated(hopf(), to, **OPTIONS[name](to)))


def test_a_run_continues_and_dt_is_checked():
    def work(to):
        start = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
        sim = tm.Simulator(to(hopf(init_y=start)), 0.1, backend="eager")
        first = sim.run(0.3, seed=1, batch_size=2)
        second = sim.run(0.3, x0=first.state)
        return [*gradients(second, sim), sim.check_dt(0.2, x0={"y": 0.1}).differences["x"]]

    assert_same_on_card(work)


# ------------------------------------------------------------------------------------------------------------- networks


@pytest.mark.parametrize("coupling", COUPLINGS)
def test_a_coupling_sends(coupling):
    assert_same_on_card(
        lambda to: simulated(tm.Network(hopf(), pairs(1), coupling=coupling, k=0.1).free("k", "weights"), to)
    )


FEW = pairs(1) * (pairs(3) < 0.4)
NETWORKS = {
    "one by one": lambda: tm.Network(hopf(), coupling=Saturating(pairs(1), k=0.3)).free("k", "weights"),
    "of several models": mixed,
    "a history": lambda: network("late"),
    "a speed": lambda: tm.Network(hopf(), pairs(1), distance=9 * pairs(2), speed=3.0, max_delay=20.0).free("speed"),
    "masked": lambda: tm.Network(hopf(), FEW, mask=FEW != 0, delays=pairs(2)).free("weights"),
    "sparse": lambda: tm.Network(hopf(), FEW.to_sparse()).free("weights"),
    "sparse and late": lambda: tm.Network(hopf(), FEW.to_sparse(), delays=pairs(2)),
    "in batches": lambda: tm.Network(hopf(), torch.stack([pairs(1), pairs(2)]), k=torch.rand(2, 1)).free("k"),
    "drawn": lambda: tm.Network(hopf(6), tm.datasets.synthetic_connectome(6, seed=1), speed=3.0).free("k"),
    "Kuramoto": lambda: tm.KuramotoNetwork(N, pairs(1)).free("omega"),
    "Jansen–Rit": lambda: tm.JansenRitTR(N, pairs(1), distance=pairs(2), speed=1.0).free("g_l", "w_ff"),
    "delayed Wilson–Cowan": lambda: tm.WilsonCowanDelayedStep(N, delay_EE=torch.linspace(0.1, 0.5, N)).free("delay_EE"),
}


NETWORKS |= {link: lambda link=link: network(link) for link in LINKS}


@pytest.fixture
def few(monkeypatch):
    """Sparse couplings are summed one by one in networks of any size."""
    for limit, value in {"LEAST_NODES": 1, "PAIRS_PER_NODE": 1.0, "MOST_PAIRS": 0.5}.items():
        monkeypatch.setattr(linked, limit, value)


def history(name, to):
    return {"x0": {"history_x": to(torch.rand(120, N))}} if name == "a history" else {}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_runs(name, few):
    assert_same_on_card(lambda to: simulated(NETWORKS[name](), to, 0.3, **history(name, to)))


@pytest.mark.parametrize("name", [name for name in NETWORKS if name != "one by one"])
def test_all_that_kernels_are_given_is_on_the_card(name, few, monkeypatch):
    if name in ("of several models", "late", "sparse"):  # which then take several programs
        monkeypatch.setattr(tiles, "MOST", 1)
    to = lambda x: x.to(CARD)
    with card(launches=False):
        found = simulated(NETWORKS[name](), to, 0.3, backend="fused", **history(name, to))
    assert all(isinstance(x, OnCard) for x in found)


def test_kernels_on_the_card_give_what_those_of_the_cpu_give():
    def work(to):
        return [*simulated(hopf(), to, backend="fused"), *simulated(network("late"), to, backend="fused")]

    assert_same_on_card(work)
