"""Networks of a few nodes whose links are of every kind, and all that a run of one gives."""

import torch

import torchmass as tm

N = 5
SAME = {torch.float64: 1e-12, torch.float32: 2e-5}
CANCELS = 10  # gradients here are sums of terms of either sign


class Saturating(tm.Coupling):
    """Differences that saturate, one by one."""

    slope = tm.Param(2.0, "", "Steepness.")

    @staticmethod
    def pair(x, y, p):
        return (torch.tanh(p.slope * (y - x)),)

    @staticmethod
    def receive(x, sums, p):
        return p.k * sums[0]


def pairs(seed, n=N):
    """An asymmetric matrix of numbers between 0 and 1."""
    return torch.rand(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def links(n=N):
    """What `Network` takes for a link of each kind."""
    delays = pairs(2, n)
    return {
        "at once": {},
        "all alike": {"conn": 0.3},
        "held": {"hold": True},
        "late": {"delays": 0.2 + 9 * delays},  # in steps of 0.1 ms: from one to some 90, in blocks of every size
        "late, held, nearest": {"delays": 0.2 + 9 * delays, "hold": True, "interpolation": "nearest"},
        "some shorter than a step": {"delays": 0.3 * delays},
        "some shorter, held": {"delays": 0.3 * delays, "hold": True},
        "itself at once": {"delays": 4 * delays * (1 - torch.eye(n, dtype=torch.float64))},
    }


LINKS = links()


def network(link, coupling="diffusive", dtype=torch.float64, n=N, **options):
    """Noisy Hopf nodes with a link of this kind; all that can be free is."""
    torch.set_default_dtype(dtype)
    to = lambda value: value.to(dtype) if isinstance(value, torch.Tensor) else value
    node = tm.HopfStep(n, a=torch.linspace(-0.2, 0.3, n), init_x=0.3, init_y=torch.linspace(-1, 1, n))
    given = links(n)[link]
    options = {"conn": pairs(1, n) / n, "k": 0.7, **given, **options}
    net = tm.Network(node, coupling=coupling, noise=tm.WhiteNoise(0.1), **{k: to(v) for k, v in options.items()})
    node.noise["x"].free("sigma")
    node.free("a", "w", "init_x", "init_y")
    net.coupling.free("k", "weights")
    if "delays" in given and not options.get("interpolation") and (options["delays"] > 0).all():
        net.coupling.free("delays")
    return net


def held_beside_read():
    """Two couplings whose delays are 1 to 1.4 steps, of which one is held and the other read at every stage."""
    link = lambda source, hold: tm.AdditiveCoupling(
        pairs(1) / N, source=source, target="x_inp", delays=0.1 + 0.04 * pairs(2), hold=hold
    )
    net = tm.Network(tm.HopfStep(N, init_x=0.3), coupling={"held": link("x", True), "read": link("y", False)})
    return net.free("held.weights", "read.weights", "held.delays", "read.delays")


def found(net, backend, method="heun", duration=16.0, loss=5, **options):
    """All that a run gives, and the gradient of a loss, of this seed, that weighs every number of it differently."""
    r = tm.Simulator(net, 0.1, method, backend=backend).run(duration, seed=3, monitors=["x", "y", "output"], **options)
    values = {name: value for name, value in r.items() if name != "ts"} | {f"end {k}": v for k, v in r.state.items()}
    rng = torch.Generator().manual_seed(loss)
    draw = lambda like: torch.randn(like.shape, generator=rng, dtype=torch.float64).to(like)
    total = sum((value * draw(value)).sum() for value in values.values())
    names, parameters = zip(*net.named_parameters(), strict=True)
    gradients = torch.autograd.grad(total, parameters)
    values = {name: value.detach() for name, value in values.items()}
    return values | {f"gradient {name}": g for name, g in zip(names, gradients, strict=True)}


def with_history(net, backend, n=N):
    """A run from a history that is given, and the gradient of that."""
    rng = torch.Generator().manual_seed(7)
    history = torch.randn(120, n, dtype=torch.float64, generator=rng).requires_grad_()
    r = tm.Simulator(net, 0.1, backend=backend).run(4.0, seed=3, x0={"history_x": history})
    return r["x"], torch.autograd.grad(r["x"].square().sum() + r.state["history_x"].sum(), history)[0]


def assert_same(net, reference=None, backend="fused", **options):
    """The fused loop gives what eager gives, of this network or of a reference."""
    fused = found(net, backend, **options)
    assert_close(fused, found(reference or net, "eager", **options))
    return fused


def assert_close(fused, eager):
    """All that a run gives, but for rounding."""
    assert eager.keys() == fused.keys()
    for name, value in fused.items():
        expected, tolerance = eager[name], SAME[value.dtype]
        if not value.numel():  # connections of nobody
            continue
        difference, size = (value.to(expected.dtype) - expected).abs().max(), expected.abs().max()
        tolerance *= CANCELS if "gradient" in name else 1
        assert difference <= tolerance * size + 1e-15, (name, float(difference), float(size))


def mixed():
    """A network of two models with delays, of which values of either and of the coupling are free."""
    groups = {
        "cortex": (tm.HopfStep(3, init_x=0.3).free("a"), [4, 0, 2]),
        "thalamus": (tm.FitzHughNagumoStep(2).free("alpha"), [3, 1]),
    }
    net = tm.Network(groups, pairs(1), coupled_var={"cortex": "x", "thalamus": "V"}, k=0.1, delays=pairs(2))
    net.coupling.free("k", "weights")
    return net
