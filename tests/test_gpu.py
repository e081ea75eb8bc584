"""On a GPU: the loop in Triton equals eager steps on the CPU, and goes through all that torch does with a stream."""

import pytest
import torch
from agreement import EXACT, SINGLE, assert_equal, node_of, outcome

import torchmass as tm

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here"),
]
MODELS = [tm.HopfStep, tm.JansenRitStep, tm.MontbrioPazoRoxinStep, tm.ReducedWongWangStep]


def hopf(n=300):
    return tm.HopfStep(n, noise_x=tm.WhiteNoise(0.02)).free("a").to("cuda")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
def test_a_run_and_its_gradient_are_those_of_the_cpu(cls, dtype):
    torch.set_default_dtype(dtype)
    inputs = dict.fromkeys(cls.input_declarations, 0.1) | {next(iter(cls.input_declarations)): torch.rand(300, 70)}

    def run(device, backend):
        node = node_of(cls, 70, batch=5, noise="two").to(device)
        return outcome(tm.Simulator(node, 0.05, backend=backend), 300, inputs=inputs, sample_every=7)

    tolerance = EXACT if dtype == torch.float64 else SINGLE
    assert_equal(run("cuda", "fused"), run("cpu", "eager"), tolerance, gradients=1e-3 if tolerance == SINGLE else None)


def test_a_path_is_that_of_the_cpu():
    on = lambda device: tm.Simulator(hopf().to(device), 0.1, backend="fused").run(50.0, seed=3)["x"].cpu()
    torch.testing.assert_close(on("cuda"), on("cpu"), rtol=1e-11, atol=1e-13)


def test_auto_is_one_kernel_on_a_gpu():
    run = tm.Simulator(hopf(), 0.1).run(50.0)
    assert run.backend == "fused"
    assert run["x"].device.type == "cuda"


def test_a_run_and_its_gradient_are_captured_in_a_graph():
    sim, start = tm.Simulator(hopf(), 0.1, backend="fused"), torch.rand(300, device="cuda")
    work = lambda: sim.run(5.0, seed=1, x0={"x": start})["x"].square().mean().backward()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # builds what is needed before
        work()
    torch.cuda.current_stream().wait_stream(side)
    graph, raw = torch.cuda.CUDAGraph(), sim.model.raw.a
    raw.grad = None
    with torch.cuda.graph(graph):
        work()
    start.copy_(torch.rand(300, device="cuda"))
    graph.replay()
    found, raw.grad = raw.grad.clone(), None
    work()
    torch.testing.assert_close(found, raw.grad, rtol=1e-12, atol=1e-14)


def test_runs_on_several_streams_do_not_disturb_each_other():
    sims = [tm.Simulator(hopf(), 0.1, backend="fused") for _ in range(3)]
    expected = [sim.run(50.0, seed=k)["x"] for k, sim in enumerate(sims)]
    torch.cuda.synchronize()
    streams, found = [torch.cuda.Stream() for _ in sims], []
    for k, (sim, stream) in enumerate(zip(sims, streams, strict=True)):
        with torch.cuda.stream(stream):
            found.append(sim.run(50.0, seed=k)["x"])
    torch.cuda.synchronize()
    assert all(map(torch.equal, found, expected))


def test_a_fitted_model_moves_to_the_gpu_and_back():
    sim = tm.Simulator(tm.HopfStep(5).free("a"), 0.1, backend="fused")
    optimiser = torch.optim.SGD(sim.parameters(), lr=0.1)
    for _ in range(3):
        optimiser.zero_grad()
        sim.run(10.0)["x"].square().mean().backward()
        optimiser.step()
    here, there = sim.run(10.0)["x"], sim.to("cuda").run(10.0)["x"]
    torch.testing.assert_close(there.cpu(), here, rtol=1e-11, atol=1e-13)
    assert torch.equal(sim.to("cpu").run(10.0)["x"], here)


def test_a_tensor_on_another_device_is_named():
    sim = tm.Simulator(hopf(4), 0.1)
    with pytest.raises(ValueError, match="input x_inp is on cpu, the model on cuda"):
        sim.run(1.0, inputs={"x_inp": torch.rand(10, 4)})
    with pytest.raises(ValueError, match=r"y.* is on cpu, the model on cuda"):
        sim.run(1.0, x0={"y": torch.rand(4)})


def test_a_run_compiles_to_one_graph_on_the_gpu():
    sim, drive = tm.Simulator(hopf(), 0.1, backend="fused"), torch.rand(50, 300, device="cuda")
    loss = lambda u: sim.run(5.0, inputs=u, seed=1)["x"].square().mean()
    torch.compiler.reset()
    found = torch.compile(loss, fullgraph=True)(drive)
    torch.testing.assert_close(found, loss(drive), rtol=1e-12, atol=1e-14)
    gradients = (torch.autograd.grad(x, sim.model.raw.a) for x in (found, loss(drive)))
    torch.testing.assert_close(*gradients, rtol=1e-12, atol=1e-14)
