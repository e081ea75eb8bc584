"""One run that uses all of a kernel and of its adjoint; as a program, on kernels with the compiler's sanitizers."""

import sys

import torch

import torchmass as tm
from torchmass.kernels import call
from torchmass.kernels.cpp import build

FLAGS = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-O0")  # -O1 compiles twice as long
WAYS = [  # of running backward: no interval, one of the kernel's, and one that fits neither tiles nor steps
    {"checkpoint": "none"},
    {"checkpoint": "sqrt"},
    {"checkpoint": 7, "grad_horizon": 11},
]


def simulator(cls):
    """Five simulations of 23 nodes: no vector divides them, and there are enough for several to go together."""
    state, port = next(iter(cls.state_declarations)), next(iter(cls.input_declarations))
    noise = {f"noise_{state}": tm.WhiteNoise(torch.full((23,), 0.01)), f"noise_{port}": tm.OUProcess(0.1, 5.0)}
    first, last = cls.Params._fields[0], cls.Params._fields[-1]
    values = {last: cls.declarations[last].default * (1 + torch.rand(23) / 10)}
    values[first] = cls.declarations[first].default * (1 + torch.rand(5, 1) / 10)
    node = cls(23, **values, **noise).free(*cls.Params._fields)
    node.noise[state].free("sigma")
    node.noise[port].free("tau")
    return tm.Simulator(node, dt=0.1, backend="fused")


def results(name, dtype):
    """Series and gradients of a model in two threads, with every kind of leaf."""
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    cls, threads, found = getattr(tm, name), call.threads, []
    sim, (first, *others) = simulator(cls), cls.input_declarations
    moving, start = torch.rand(150, 23).requires_grad_(), torch.rand(5, 23).requires_grad_()
    inputs, x0 = {first: moving} | dict.fromkeys(others, 0.1), {next(iter(cls.state_declarations)): start}
    call.threads = lambda *_: 2
    for way in WAYS:
        monitors = [*sim.model.states, "output"]
        run = sim.run(15.0, x0=x0, inputs=inputs, seed=1, monitors=monitors, sample_every=4, transient=0.3, **way)
        loss = sum(run[name].square().mean() + run.state[name].sum() for name in sim.model.states)
        found += [run[name].detach() for name in monitors]
        found += torch.autograd.grad(loss + run["output"].sum(), [*sim.parameters(), moving, start])
    call.threads = threads
    return found


def network(*names):
    """Five simulations of nodes coupled at once, all or few, late in blocks of every size, and within a step."""
    n, sparse = 67, lambda share: ((torch.rand(67, 67) < share) * torch.rand(67, 67)).to_sparse()
    node = tm.HopfStep(n, a=torch.rand(5, 1), noise_x=tm.WhiteNoise(0.1))
    links = {
        "now": tm.AdditiveCoupling(torch.rand(n, n) / n, source="x", target="x_inp"),
        "few": tm.AdditiveCoupling(sparse(0.01), source="y", target="x_inp"),
        "late": tm.SineCoupling(torch.rand(n, n) / n, source="x", target="x_inp", delays=0.2 + 9 * torch.rand(n, n)),
        "soon": tm.DiffusiveCoupling(sparse(0.1), source="y", target="y_inp", delays=0.3 * torch.rand(n, n)),
    }
    net = tm.Network(node, coupling={name: links[name] for name in names})
    late = [f"{name}.delays" for name in ("late", "soon")]
    return net.free(*(f"{name}.{what}" for name in names for what in ("weights", "k")), *late, "a", "init_x")


def network_of_one_state():
    """Five simulations of nodes of one state, all coupled at the start of each step."""
    node = tm.ReducedWongWangStep(67, I_o=torch.rand(5, 1) / 10 + 0.3, noise_S=tm.WhiteNoise(0.02))
    coupling = tm.AdditiveCoupling(torch.rand(67, 67) / 67, source="S", target="S_inp", hold=True)
    return tm.Network(node, coupling=coupling).free("weights", "k", "I_o", "init_S")


NETWORKS = {
    "Network": (lambda: network("now", "few", "late", "soon"), "rk4"),
    "LateNetwork": (lambda: network("late", "soon"), "heun"),
    "SlopesNetwork": (network_of_one_state, "heun"),
}


def network_results(name, dtype):
    """The same of a network, whose simulations go together in one thread, or are shared by two threads each.

    Two share nodes where some send at once; where all are late, one takes steps and the other sums; and where a step
    back is a product with slopes, the other finds these.
    """
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    threads, found, (build_network, method) = call.threads, [], NETWORKS[name]
    sim = tm.Simulator(build_network(), 0.1, method, backend="fused")
    moving, (first, *_) = torch.rand(150, 67).requires_grad_(), sim.model.inputs
    for workers, way in ((1, {}), (10, {}), (10, {"grad_horizon": 11})):
        call.threads = lambda *_, workers=workers: workers
        run = sim.run(15.0, seed=1, inputs={first: moving}, sample_every=4, **way)
        seen = [value for key, value in run.items() if key != "ts"]
        loss = sum(value.square().sum() for value in [*seen, *run.state.values()])
        found += [seen[0].detach(), *torch.autograd.grad(loss, [*sim.parameters(), moving])]
    call.threads = threads
    return found


if __name__ == "__main__":
    load = build.load
    build.load = lambda source, _=(): load(source, FLAGS)
    of = network_results if sys.argv[1].endswith("Network") else results
    torch.save(of(sys.argv[1], getattr(torch, sys.argv[2])), sys.argv[3])
    print("run to its end")
