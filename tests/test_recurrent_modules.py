"""A recurrent layer goes where modules go: to lower precision around it, to several processes, into saved graphs."""

import copy
import io
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.export import Dim

import torchmass as tm

DDP = """
import sys, torch, torchmass as tm
from torch import distributed
from torch.nn.parallel import DistributedDataParallel

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
cell = torch.load(f"{folder}/cell.pt", weights_only=False)
x = torch.load(f"{folder}/x.pt")[:, 2 * rank : 2 * rank + 2]
parallel = DistributedDataParallel(cell)
y, state = parallel(x)
(y.square().mean() + state["y"].mean()).backward()
torch.save([parameter.grad for parameter in cell.parameters()], f"{folder}/{rank}.pt")
distributed.destroy_process_group()
"""
LOADED = """
import sys, torch, torchmass as tm
torch.set_default_dtype(torch.float64)
folder = sys.argv[1]
graph, x = torch.export.load(f"{folder}/cell.pt2").module(), torch.load(f"{folder}/x.pt")
try:
    graph(x)
except LookupError as error:
    assert "make the model that was exported, and run it once" in str(error)
else:
    raise AssertionError("it knows a kernel of another process")
tm.nn.RecurrentMass(tm.HopfStep(5).free("a"), 3, 5, 2)(x)
torch.save(graph(x), f"{folder}/found.pt")
"""


def hopf():
    """Five nodes that see three numbers a sample and show two."""
    return tm.nn.RecurrentMass(tm.HopfStep(5).free("a"), 3, 5, 2)


def run(script, *arguments):
    return subprocess.Popen([sys.executable, "-c", script, *map(str, arguments)], stderr=subprocess.PIPE, text=True)


def finished(process):
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors


def loss(y, state):
    return y.square().mean() + state["y"].mean()


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_one(tmp_path):
    cell, x = hopf(), torch.randn(6, 4, 3)
    torch.save(cell, tmp_path / "cell.pt")
    torch.save(x, tmp_path / "x.pt")
    for process in [run(DDP, rank, tmp_path) for rank in (0, 1)]:
        finished(process)
    expected = torch.autograd.grad(loss(*cell(x)), tuple(cell.parameters()))
    for rank in (0, 1):
        found = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found, list(expected), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("backend", ["fused", "eager"])
def test_autocast_lowers_the_projections_and_never_the_states(dtype, backend):
    cell = tm.nn.RecurrentMass(tm.HopfStep(5).free("a"), 3, 5, 2, backend=backend).float()
    x = torch.randn(6, 4, 3, dtype=torch.float32)
    with torch.autocast("cpu", dtype):
        y, state = cell(x)
        drive = cell.input(x)
    assert (y.dtype, drive.dtype) == (dtype, dtype)
    run = tm.Simulator(cell.simulator.model, dt=0.1).run(None, inputs=drive.float(), monitors=["output"])
    torch.testing.assert_close(state, dict(run.state), rtol=1e-6, atol=1e-7)
    with torch.autocast("cpu", dtype):
        assert torch.equal(y, cell.output(run["output"])) or backend == "eager"
    loss(y.float(), state).backward()
    assert all(parameter.grad.dtype == torch.float32 for parameter in cell.parameters())
    assert all(parameter.grad.isfinite().all() for parameter in cell.parameters())


def test_a_scaled_loss_trains_a_layer_in_mixed_precision():
    cell, x = hopf().float(), torch.randn(6, 4, 3, dtype=torch.float32)
    optimiser, scaler = torch.optim.SGD(cell.parameters(), 0.1), torch.amp.GradScaler("cpu")
    before = copy.deepcopy(cell.state_dict())
    with torch.autocast("cpu", torch.float16):
        y, state = cell(x)
        scaler.scale(loss(y.float(), state)).backward()
    scaler.step(optimiser)
    assert all(not torch.equal(before[name], value) for name, value in cell.named_parameters())


def test_a_saved_graph_has_one_run_and_its_gradient(tmp_path):
    cell, x = hopf(), torch.randn(6, 4, 3)
    file = io.BytesIO()
    state = {name: value.detach() for name, value in cell(x)[1].items()}
    shapes = ({0: Dim.DYNAMIC, 1: Dim.DYNAMIC}, {name: {0: Dim.DYNAMIC} for name in state})
    torch.export.save(torch.export.export(cell, (x, state), dynamic_shapes=shapes), file)
    file.seek(0)
    graph = torch.export.load(file).module()
    runs = [node for node in graph.graph.nodes if node.target is torch.ops.torchmass.forward.default]
    assert len(runs) == 1
    for samples in (x, x[:3, :2]):
        own = {name: value[: samples.shape[1]] for name, value in state.items()}
        found, expected = graph(samples, own), cell(samples, own)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)
        wanted = torch.autograd.grad(loss(*expected), tuple(cell.parameters()))
        named = dict(graph.named_parameters())
        gradients = torch.autograd.grad(loss(*found), [named[name] for name, _ in cell.named_parameters()])
        torch.testing.assert_close(gradients, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_a_saved_graph_needs_its_model_in_another_process(tmp_path):
    cell, x = hopf(), torch.randn(6, 4, 3)
    with torch.no_grad():
        torch.export.save(torch.export.export(cell, (x,)), tmp_path / "cell.pt2")
    torch.save(x, tmp_path / "x.pt")
    finished(run(LOADED, tmp_path))
    torch.testing.assert_close(torch.load(tmp_path / "found.pt"), cell(x), rtol=1e-12, atol=1e-14)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Dynamo does not know how to trace")
@pytest.mark.slow
def test_packed_sequences_break_a_graph_and_are_run_all_the_same():
    cell, x = hopf(), nn.utils.rnn.pack_padded_sequence(torch.randn(4, 2, 3), [4, 2])
    torch.compiler.reset()
    found, expected = torch.compile(cell, backend="eager")(x), cell(x)
    torch.testing.assert_close(found[0].data, expected[0].data, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-12, atol=1e-14)
