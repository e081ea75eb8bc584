"""Kernels in Triton: what they are made of is right, and they do what the fused loop does beyond single runs."""

import math
import os
import subprocess
import sys

import pytest
import torch
import triton
import triton.language as tl
from agreement import assert_equal, node_of, outcome
from torch.func import functional_call, grad, jvp, vmap

import torchmass as tm
from torchmass import exprel
from torchmass.kernels import fused
from torchmass.kernels.choice import Choice
from torchmass.kernels.draws import normals
from torchmass.kernels.finite import NonFiniteError
from torchmass.kernels.step.operations import OPERATIONS
from torchmass.kernels.triton import device as tm_device
from torchmass.kernels.triton import modules
from torchmass.observe import bold
from torchmass.run_options import RunOptions

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
NAN, INF = math.nan, math.inf
TYPES = {torch.float32: tl.float32, torch.float64: tl.float64}
DTYPES = pytest.mark.parametrize("dtype", TYPES, ids=str)


@triton.jit
def draw(to, seed: tl.int64, simulation: tl.int64, block: tl.int64, source, T: tl.constexpr, N: tl.constexpr):
    node = tl.arange(0, N)
    z0, z1, z2, z3 = tm_device.normals(
        seed, node.to(tl.uint32), simulation.to(tl.uint32), block.to(tl.uint32), source, T
    )
    tl.store(to + node, z0)
    tl.store(to + N + node, z1)
    tl.store(to + 2 * N + node, z2)
    tl.store(to + 3 * N + node, z3)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 1e-13)], ids=str)
@pytest.mark.parametrize(("seed", "block", "simulation"), [(7, 3, 11), (2**62 + 12345, 2**29 + 5, 1000)])
def test_normals_are_those_of_the_eager_backend(dtype, tolerance, seed, block, simulation):
    n = 1 << 14
    found = torch.empty(4, n, dtype=dtype, device=DEVICE)
    draw[(1,)](found, seed, simulation, block, 2, TYPES[dtype], n)
    expected = normals(seed, 4 * block, 4, torch.tensor([simulation]), n, 2)[:, 0]
    assert float((found.double().cpu() - expected).abs().max()) <= tolerance


ENDS = torch.tensor([-INF, -200.0, -3.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 3.0, 200.0, INF, NAN], dtype=torch.float64)
ONE = ENDS.repeat(10)[:128]
X, Y = (axis.flatten()[:128] for axis in torch.meshgrid(ENDS[1:], ENDS[1:], indexing="ij"))
WHOLE = torch.where(X.isfinite(), X.floor(), 5000.0)
FUNCTIONS = {  # of device.py: arguments, and what torch gives
    "sigmoid": ([ONE], torch.sigmoid(ONE)),
    "softplus": ([ONE], torch.logaddexp(ONE, 0 * ONE.nan_to_num())),
    "sign": ([ONE], torch.sign(ONE)),
    "power": ([torch.arange(-60.0, 68.0)], 2.0 ** torch.arange(-60.0, 68.0).double()),
    "remainder": ([X, Y], torch.remainder(X, Y)),
    "minimum": ([X, Y], torch.minimum(X, Y)),
    "maximum": ([X, Y], torch.maximum(X, Y)),
    "clamp": ([X, 0 * X.nan_to_num() - 1, Y], torch.minimum(torch.clamp(X, min=-1.0), Y)),
    "sigmoid2": ([WHOLE, Y], torch.sigmoid(-math.log(2) * (WHOLE + Y))),
    **{name: ([X], getattr(exprel, name)(X)) for name in OPERATIONS if "exprel" in name},
}
APPLY = """
import triton
import triton.language as tl

from torchmass.kernels.triton import device as tm


@triton.jit
def apply({pointers}, to, N: tl.constexpr):
    at = tl.arange(0, N)
    tl.store(to + at, tm.{name}({loads}))
"""


@DTYPES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_is_torchs_at_ends_zeros_and_nan(name, dtype):
    arguments, expected = FUNCTIONS[name]
    pointers = [f"x{k}" for k in range(len(arguments))]
    loads = ", ".join(f"tl.load({pointer} + at)" for pointer in pointers)
    module = modules.load(APPLY.format(name=name, pointers=", ".join(pointers), loads=loads))
    found = torch.empty(128, dtype=dtype, device=DEVICE)
    module.apply[(1,)](*(x.to(DEVICE, dtype) for x in arguments), found, 128)
    tolerance = 1e-6 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(found.cpu(), expected.to(dtype), rtol=tolerance, atol=1e-37, equal_nan=True)


def test_every_operation_has_its_function_on_a_gpu():
    names = {operation.triton.split("(")[0].removeprefix("tm.") for operation in OPERATIONS.values() if operation.code}
    functions = {name for name in names if name.isidentifier()}
    assert functions == {name for name in functions if isinstance(getattr(tm_device, name), type(draw))}


# ------------------------------------------------------------------------------------------------- what a run is asked


def hopf(n=2, **options):
    return tm.HopfStep(n, noise_x=tm.WhiteNoise(0.02), **options).free("a")


def both(run):
    """What the function gives with Triton, and with eager steps."""
    return run("triton"), run("eager")


def test_a_run_continues_bit_for_bit():
    sim = tm.Simulator(hopf().to(DEVICE), dt=0.1, backend="triton")
    whole, first = sim.run(1.8, seed=1), sim.run(0.7, seed=1)
    assert torch.equal(torch.cat([first["x"], sim.run(1.1, x0=first.state)["x"]]), whole["x"])


