"""torchmass's recurrent layers, nn.LSTM of the same size, and the products that a loop over steps cannot do without."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from engine import Engine, Work
from recurrent_cases import RecurrentCase
from torch import Tensor, nn

import torchmass as tm

PRODUCTS = {"HORN": 1, "Jansen–Rit": 2}  # of a step: the stages at which nodes hear of each other


def sequence(case: RecurrentCase) -> Tensor:
    """What the layer sees, (T, B, inputs)."""
    return torch.randn(case.samples, case.sequences, case.inputs, generator=torch.Generator().manual_seed(0))


def layer(case: RecurrentCase, backend: str) -> Callable[[Tensor], Any]:
    """The layer as a user of torchmass writes it."""
    torch.manual_seed(1)
    if case.cell == "HORN":
        made = tm.HORNSeqLayer(case.inputs, case.hidden).free("omega", "gamma", "alpha")
        made.simulator.backend = backend
        return made
    node = tm.JansenRitStep(case.hidden, mu=220.0).free("Ae", "Ai")
    return tm.nn.RecurrentMass(node, case.inputs, case.hidden, dt=1.0, backend=backend)


def lstm(case: RecurrentCase) -> Callable[[Tensor], Any]:
    """The layer of torch."""
    return nn.LSTM(case.inputs, case.hidden)


def products(case: RecurrentCase) -> Callable[[Tensor], Any]:
    """The recurrent matrix with a batch of signals, as often as a layer's steps need it, and nothing else."""
    weights = torch.randn(case.hidden, case.hidden).mul_(case.hidden**-0.5).requires_grad_(case.gradient)

    def run(x: Tensor) -> tuple[Tensor, None]:
        sent = x.new_ones(len(x[0]), case.hidden)
        for _ in range(PRODUCTS[case.cell] * len(x)):
            sent = sent @ weights.mT
        return sent, None

    run.parameters = lambda: [weights]  # type: ignore[attr-defined]
    return run


def build(make: Callable[[RecurrentCase], Any], compared: bool, case: RecurrentCase) -> Work:
    """Forward, or forward and gradient."""
    made, x = make(case), sequence(case)

    def forward() -> tuple[Tensor, ...]:
        with torch.no_grad():
            return (made(x)[0],)

    def both() -> tuple[Tensor, ...]:
        y = made(x)[0]
        return (y.detach(), *torch.autograd.grad(y.square().mean(), tuple(made.parameters())))

    def read(found: tuple[Tensor, ...]) -> dict[str, Any]:
        names = ["output", *(f"gradient {k}" for k in range(1, len(found)))]
        return {name: value.numpy() for name, value in zip(names, found, strict=True)} if compared else {}

    return Work(both if case.gradient else forward, read)


def engines() -> list[Engine[RecurrentCase]]:
    """All engines, the reference first: the eager loop, with a product of the whole batch at every step."""
    ours = {name: partial(build, partial(layer, backend=name.split()[-1]), True) for name in NAMES}
    rivals = {"nn.LSTM": partial(build, lstm, False), "products alone": partial(build, products, False)}
    return [Engine(name, work) for name, work in (ours | rivals).items()]


NAMES = ("torchmass eager", "torchmass fused")
