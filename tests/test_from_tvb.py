"""A simulator of The Virtual Brain makes the same steps as one of ours; what cannot be translated says so."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tvb_cases import (
    CASES,
    EVERY,
    LABELS,
    LAGS,
    RECORDED,
    SPEED,
    STEPS,
    WEIGHTS,
    named,
    parts,
    real,
    recorded,
    standin,
)

import torchmass as tm
from torchmass.tvb.models import MODELS

ALL = pytest.mark.parametrize("name", CASES)


def relative_difference(sim: tm.Simulator, name: str, theirs: np.ndarray) -> float:
    """The largest difference of any state from (T, S, N) of The Virtual Brain, relative to its range there."""
    found, differences = sim.run(STEPS * sim.dt, transient=(EVERY - 1) * sim.dt, sample_every=EVERY), []
    for place, (state, unit) in enumerate(MODELS[parts(name)[0]].states.items()):
        expected = torch.from_numpy(theirs[:, place] * unit)
        differences.append((found[state] - expected).abs().max() / (expected.max() - expected.min()).clamp(min=1e-9))
    return float(max(differences))


@ALL
def test_a_run_is_what_the_virtual_brain_went_through(name):
    with np.load(RECORDED) as arrays:
        theirs = arrays[f"{name}.states"]
    assert relative_difference(tm.from_tvb(standin(name)), name, theirs) < 2e-6  # theirs sends in float32


@ALL
@pytest.mark.filterwarnings("ignore")  # theirs, of a module for surfaces and of overflows
def test_the_installed_virtual_brain_goes_there_too(name):
    pytest.importorskip("tvb.simulator.simulator")
    simulator = real(name)
    ours = tm.from_tvb(simulator)
    assert relative_difference(ours, name, recorded(simulator)) < 2e-6


def test_every_model_and_coupling_was_recorded():
    from torchmass.tvb.couplings import COUPLINGS
    from torchmass.tvb.integration import METHODS

    assert {case[0] for case in CASES.values()} == set(MODELS)
    assert {case[2] for case in CASES.values()} == set(COUPLINGS)
    assert {parts(name)[4] for name in CASES} == {method for method in METHODS if "Deterministic" in method}


def test_the_package_is_not_needed():
    script = "import sys; sys.modules['tvb'] = None; import tvb_cases, torchmass as tm; "
    script += "tm.from_tvb(tvb_cases.standin('g2d')).run(5.0)"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True, cwd=Path(__file__).parent)


# what is kept


def test_weights_lengths_speed_labels_and_step_are_kept():
    sim = tm.from_tvb(standin("g2d"))
    coupling = sim.model.coupling
    assert (sim.dt, sim.method, sim.model.labels) == (0.5, "heun", tuple(LABELS))
    torch.testing.assert_close(coupling.weights, torch.from_numpy(WEIGHTS))
    assert float(coupling.speed) == SPEED
    between = LAGS % 1 != 0.5
    torch.testing.assert_close(coupling.distance[between], torch.from_numpy(LAGS * 0.5 * SPEED)[between])


def test_a_delay_between_two_steps_is_the_even_one():
    sim = tm.from_tvb(standin("g2d"))
    link = sim.model.dynamics().links[0]
    assert link.lags(sim.dt).tolist() == [[0, 2, 4], [1, 0, 0], [7, 4, 0]]


def test_delays_are_the_same_in_float32():
    torch.set_default_dtype(torch.float32)
    sim = tm.from_tvb(standin("g2d"))
    assert sim.model.like.dtype == torch.float32
    assert sim.model.dynamics().links[0].lags(sim.dt).tolist() == [[0, 2, 4], [1, 0, 0], [7, 4, 0]]
    with np.load(RECORDED) as arrays:
        theirs = arrays["g2d.states"].astype(np.float32)
    assert relative_difference(sim, "g2d", theirs) < 1e-3


def test_a_speed_of_each_connection_makes_delays():
    simulator = standin("g2d")
    simulator.connectivity.speed = np.full((3, 3), SPEED)
    coupling = tm.from_tvb(simulator).model.coupling
    assert coupling.delays.tolist() == [[0, 1, 2], [0.5, 0, 0], [3.5, 2, 0]]


def test_without_delays_there_is_neither_distance_nor_past():
    simulator = standin("g2d")
    simulator.connectivity.idelays = np.zeros((3, 3), int)
    sim = tm.from_tvb(simulator)
    assert sim.model.coupling.lags() is None
    assert not any(name.startswith("history") for name in sim._buffers)


def test_the_past_is_read_from_where_the_ring_stands():
    simulator, buffer = standin("g2d"), np.arange(8.0).reshape(8, 1, 1, 1) * np.ones((8, 1, 3, 1))
    simulator.history.buffer, simulator.current_step = buffer, 10
    history = tm.from_tvb(simulator).history_V
    assert history[:, 0].tolist() == [3, 3, 4, 5, 6, 7, 0, 1]  # 10 % 8 is now, and not the past


def test_a_past_that_never_changed_needs_no_history():
    simulator = standin("g2d")
    simulator.history.buffer = np.ones_like(simulator.history.buffer)
    assert "history_V" not in dict(tm.from_tvb(simulator).named_buffers())


def test_a_history_that_a_run_gives_goes_before_that_of_the_simulator():
    sim = tm.from_tvb(standin("g2d"))
    r = sim.run(20.0)
    halves = [sim.run(10.0), sim.run(10.0, x0=sim.run(10.0).state)]
    torch.testing.assert_close(torch.cat([half["V"] for half in halves]), r["V"], rtol=0, atol=0)
    assert not torch.equal(sim.run(10.0, x0={"history_V": torch.zeros(8, 3)})["V"], halves[0]["V"])


def test_a_simulator_takes_a_history_of_a_state_alone():
    net = tm.Network(tm.HopfStep(2), [[0.0, 1.0], [0.5, 0.0]], delays=1.0)
    held = tm.Simulator(net, dt=0.5, history={"history_x": torch.ones(3, 2)}).run(5.0)
    given = tm.Simulator(net, dt=0.5).run(5.0, x0={"history_x": torch.ones(3, 2)})
    torch.testing.assert_close(held["x"], given["x"], rtol=0, atol=0)
    with pytest.raises(ValueError, match=r"history= has no source 'x'. It has history_x, history_y"):
        tm.Simulator(net, dt=0.5, history={"x": torch.ones(3, 2)})


def test_values_of_each_region_stay_so_and_units_become_ours():
    node = tm.from_tvb(standin("jansen_rit")).model.node
    assert node.mu.tolist() == [150.0, 220.0, 300.0]
    assert (float(node.be), float(node.s_max)) == (100.0, pytest.approx(6.0))
    rates = tm.from_tvb(standin("rww")).model.node
    assert (float(rates.a), float(rates.b), float(rates.d)) == (270.0, 108.0, 0.154)


def test_a_state_whose_gain_is_0_is_not_sent():
    assert list(tm.from_tvb(standin("montbrio")).model.couplings) == ["r", "v"]
    assert tm.from_tvb(standin("montbrio_tanh")).model.coupling.source == "v"
    silent = standin("montbrio")
    silent.model.cr = silent.model.cv = np.array([0.0])
    assert float(tm.from_tvb(silent).model.coupling.k) == 0


# noise


def stochastic(name: str, nsig, ntau: float = 0.0, kind: str = "Additive"):
    simulator = standin(name)
    old = vars(simulator.integrator)
    simulator.integrator = named("HeunStochastic", noise=named(kind, nsig=np.array(nsig), ntau=ntau), **old)
    return simulator


def test_sigma_is_the_root_of_twice_nsig_in_our_unit():
    noise = tm.from_tvb(stochastic("jansen_rit", np.full((6, 1, 1), 2e-6))).model.node.noise
    assert [float(noise[state].sigma) for state in ("M", "Ev")] == pytest.approx([2e-3, 2.0])


def test_noise_of_each_region_and_on_some_states_stays_so():
    nsig = np.zeros((2, 3, 1))
    nsig[1, :, 0] = [0.5, 2.0, 0.0]
    noise = tm.from_tvb(stochastic("g2d", nsig)).model.node.noise
    assert list(noise) == ["W"]
    assert noise["W"].sigma.tolist() == [1.0, 2.0, 0.0]


def test_the_spread_is_that_of_the_virtual_brain():
    simulator = stochastic("linear", [0.02])
    simulator.coupling.a = np.array([0.0])
    sim = tm.from_tvb(simulator)
    x = sim.run(4000.0, transient=100.0, seed=1)["x"]
    assert float(x.var()) == pytest.approx(0.02 / 0.3, rel=0.05)  # D/γ


def test_coloured_noise_is_a_process_of_the_same_deviation():
    process = tm.from_tvb(stochastic("g2d", [0.02], ntau=5.0)).model.node.noise["V"]
    assert isinstance(process, tm.OUProcess)
    assert (float(process.sigma), float(process.tau)) == (pytest.approx((2 * 0.02 / 5) ** 0.5), 5.0)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("ntau", "rel"), [(0.0, 0.06), (4.0, 0.1)])
def test_the_installed_virtual_brain_has_that_spread(ntau, rel):
    pytest.importorskip("tvb.simulator.simulator")
    from tvb.simulator import integrators, noise

    simulator = real("linear")
    random = noise.Additive(nsig=np.array([0.02]), ntau=ntau)
    simulator.integrator = integrators.HeunStochastic(dt=0.2, noise=random)
    simulator.coupling.a = np.array([0.0])
    ours = tm.from_tvb(simulator.configure()).run(8000.0, transient=100.0, seed=1)["x"]
    ((_, theirs),) = simulator.run(n_steps=np.int64(40_000))
    assert float(ours.var()) == pytest.approx(theirs[500:].var(), rel=rel)


# what is refused


def changed(name: str, **attributes):
    """A stand-in with other attributes, `model__a=…` for that of a part."""
    simulator = standin(name)
    for path, value in attributes.items():
        *owners, attribute = path.split("__")
        owner = simulator
        for part in owners:
            owner = getattr(owner, part)
        setattr(owner, attribute, value)
    return simulator


def kinds(simulator, **attributes):
    """A stand-in for a simulator whose `model`, `coupling` or `integrator` is of another class."""
    for part, kind in attributes.items():
        setattr(simulator, part, named(kind, **vars(getattr(simulator, part))))
    return simulator


ONE, TWO = np.array([1.0]), np.array([2.0])
REFUSED = {
    "another model": (lambda: kinds(standin("g2d"), model="Generic2DOscillator"), "did you mean 'Generic2dOscillator'"),
    "Epileptor2D": (lambda: kinds(standin("epileptor"), model="Epileptor2D"), "where x1 ≥ 0"),
    "second order": (lambda: kinds(standin("zerlaut"), model="ZerlautAdaptationSecondOrder"), "divides the deriv"),
    "another coupling": (lambda: kinds(standin("g2d"), coupling="Mine"), "no coupling of The Virtual Brain's 'Mine'"),
    "PreSigmoidal": (lambda: kinds(standin("g2d"), coupling="PreSigmoidal"), "TVBPreSigmoidalCoupling"),
    "sigmoid of two": (
        lambda: kinds(standin("montbrio"), coupling="SigmoidalJansenRit"),
        "the output of JansenRit alone",
    ),
    "sine of a rate": (lambda: kinds(standin("montbrio"), coupling="Kuramoto"), "the sine of a rate"),
    "another scheme": (lambda: kinds(standin("g2d"), integrator="Dopri5"), "no integrator of The Virtual Brain's"),
    "multiplicative": (lambda: stochastic("g2d", [0.1], kind="Multiplicative"), "evaluates its g"),
    "surface": (lambda: changed("g2d", surface=named("Cortex")), "simulate the regions"),
    "stimulus": (lambda: changed("g2d", stimulus=named("StimuliRegion")), "give a run inputs="),
    "monitors": (lambda: changed("g2d", monitors=(named("Raw"), named("Bold"))), r"Bold: .*sample_every="),
    "unconfigured": (lambda: changed("g2d", history=None), r"call its configure\(\)"),
    "coupled states": (lambda: changed("g2d", model__cvar=np.array([0, 1])), "this one V, W"),
    "a clamp": (lambda: changed("g2d", integrator__clamped_state_variable_values=ONE), "clamped states"),
    "a bound": (
        lambda: changed(
            "g2d",
            integrator__state_variable_boundaries=np.array([[-1.0, sys.float_info.max]]),
            integrator__bounded_state_variable_indices=np.array([0]),
        ),
        r"keeps V within \[-inf, inf\], this model within \[-1, inf\]",
    ),
    "no bound": (lambda: changed("rww", integrator__state_variable_boundaries=None), r"keeps S within \[0, 1\]"),
    "regions": (lambda: changed("g2d", model__a=np.ones(2)), "Generic2dOscillator.a must hold one number"),
    "coupling of regions": (lambda: changed("g2d", coupling__a=np.ones(3)), "Linear.a must hold one number"),
    "no shift": (lambda: changed("wilson_cowan", model__shift_sigmoid=np.array([False])), "shift_sigmoid is True"),
    "an amplitude": (lambda: changed("wilson_cowan", model__c_e=TWO), "c_e k_e and c_i k_i are 1"),
    "refractory": (lambda: changed("wilson_cowan", model__r_i=TWO), "r_e/k_e and r_i/k_i are the same"),
    "alpha": (lambda: changed("wilson_cowan", model__alpha_i=-ONE), "alpha_e and alpha_i are > 0"),
    "inhibition": (lambda: changed("zerlaut", model__external_input_in_in=ONE, model__K_ext_i=ONE), "times K_ext_i"),
    "below 0": (lambda: changed("zerlaut", model__external_input_ex_ex=-ONE), "external inputs are ≥ 0"),
    "negative": (lambda: changed("zerlaut", coupling__a=-ONE), "all weights are ≥ 0"),
    "idle": (lambda: changed("zerlaut", current_state=np.ones((5, 3, 1))), "ou_drift must rest at 0"),
    "idle noise": (lambda: stochastic("zerlaut", [0.1]), "noise on ou_drift"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_not_translated_is_refused_with_what_to_do(what):
    build, message = REFUSED[what]
    with pytest.raises(ValueError, match=message):
        tm.from_tvb(build())


@pytest.mark.parametrize("thing", ["connectivity_76.zip", tm.Simulator(tm.HopfStep(1), dt=0.1)])
def test_what_is_no_simulator_of_the_virtual_brain_is_refused(thing):
    with pytest.raises(TypeError, match="from_tvb needs a configured Simulator of The Virtual Brain"):
        tm.from_tvb(thing)


def test_a_class_without_a_parameter_is_refused():
    simulator = standin("g2d")
    del simulator.model.gamma
    with pytest.raises(TypeError, match="this Generic2dOscillator has no 'gamma'"):
        tm.from_tvb(simulator)