def test_a_value_does_not_depend_on_its_lane():
    a = torch.linspace(-0.1, 0.3, 131, device=DEVICE)  # more than a program has
    run = lambda a, first: tm.Simulator(hopf(1, a=a).to(DEVICE), 0.1, backend="triton").run(
        0.5, seed=1, first_simulation=first
    )["x"]
    together = run(a[:, None], 0)
    for i in (0, 127, 128, 130):
        assert torch.equal(run(a[i], i), together[:, i])


def test_candidates_draw_the_same_numbers():
    def run(backend):
        sim = tm.Simulator(hopf(a=torch.tensor([[[0.1]], [[0.1]]])), 0.1, backend=backend)
        return sim.asked(RunOptions(candidates=2)).run(0.6, seed=1, batch_size=3)["x"]

    found, expected = both(run)
    assert torch.equal(found[:, 0], found[:, 1])
    torch.testing.assert_close(found, expected, rtol=1e-13, atol=1e-15)


def test_the_gradient_is_cut_where_it_is_to_be():
    def run(backend):
        sim = tm.Simulator(node_of(tm.HopfStep, 2), 0.1, backend=backend)
        return outcome(sim, 20, inputs={"x_inp": torch.ones(20, 2)}, grad_horizon=7)

    assert_equal(*both(run))


def test_transforms_go_through_the_kernel():
    def run(backend):
        sim = tm.Simulator(hopf(), dt=0.1, backend=backend)
        loss = lambda a: functional_call(sim, {"model.raw.a": a}, (0.6,), {"seed": 1})["x"].square().mean()
        a = torch.tensor([-0.1, 0.2])
        return vmap(loss)(a), vmap(grad(loss))(a), jvp(loss, (a[0],), (torch.ones(()),))[1]

    torch.testing.assert_close(*both(run), rtol=1e-12, atol=1e-14)


def test_a_gradient_carried_forward_is_the_same():
    def run(backend):
        sim = tm.Simulator(hopf(), dt=0.1, backend=backend)
        options = {"gradient": "forward"} if backend == "triton" else {}
        return torch.autograd.grad(sim.run(0.6, seed=1, **options)["x"].square().sum(), sim.model.raw.a)

    torch.testing.assert_close(*both(run), rtol=1e-12, atol=1e-14)


def test_a_run_compiles_to_one_graph():
    sim, drive = tm.Simulator(hopf(), dt=0.1, backend="triton"), torch.rand(8, 2)
    loss = lambda u: sim.run(0.8, inputs=u, seed=1)["x"].square().mean()
    torch.compiler.reset()
    found = torch.compile(loss, fullgraph=True, backend="aot_eager")(drive)
    torch.testing.assert_close(found, loss(drive), rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(*(torch.autograd.grad(x, sim.model.raw.a) for x in (found, loss(drive))))


def message(run):
    with pytest.raises(NonFiniteError) as error:
        run()
    return str(error.value)


def test_numbers_that_are_lost_are_named_as_elsewhere():
    def diverge(backend):
        return message(lambda: tm.Simulator(tm.HopfStep(2), 1.0, "euler", backend).run(20.0, x0={"x": 30.0}))

    def lose(backend):
        run = tm.Simulator(hopf(), 0.1, backend=backend).run(2.0, seed=1)
        return message(lambda: (run["x"][7, 1] * torch.inf).backward())

    for found, expected in (both(diverge), both(lose)):
        assert found == expected


# --------------------------------------------------------------------------------------------- where there is no kernel


def in_process(script, **environment):
    command = [sys.executable, "-W", "error", "-c", f"import torchmass as tm\n{script}"]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)


RUN = "tm.Simulator(tm.HopfStep(2), 0.1, backend='triton').run(1.0)"


def test_a_model_on_the_cpu_is_refused_without_the_interpreter():
    done = in_process(RUN, TRITON_INTERPRET="0")
    assert "ValueError: backend='triton' is for GPUs, and the model is on the CPU: use backend='fused'" in done.stderr


def test_without_triton_it_says_what_to_install():
    hidden = "import importlib.util, sys; importlib.util.find_spec = lambda name: None; sys.modules['triton'] = None"
    done = in_process(f"{hidden}\n{RUN}")
    assert "ImportError: the fused loop on a GPU needs triton: pip install 'torchmass[gpu]'." in done.stderr


@pytest.mark.parametrize("readout", ["friston2003", "stephan2007"])
def test_the_blood_flow_of_a_run_and_its_gradient_are_those_of_eager_steps(readout, monkeypatch):
    signal, z = tm.BOLDSignal(tr=100.0, readout=readout), torch.rand(9, 3, dtype=torch.float64).requires_grad_()
    signal.free("tau", "alpha")

    def both():
        rows = signal(z, dt=25.0)
        return rows, *torch.autograd.grad(rows.square().sum(), [signal.raw.tau, signal.raw.alpha, z])

    expected, choice, engines = both(), Choice("fused", "it is what is tested"), []
    monkeypatch.setattr(bold, "choose", lambda *_: choice)  # as for a long series
    monkeypatch.setattr(fused, "engine_of", lambda plan: engines.append(plan) or "triton")
    for ours, theirs in zip(both(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-11, atol=1e-14)
    assert engines
