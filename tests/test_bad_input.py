"""Bad input: every error says what, which rule and what now."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass.bounds import Bounds
from torchmass.values import check_value

NAN, INF = float("nan"), float("inf")


def hopf(**values):
    return tm.HopfStep(3, **values)


def simulator(**options):
    return tm.Simulator(hopf(), **({"dt": 0.1} | options))


def run(**options):
    return simulator().run(**({"duration": 1.0} | options))


def network(conn=None, **options):
    return tm.Network(hopf(), torch.ones(3, 3) if conn is None else conn, **options)


WRONG_NAMES = {
    "a parameter": (lambda: hopf(aa=1.0), "HopfStep has no parameter 'aa'; did you mean 'a'.*It has a, w, beta"),
    "a parameter with a near name": (lambda: tm.JansenRitStep(1, AE=1.0), "no parameter 'AE'; did you mean 'Ae'"),
    "a start": (lambda: hopf(init_z=1.0), "no parameter 'init_z'; did you mean 'init_"),
    "a noise": (lambda: hopf(noise_z=tm.WhiteNoise(1.0)), "no state or input for 'noise_z'; did you mean 'noise_"),
    "a value to free": (lambda: hopf().free("b"), "no parameter 'b'"),
    "a value to fix": (lambda: hopf().fix("a"), "no free parameter 'a'"),
    "a value to assign": (lambda: hopf().assign(A=1.0), "no parameter 'A'; did you mean 'a'"),
    "a network value to free": (lambda: network().free("weigths"), "no parameter 'weigths'; did you mean 'weights'"),
    "a state": (lambda: hopf().rhs({"x": 0.1, "z": 0.1}), "no state 'z'.*It has x, y"),
    "a missing state": (lambda: hopf().rhs({"x": 0.1}), "the state given has no value for 'y'"),
    "a state in x0": (lambda: run(x0={"X": 0.1}), "no state 'X'; did you mean 'x'"),
    "an input of a step": (lambda: hopf()(hopf().initial_state(), dt=0.1, x_in=1.0), "did you mean 'x_inp'"),
    "an input of a run": (lambda: run(inputs={"inp": 1.0}), "no input 'inp'.*It has x_inp, y_inp"),
    "a method": (lambda: simulator(method="huen"), "no method 'huen'; did you mean 'heun'.*euler.*dopri5"),
    "a method of a step": (lambda: hopf()(hopf().initial_state(), dt=0.1, method="rk5"), "did you mean 'rk4'"),
    "a backend": (lambda: simulator(backend="eagre"), "no backend 'eagre'; did you mean 'eager'"),
    "a monitor": (lambda: run(monitors=["X"]), "no state to monitor 'X'; did you mean 'x'"),
    "a coupling": (lambda: network(coupling="diffusiv"), "no coupling 'diffusiv'; did you mean 'diffusive'"),
    "a coupling parameter": (lambda: network(G=2.0), "no parameter 'G'"),
    "a coupled variable": (lambda: network(coupled_var="z"), "HopfStep has no state 'z'"),
    "a port": (lambda: network(target="v_inp"), "HopfStep has no input 'v_inp'"),
    "a series of a result": (lambda: run()["X"], "no series 'X'; did you mean 'x'"),
    "a category": (lambda: tm.list_models("physical"), "category must be one of"),
}

WRONG_VALUES = {
    "in_size 0": (lambda: tm.HopfStep(0), "HopfStep.in_size, the number of nodes, must be a whole number ≥ 1, got 0"),
    "in_size that is no number": (lambda: tm.HopfStep((2, 3)), "whole number"),
    "a parameter of a wrong shape": (
        lambda: hopf(a=torch.ones(2)),
        r"HopfStep.a must be a number, \(N,\).*N=3.*\(2,\)",
    ),
    "a start of a wrong shape": (lambda: hopf(init_x=torch.ones(4)), "init_x must be"),
    "a noise of a wrong shape": (lambda: hopf(noise_x=tm.WhiteNoise(torch.ones(2))), "noise_x.sigma must be"),
    "batch axes that do not broadcast": (
        lambda: tm.Simulator(hopf(a=torch.ones(2, 1), w=torch.ones(4, 1)), 0.1).run(1.0),
        r"batch axes.*\(2,\), \(4,\)",
    ),
    "a batch size against a batch of parameters": (
        lambda: tm.Simulator(hopf(a=torch.zeros(2, 1)), 0.1).run(1.0, batch_size=3),
        "batch axes",
    ),
    "a batch size of 0": (lambda: run(batch_size=0), "whole number ≥ 1"),
    "a value out of its bounds": (lambda: hopf(beta=-1.0), "HopfStep.beta must be > 0 1/ms, got -1"),
    "one node out of bounds": (lambda: hopf(beta=[1.0, 1.0, 0.0]), "got 0 at index 2"),
    "a start out of the bounds of its state": (lambda: tm.MontbrioPazoRoxinStep(1, init_r=-1.0), "must be ≥ 0 Hz"),
    "an assigned value out of bounds": (lambda: hopf().assign(beta=-1.0), "must be > 0"),
    "a free value assigned out of its bounds": (
        lambda: hopf(a=0.1).free(a=(0.0, 1.0)).assign(a=2.0),
        r"is free and must be in \[0, 1\], got 2",
    ),
    "a negative sigma": (lambda: tm.WhiteNoise(-0.1), "WhiteNoise.sigma must be ≥ 0"),
    "a NaN parameter": (lambda: hopf(a=NAN), "HopfStep.a must be finite, got nan"),
    "an infinite parameter": (lambda: hopf(w=[0.1, INF, 0.1]), "must be finite, got inf at index 1"),
    "a NaN weight": (lambda: network(torch.full((3, 3), NAN)), "weights must be finite.*index \\(0, 0\\)"),
    "weights of a wrong shape": (lambda: network(torch.ones(3, 2)), r"\[to, from\] and N=3, got shape \(3, 2\)"),
    "weights that are not square": (lambda: tm.AdditiveCoupling(torch.ones(3, 2)), "must be square"),
    "a coupling of another size": (
        lambda: tm.Network(hopf(), coupling=tm.AdditiveCoupling(torch.ones(2, 2))),
        r"weights of the coupling must be .* N=3, got those of 2 nodes",
    ),
    "a NaN input": (lambda: run(inputs=torch.full((10,), NAN)), "input x_inp must be finite, got nan at index"),
    "a NaN from a callable": (lambda: run(inputs=lambda i, t: NAN if i == 3 else 0.0), "must be finite"),
    "inputs of a wrong length": (lambda: run(inputs=torch.ones(9)), "has 9 rows, the run 10 steps"),
    "inputs of a wrong width": (lambda: run(inputs=torch.ones(10, 2)), "input x_inp must be a number"),
    "a tuple of too many inputs": (lambda: run(inputs=lambda i, t: (1.0, 2.0, 3.0)), "at most 2 values"),
    "dt of 0": (lambda: simulator(dt=0.0), "dt must be > 0 ms"),
    "a negative dt": (lambda: simulator(dt=-0.1), "dt must be > 0 ms"),
    "a NaN dt": (lambda: simulator(dt=NAN), "dt must be > 0 ms"),
    "a step with dt of 0": (lambda: hopf()(hopf().initial_state(), dt=0.0), "dt must be > 0 ms"),
    "a duration that is no multiple": (
        lambda: run(duration=1.05),
        "duration=1.05 ms is no multiple of dt=0.1 ms; the nearest are 1 and 1.1",
    ),
    "a transient that is no multiple": (lambda: run(transient=0.25), "transient=0.25 ms is no multiple"),
    "a negative duration": (lambda: run(duration=-1.0), "duration must be ≥ 0 ms"),
    "a duration of 0": (lambda: run(duration=0.0), "must be longer than its transient"),
    "a transient longer than the run": (lambda: run(transient=2.0), "must be longer than its transient"),
    "a sampling of 0": (lambda: run(sample_every=0), "sample_every, in steps, must be a whole number ≥ 1, got 0"),
    "a sampling that is no integer": (lambda: run(sample_every=1.5), "must be a whole number"),
    "a negative seed": (lambda: run(seed=-1), "seed must be a whole number ≥ 0"),
    "a seed out of range": (lambda: run(seed=2**64), "seed must be below"),
    "a seed that is no integer": (lambda: run(seed=1.5), "seed must be a whole number"),
    "a negative first simulation": (lambda: run(first_simulation=-1), "first_simulation must be a whole number ≥ 0"),
    "a first simulation out of range": (lambda: run(first_simulation=2**32), "first_simulation must be below"),
    "a NaN start": (lambda: run(x0={"x": NAN}), r"x0\['x'\] must be finite, got nan"),
    "a start beyond the bounds of a state": (
        lambda: tm.Simulator(tm.MontbrioPazoRoxinStep(1), 0.1).run(1.0, x0={"r": -1.0}),
        r"x0\['r'\] must be ≥ 0 Hz",
    ),
    "a seed beside a state to continue": (
        lambda: (lambda sim: sim.run(1.0, x0=sim.run(1.0, seed=1).state, seed=2))(
            tm.Simulator(hopf(noise_x=tm.WhiteNoise(0.1)), 0.1)
        ),
        "brings its seed",
    ),
    "another dt for a state to continue": (
        lambda: simulator(dt=0.2).run(1.0, x0=run().state),
        r"reached with dt=0.1 ms, this run has 0.2; pass dict\(x0\)",
    ),
    "a mixed dtype": (
        lambda: hopf(a=torch.ones(3, dtype=torch.float32)),
        "a is torch.float32, the model torch.float64",
    ),
    "a mixed device": (lambda: hopf(a=torch.ones(3, device="meta")), "a is on meta, the model on cpu"),
    "weights of a mixed dtype": (lambda: network(torch.ones(3, 3, dtype=torch.float32)), "conn is torch.float32"),
    "noise of a mixed dtype": (lambda: hopf(noise_x=tm.WhiteNoise(0.1).float()), "torch.float32, the model"),
    "inputs of a mixed dtype": (lambda: run(inputs=torch.ones(10, dtype=torch.float32)), "x_inp is torch.float32"),
    "a start of a mixed dtype": (lambda: run(x0={"x": torch.ones(3, dtype=torch.float32)}), "x is torch.float32"),
    "a value freed on its bound": (
        lambda: tm.WilsonCowanStep(1, r=0.0).free("r"),
        r"WilsonCowanStep.r must lie strictly inside its bounds to be freed \(≥ 0\), got 0",
    ),
    "a value freed outside the bounds asked for": (lambda: hopf(a=0.1).free(a=(0.2, 0.4)), "strictly inside"),
    "bounds wider than the declared ones": (lambda: hopf().free(beta=(-1.0, 2.0)), "cannot be freed to be"),
    "bounds the wrong way round": (lambda: hopf().free(a=(1.0, -1.0)), "low < high"),
    "a value freed twice": (lambda: hopf().free("a").free("a"), "already free.*fix"),
    "a drawn start freed": (
        lambda: hopf(init_x=torch.distributions.Uniform(0.0, 1.0)).free("init_x"),
        "is a distribution",
    ),
    "a start without an icdf": (
        lambda: tm.Simulator(hopf(init_x=torch.distributions.Poisson(1.0)), 0.1).run(1.0, seed=1),
        "no icdf",
    ),
    "a drawn start without a seed": (
        lambda: hopf(init_x=torch.distributions.Uniform(0.0, 1.0)).initial_state(),
        "give a seed",
    ),
    "a noisy step without a seed": (
        lambda: (lambda node: node(node.initial_state(), dt=0.1))(hopf(noise_x=tm.WhiteNoise(0.1))),
        "give seed= and step_index=",
    ),
    "an adaptive option of a fixed method": (lambda: simulator(adjoint=True), "adaptive methods such as 'dopri5'"),
    "an adaptive method compiled": (lambda: simulator(method="dopri5", backend="compile"), "runs in torchdiffeq"),
    "an adaptive method fused": (lambda: simulator(method="dopri5", backend="fused"), "'fused' is for fixed steps"),
    "a fused network with its gradient forward": (
        lambda: tm.Simulator(network(), 0.1, backend="fused").run(1.0, gradient="forward"),
        "cannot be fused: its nodes are coupled.*Use backend='eager'",
    ),
    "check_dt of an adaptive method": (lambda: simulator(method="dopri5").check_dt(1.0), "tighten rtol"),
    "a monitor called ts": (lambda: run(monitors={"ts": "x"}), "'ts' is the name of the times"),
}

WRONG_TYPES = {
    "a parameter that is no number": (lambda: hopf(a="large"), "HopfStep.a must be a number, an array or a tensor"),
    "weights with a row too short": (lambda: tm.Network(hopf(), [[0.0, 1.0], [1.0]]), "got list: expected sequence of"),
    "a distribution for a parameter": (lambda: hopf(a=torch.distributions.Uniform(0, 1)), "got Uniform"),
    "a noise that is a number": (lambda: hopf(noise_x=0.1), "noise_x must be a WhiteNoise, got float"),
    "a monitor that is a bare string": (lambda: run(monitors="x"), r"monitors=\['x'\]"),
    "a monitor that returns a number": (lambda: run(monitors=lambda s: 1.0), "must return a tensor, got float"),
    "a simulator of something else": (lambda: tm.Simulator(torch.nn.Linear(1, 1), 0.1), "got Linear"),
    "a network of something else": (lambda: tm.Network(torch.nn.Linear(1, 1), torch.ones(1, 1)), "got Linear"),
    "a network without weights": (lambda: tm.Network(hopf()), "needs conn="),
    "weights beside a coupling instance": (
        lambda: tm.Network(hopf(), torch.ones(3, 3), coupling=tm.AdditiveCoupling(torch.ones(3, 3))),
        "holds its own weights",
    ),
}


@pytest.mark.parametrize("case", WRONG_NAMES)
def test_a_wrong_name_is_answered_with_the_right_ones(case):
    wrong, message = WRONG_NAMES[case]
    with pytest.raises((TypeError, ValueError), match=message):
        wrong()


@pytest.mark.parametrize("case", WRONG_VALUES)
def test_a_wrong_value_is_refused(case):
    wrong, message = WRONG_VALUES[case]
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.parametrize("case", WRONG_TYPES)
def test_a_wrong_type_is_refused(case):
    wrong, message = WRONG_TYPES[case]
    with pytest.raises(TypeError, match=message):
        wrong()


def test_an_unknown_name_is_both_a_type_and_a_value_error():
    assert issubclass(tm.UnknownNameError, TypeError)
    assert issubclass(tm.UnknownNameError, ValueError)


@pytest.mark.parametrize("name", ["type", "forward", "free", "dt", "state", "noise"])
def test_a_declaration_may_not_take_a_name_of_torch_or_torchmass(name):
    with pytest.raises(TypeError, match=f"cannot declare '{name}'"):
        type("Bad", (tm.NeuralMass,), {name: tm.Param(1.0, "", "Taken.")})


def test_a_unit_comes_from_the_closed_list():
    with pytest.raises(ValueError, match="unknown unit 'furlong'"):
        tm.Param(1.0, "furlong", "Length.")


def test_arrays_and_lists_take_the_dtype_of_the_model():
    node = hopf(a=np.array([0.1, 0.2, 0.3], dtype=np.float32), w=[1, 2, 3], beta=torch.tensor([1, 2, 3]))
    assert node.a.dtype == node.w.dtype == node.beta.dtype == torch.float64


def test_bounds_that_are_no_number_of_the_precision_are_rounded_to_it():
    """0.1 in single precision is larger than 0.1, and the bound itself."""
    given, at = torch.tensor([0.1, 0.2], dtype=torch.float32), tm.Param(0.15, "", "Share.", bounds=Bounds(0.1, 0.2))
    check_value("a", given, at, None)
    with pytest.raises(ValueError, match=r"a must be in \(0.1, 0.9\), got 0.1 at index 0"):
        check_value("a", given, replace(at, bounds=Bounds(0.1, 0.9, strict=True)), None)


def test_a_tensor_given_stays_the_users():
    given = torch.full((3,), 0.1)
    node = hopf(a=given)
    given += 1
    assert torch.equal(node.a, torch.full((3,), 0.1))


def test_a_missing_solver_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "torchdiffeq", None)
    with pytest.raises(ImportError, match=r"pip install 'torchmass\[adaptive\]'"):
        simulator(method="dopri5").run(1.0)
