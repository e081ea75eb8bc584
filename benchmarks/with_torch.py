"""torchmass on its backends, and a bare torch loop of the same formulas."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from cases import DT, GAIN, MODELS, Arrays, Case
from engine import Engine, LeftOutError, Work
from formulas import FIELDS, OUTPUTS, heun

import torchmass as tm
from torchmass.kernels.call import prepared
from torchmass.kernels.fused import call_of, kernel_of, leaves_of


def simulator(case: Case, backend: str) -> tm.Simulator:
    """The case as a user of torchmass writes it."""
    starts: dict[str, Any] = {f"init_{name}": value for name, value in case.start().items()}
    if case.network:
        starts["noise_x"] = tm.WhiteNoise(case.sigma)
    model = MODELS[case.model](in_size=case.nodes, **starts)
    if case.gradient:
        model.free(*case.parameters())
    system = tm.Network(model, conn=case.weights(), coupling="diffusive", k=GAIN) if case.network else model
    return tm.Simulator(system, dt=DT, backend=backend)


def build(backend: str, case: Case) -> Work:
    """Forward, or forward and gradient."""
    sim = simulator(case, backend)
    options = _options(case)
    if case.gradient:
        return _gradient(sim, case, options)

    def forward() -> torch.Tensor:
        with torch.no_grad():
            return sim.run(case.steps * DT, **options)["output"]

    return Work(forward, _numbers)


def fused(case: Case) -> Work:
    """The whole loop in one kernel, where it is offered."""
    if case.network:
        raise LeftOutError("left out: networks are not fused yet")
    return build("fused", case)


def kernel(case: Case) -> Work | None:
    """The generated loop alone: prepared memory and one call through ctypes, as the loop by hand has it."""
    if case.network or case.gradient:
        return None
    sim = simulator(case, "fused")
    plan = sim._planned(case.steps * DT, **_options(case))
    name = kernel_of(plan, "cpp")
    leaves = leaves_of(plan, name)
    run, found = prepared(call_of(plan, name, leaves, "cpp"), plan.x0, leaves)

    def forward() -> torch.Tensor:
        run()
        return found[0]

    return Work(forward, _numbers)


def _options(case: Case) -> dict[str, Any]:
    """What is recorded, and the inputs."""
    options: dict[str, Any] = {"monitors": ["output"], "seed": 0 if case.network else None}
    if case.drive().any():
        options["inputs"] = torch.from_numpy(case.drive()).expand(case.steps, -1)
    return options


def _gradient(sim: tm.Simulator, case: Case, options: dict[str, Any]) -> Work:
    names, model = list(case.parameters()), sim.model
    assert isinstance(model, tm.NeuralMass)
    raw = [getattr(model.raw, name) for name in names]
    # a free value lives in an unconstrained one; undo that for the comparison with engines that have no bounds
    slopes = torch.stack([torch.autograd.grad(model.value(n), r)[0] for n, r in zip(names, raw, strict=True)]).numpy()

    def both() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        series = sim.run(case.steps * DT, **options)["output"]
        loss = torch.linalg.vector_norm(series).square() / series.numel()  # .square().mean() makes more large arrays
        return series, torch.autograd.grad(loss, raw)

    def read(found: Any) -> Arrays:
        series, gradient = found
        return _numbers(series.detach()) | {"gradient": torch.stack(gradient).numpy() / slopes}

    return Work(both, read)


def _numbers(series: torch.Tensor) -> Arrays:
    return {"output": series.numpy()}


def bare(case: Case) -> Work | None:
    """What the eager loop could cost at least: the formulas in a Python loop, without a library around them."""
    if case.network or case.gradient:
        return None
    p: dict[str, Any] = {name: torch.tensor(value) for name, value in case.parameters().items()}
    u, start = torch.from_numpy(case.drive()), tuple(torch.from_numpy(value) for value in case.start().values())
    field = lambda s: FIELDS[case.model](s, u, p, torch.sigmoid)

    def loop() -> torch.Tensor:
        s, rows = start, []
        with torch.no_grad():
            for _ in range(case.steps):
                s = heun(field, s, DT)
                rows.append(OUTPUTS[case.model](s))
        return torch.stack(rows)

    return Work(loop, _numbers)


def engines(compiled: bool) -> list[Engine]:
    """The reference first."""
    torch.set_default_dtype(torch.float32)
    left_out: Callable[[Case], Work] = _left_out
    return [
        Engine("torchmass eager", partial(build, "eager")),
        Engine("torchmass fused", fused),
        Engine("torchmass kernel", kernel),
        Engine("torchmass compile", partial(build, "compile") if compiled else left_out),
        Engine("bare torch loop", bare),
    ]


def _left_out(case: Case) -> Work:
    raise LeftOutError("left out: --quick does not compile")
