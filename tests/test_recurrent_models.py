"""Every model of the catalogue is a recurrent layer: with a right gradient, compiled to one graph, and exported."""

import pytest
import torch
from torch.export import Dim

import torchmass as tm

HORN = {tm.HORNSeqLayer, tm.HORNSeqNetwork}  # which are layers
CATALOGUE = pytest.mark.parametrize(
    "model", [info.cls for info in tm.list_models() if info.cls not in HORN], ids=lambda cls: cls.__name__
)
pytestmark = pytest.mark.usefixtures("quickly_built")


def cell_of(model):
    """Two nodes that see two numbers a sample and show one."""
    return tm.nn.RecurrentMass(model, 2, 2, 1)


@CATALOGUE
def test_the_gradient_of_every_model_is_its_slope(model):
    cell, x = cell_of(model), torch.randn(3, 2, 2)
    _, state = cell(x)
    leaves, names = [*cell.parameters(), *(value.detach().requires_grad_() for value in state.values())], [*state]
    along = [torch.randn_like(leaf) * (1e-6 + leaf.abs().amax()).detach() for leaf in leaves]

    def loss(step):
        moved = [leaf + step * a for leaf, a in zip(leaves, along, strict=True)]
        named = zip(dict(cell.named_parameters()), moved, strict=False)
        start = dict(zip(names, moved[-len(names) :], strict=True))
        y, end = torch.func.functional_call(cell, dict(named), (x, start))
        return y.square().sum() + sum(value.square().mean() for value in end.values())

    slope = sum((g * a).sum() for g, a in zip(torch.autograd.grad(loss(0.0), leaves), along, strict=True))
    h = 1e-5
    with torch.no_grad():
        difference = (8 * (loss(h) - loss(-h)) - loss(2 * h) + loss(-2 * h)) / (12 * h)
    torch.testing.assert_close(slope, difference, rtol=1e-7, atol=1e-9)


@pytest.mark.slow
@CATALOGUE
@torch.no_grad()
def test_every_model_compiles_to_one_graph_and_is_exported_for_sequences_of_any_length(model):
    cell, x = cell_of(model), torch.randn(4, 3, 2)
    exported = torch.export.export(cell, (x,), dynamic_shapes=({0: Dim.DYNAMIC, 1: Dim.DYNAMIC},)).module()
    torch.compiler.reset()
    torch._dynamo.mark_dynamic(x, (0, 1))
    compiled = torch.compile(cell, fullgraph=True, backend="eager")
    for samples in (x, torch.randn(5, 2, 2)):
        for other in (exported, compiled):
            torch.testing.assert_close(other(samples), cell(samples), rtol=1e-10, atol=1e-12)
