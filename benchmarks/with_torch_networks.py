"""torchmass's networks, and the matrix product that a batch of them cannot do without."""

from functools import partial
from typing import Any

import torch
from engine import Arrays, Engine, LeftOutError, Work
from network_cases import COUPLING, TAU, NetworkCase

import torchmass as tm
from torchmass.kernels.step.trace import TraceError

MODELS = {"rww": tm.ReducedWongWangStep, "hopf": tm.HopfStep, "mpr": tm.MontbrioPazoRoxinStep}
LEAST = 1e-20  # σ where there is none: a free one must lie inside its bounds


def simulator(case: NetworkCase, backend: str) -> tm.Simulator:
    """The case as a user of torchmass writes it."""
    start = case.start()
    values: dict[str, Any] = {f"init_{name}": value for name, value in start.items()} | case.parameters()
    values |= {"I_o": case.drive()} if case.model == "rww" else {}
    if case.noise == "white":
        values[f"noise_{next(iter(start))}"] = tm.WhiteNoise(max(case.sigma, LEAST))
    if case.noise == "coloured":
        values |= {f"noise_{name}": tm.OUProcess(case.sigma * (TAU / 2) ** 0.5, TAU) for name in start}
    options: dict[str, Any] = {"k": case.gain()[:, None] if case.simulations > 1 else case.gain(), "hold": case.hold}
    if case.linear:
        options |= {"distance": case.lengths(), "speed": case.speed, "max_delay": case.room}
    elif case.longest:
        options |= {"delays": case.delays(), "interpolation": "nearest"}
    node = MODELS[case.model](in_size=case.regions, **values)
    weights = torch.from_numpy(case.weights())
    conn = weights if case.density == 1 else weights.to_sparse()
    network = tm.Network(node, conn=conn, coupling=COUPLING[case.model], **options)
    return tm.Simulator(network, dt=case.dt, method=case.method, backend=backend)


def build(backend: str, case: NetworkCase) -> Work:
    """Forward, or forward and gradient."""
    sim, name = simulator(case, backend), next(iter(case.start()))
    options: dict[str, Any] = {"monitors": [name], "sample_every": case.every, "seed": 0 if case.noise else None}
    if case.gradient:
        return _gradient(sim, case, options)

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return sim.run(case.steps * case.dt, **options)[name]

    return Work(forward, lambda series: {"series": series.numpy()})


def fused(case: NetworkCase) -> Work:
    """The whole loop in one kernel, where it is offered."""
    try:
        simulator(case, "fused").run(case.dt)
    except TraceError as reason:
        raise LeftOutError(f"left out: {reason}") from reason
    return build("fused", case)


def _gradient(sim: tm.Simulator, case: NetworkCase, options: dict[str, Any]) -> Work:
    network = sim.model
    assert isinstance(network, tm.Network)
    assert isinstance(network.coupling, tm.Coupling)
    strength: Any = network.node.noise["S"]
    holders = {"k": network.coupling, "weights": network.coupling, "I_o": network.node, "sigma": strength}
    holders |= {"speed": network.coupling} if case.linear else {}
    for name, holder in holders.items():
        holder.free(name)
    raw = [getattr(holder.raw, name) for name, holder in holders.items()]
    # a free value lives in an unconstrained one; undo that for the comparison with engines that have no bounds
    slopes = [torch.autograd.grad(h.value(n).sum(), r)[0] for (n, h), r in zip(holders.items(), raw, strict=True)]
    start = torch.from_numpy(case.start()["S"]).requires_grad_()

    def both() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        series = sim.run(case.steps * case.dt, x0={"S": start}, **options)["S"]
        flat = series.flatten()
        loss = torch.dot(flat, flat) / len(flat)  # .square().mean() makes more large arrays
        return series, torch.autograd.grad(loss, [*raw, start])

    def read(found: Any) -> Arrays:
        series, gradient = found
        # a weight that there cannot be has neither
        natural = [g / torch.where(slope == 0, 1.0, slope) for g, slope in zip(gradient, slopes, strict=False)]
        named = {**dict(zip(holders, natural, strict=True)), "start": gradient[-1]}
        compared = {f"d/d {name}": value.numpy() for name, value in named.items() if name != "sigma"}
        return {"series": series.detach().numpy()} | compared

    return Work(both, read)


def matrix_product(case: NetworkCase) -> Work | None:
    """As many products of the weights with the signals of all simulations as the run takes, and nothing else."""
    if case.simulations == 1:
        return None
    weights, signals = torch.from_numpy(case.weights()), torch.rand(case.regions, case.simulations)
    out = torch.empty_like(signals)

    def products() -> None:
        for _ in range(2 * case.steps):  # at both stages of a Heun step
            torch.mm(weights, signals, out=out)

    return Work(products, lambda _: {})


def engines() -> list[Engine[NetworkCase]]:
    """The reference first, which is only compared with."""
    torch.set_default_dtype(torch.float32)
    return [
        Engine("torchmass eager", partial(build, "eager"), timed=False),
        Engine("torchmass fused", fused),
        Engine("matrix product", matrix_product),
    ]
