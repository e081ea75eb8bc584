"""Steps of one state on their way back: what comes is multiplied by slopes, which another thread may find before."""

import pytest
import torch
from coupled import assert_close
from test_crews import assert_equal

import torchmass as tm
from torchmass.kernels import call

N = 53  # so many that two threads share a simulation; no vector divides it
HELD, EULER = {"method": "heun", "hold": True}, {"method": "euler"}


def weights(seed, share=1.0):
    rng = torch.Generator().manual_seed(seed)
    return (torch.rand(N, N, generator=rng) < share) * torch.rand(N, N, generator=rng) / (share * N)


def network(*, hold=False, free="weights", sigma=0.02, couplings=None, k=0.3):
    """Noisy nodes of one state with inputs; all that can be free is, and of the couplings what is said."""
    noise = {"noise_S": tm.WhiteNoise(sigma)} if sigma else {}
    node = tm.ReducedWongWangStep(N, I_o=torch.linspace(0.3, 0.4, N), init_S=torch.linspace(0.05, 0.6, N), **noise)
    node.free(*(name for name in node.Params._fields if name != "gamma"), "init_S")
    if sigma:
        node.noise["S"].free("sigma")
    if couplings:
        net = tm.Network(node, coupling=couplings())
        return net.free(*(f"{name}.{free}" for name in net.couplings))
    net = tm.Network(node, weights(1), coupling="additive", hold=hold, k=k)
    net.coupling.free(free)
    return net


def found(backend, *, method="heun", duration=13.3, horizon=None, first=0, **options):
    """A run, and the gradient of a sum that weighs all numbers of it differently, of inputs as well."""
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    net, moving = network(**options), torch.rand(round(duration / 0.1), N).requires_grad_()
    sim = tm.Simulator(net, 0.1, method, backend=backend)
    given = {"inputs": {"S_inp": moving}, "grad_horizon": horizon}
    run = sim.run(duration, seed=3, first_simulation=first, **given)
    by_node = torch.randn(len(run["S"]), N)
    total = sum((w * series).sum() for w, series in zip(by_node, run["S"], strict=True)) + run.state["S"].square().sum()
    named = dict(net.named_parameters()) | {"moving": moving}
    gradients = torch.autograd.grad(total, list(named.values()))
    return {"S": run["S"].detach()} | {f"gradient {k}": g for k, g in zip(named, gradients, strict=True)}


def several():
    few = torch.zeros(N, N).index_put((torch.arange(N), torch.arange(N).roll(1)), torch.rand(N))
    return {
        "all": tm.AdditiveCoupling(weights(2), k=0.2, target="S_inp"),
        "few": tm.AdditiveCoupling(few.to_sparse(), k=0.1, target="coupling"),
        "sine": tm.SineCoupling(weights(3), k=0.1, target="coupling"),
    }


CASES = {
    "held": HELD,
    "Euler": EULER,
    "no noise": HELD | {"sigma": 0.0},
    "weights are fixed": HELD | {"free": "k"},
    "several couplings": EULER | {"couplings": several},
    "less than a tile of steps": HELD | {"duration": 1.3},
    "a tile of steps": HELD | {"duration": 6.4},
    "two tiles of steps": HELD | {"duration": 12.8},
    "cut within a tile": HELD | {"horizon": 41},
}


@pytest.mark.usefixtures("quickly_built")
@pytest.mark.parametrize("case", CASES)
def test_gradients_are_those_of_eager_and_the_same_to_the_bit_whoever_finds_the_slopes(case, monkeypatch):
    runs = {}
    for threads in (1, 2, 3):
        monkeypatch.setattr(call, "threads", lambda *_, threads=threads: threads)
        runs[threads] = found("fused", **CASES[case])
    assert_close(runs[1], found("eager", **CASES[case]))
    assert_equal(runs[1], runs[2])
    assert_equal(runs[1], runs[3])


@pytest.mark.usefixtures("quickly_built")
def test_what_was_written_down_may_come_back_from_anywhere(monkeypatch):
    """Hooks of saved tensors, which may keep them on a disk, need not give them back at the same place in a line."""

    def shifted(tensor):
        memory = tensor.new_empty(tensor.numel() + 1)
        memory[1:] = tensor.flatten()
        return memory[1:].view(tensor.shape)

    monkeypatch.setattr(call, "threads", lambda *_: 2)
    expected = found("fused", **HELD)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: x, shifted):
        assert_equal(found("fused", **HELD), expected)


@pytest.mark.usefixtures("quickly_built")
def test_simulations_that_go_together_have_the_gradients_that_they_have_alone(monkeypatch):
    k = 0.2 + 0.2 * torch.rand(11, 1, dtype=torch.float64)
    monkeypatch.setattr(call, "threads", lambda *_: 2)
    together = found("fused", k=k, free="k", **HELD)["gradient coupling.raw.k"]
    for i in (0, 5, 10):
        alone = found("fused", k=k[i], free="k", first=i, **HELD)["gradient coupling.raw.k"]
        torch.testing.assert_close(alone, together[i], rtol=1e-11, atol=1e-14)
