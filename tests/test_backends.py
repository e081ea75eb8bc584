"""Every backend equals eager, in values and gradients, over the axes that a run has."""

from itertools import combinations

import pytest
import torch
from agreement import EXACT, NOISES, assert_as_exact, assert_equal, node_of, outcome
from conftest import FULL, MODELS, step_of
from covering import every, pairwise

import torchmass as tm
from torchmass.simulator import BACKENDS

STEPS = 150  # more than two tiles of any kernel
LARGE = (tm.ThalamusStep, tm.ZerlautStep, tm.ZerlautSecondOrderStep)  # tiles of 8, eager steps of 1 to 10 ms
FIRST = 18  # of the models that take turns in the interpreter: the large ones then have Euler's steps, which are short
MONITORS = {
    "all": lambda first: None,
    "output": lambda first: ["output"],
    "mixed": lambda first: {"first": first, "eeg": "output", "mean": lambda s: s[first].mean(-1)},
}
MATHS = {"cls": MODELS, "method": list(tm.INTEGRATORS), "noise": list(NOISES)}
REST = {"dtype": [torch.float64, torch.float32], "checkpoint": ["none", "sqrt", 3], "monitors": list(MONITORS)}
FUSED = MATHS | REST
COMPILE = MATHS | {"coupling": [None, "diffusive", "additive"]}  # the step alone is compiled: the rest is eager's


def shipped(cases):
    """All cases of the default integrator and the first of each other: their kernels are compiled as for users."""
    firsts = {case["method"]: case for case in reversed(cases)}
    return [case for case in cases if case["method"] == "heun" or case is firsts[case["method"]]]


def fused_cases():
    """A covering array, in which so every model meets every integrator; each of its kernels is run in two ways.

    But for two of the largest model, whose kernels take a minute to compile: `make test-all` has these.
    """
    if FULL:
        return every(FUSED)
    ways = {"checkpoint": REST["checkpoint"], "monitors": REST["monitors"]}
    another = lambda case: {axis: values[values.index(case[axis]) - 1] for axis, values in ways.items()}
    dear = lambda case: case["cls"] is tm.ZerlautSecondOrderStep and case["method"] in ("rk4", "exp_euler")
    return [run for case in pairwise(FUSED) if not dear(case) for run in (case, case | another(case))]


def compile_cases():
    """Few, as each compiles for seconds: every coupling with two kinds of noise, models and integrators in turn."""
    if FULL:
        return every(COMPILE)
    few = every({"coupling": COMPILE["coupling"], "noise": ["white on a state", "two"], "monitors": ["mixed"]})
    turns = zip(MODELS, MATHS["method"][2:] + MATHS["method"], few, strict=False)
    return [{"cls": cls, "method": method} | case for cls, method, case in turns]


def triton_cases():
    """A covering array of all but models, which come in turn: in the interpreter an operation takes 0.1 ms.

    `make test-all` has every model with every integrator and noise, with which the others come in turn.
    """
    if FULL:
        others = every(REST)
        return [case | others[k % len(others)] for k, case in enumerate(every(MATHS))]
    rest = pairwise({axis: values for axis, values in FUSED.items() if axis != "cls"})
    cases = [rest[k % len(rest)] for k in range(max(len(rest), len(MODELS)))]
    return [{"cls": MODELS[(k + FIRST) % len(MODELS)]} | case for k, case in enumerate(cases)]


def steps_of(backend, cls):
    if backend == "triton":
        return 13 if cls in LARGE else 18  # a segment is 16
    return 30 if cls in LARGE else STEPS


KERNELS = [*MATHS, "dtype"]  # what a kernel depends on
SHIPPED = [[case[axis] for axis in KERNELS] for case in shipped(pairwise(FUSED))]
CASES = [("fused", case) for case in fused_cases()] + [("compile", case) for case in compile_cases()]
CASES += [("triton", case) for case in triton_cases()]


def name(value):
    return "-".join(str(getattr(v, "__name__", v)) for v in value.values()) if isinstance(value, dict) else value


def simulator(backend, cls, method, noise, coupling=None):
    model = node_of(cls, 5, batch=3, noise=noise)
    if coupling:
        weights = 0.1 * torch.arange(25.0).reshape(5, 5).remainder(7)
        model = tm.Network(model, weights, coupling=coupling, k=0.1)
        model.coupling.free("weights", "k")
    method = method if method in cls.methods else None  # a map steps by itself
    device = "cuda" if backend == "triton" and torch.cuda.is_available() else "cpu"
    return tm.Simulator(model.to(device), step_of(cls, 0.05), method, backend)


def results(backend, steps, cls, monitors="all", checkpoint="none", **model):
    """What a run with an input that moves, for every node, and others that stand still gives."""
    inputs = dict.fromkeys(cls.input_declarations, 0.1)
    inputs[next(iter(inputs))] = 0.1 * torch.sin(torch.arange(5.0 * steps)).reshape(steps, 5)
    seen = MONITORS[monitors](next(iter(cls.state_declarations)))
    sim = simulator(backend, cls, **model)
    options = {"transient": 10 * sim.dt, "sample_every": 3, "checkpoint": checkpoint}
    return outcome(sim, steps, inputs=inputs, monitors=seen, **options)


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "case"), CASES, ids=name)
def test_a_backend_equals_eager(backend, case, request):
    torch.compiler.reset()
    if backend == "fused" and [case[axis] for axis in KERNELS] not in SHIPPED:
        request.getfixturevalue("quickly_built")
    dtype = case.get("dtype", torch.float64)
    torch.set_default_dtype(dtype)
    case = {axis: value for axis, value in case.items() if axis != "dtype"}
    plain = case | {"checkpoint": "none"}
    steps = steps_of(backend, case["cls"])
    found, reference = results(backend, steps, **case), results("eager", steps, **plain)
    if dtype == torch.float64:
        return assert_equal(found, reference, EXACT)
    torch.set_default_dtype(torch.float64)
    assert_as_exact(found, reference, results("eager", steps, **plain))


def test_every_backend_is_held_to_eager():
    assert {backend for backend, _ in CASES} == set(BACKENDS) - {"eager"}


def test_every_two_values_meet_in_a_case():
    found = {pair for case in pairwise(FUSED) for pair in combinations(case.items(), 2)}
    wanted = {pair for case in every(FUSED) for pair in combinations(case.items(), 2)}
    assert found == wanted
    assert len(pairwise(FUSED)) == len(MODELS) * len(NOISES)  # the longest axes: there is nothing to spare


def test_every_value_is_in_a_case_whose_kernel_is_compiled_as_users_have_it():
    found = {value for case in shipped(pairwise(FUSED)) for value in case.items()}
    assert found == {value for case in every(FUSED) for value in case.items()}
