"""The BOLD signal is the published one: its equations, its rest, its steady states, its shape and its gradients."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

import torchmass as tm
from torchmass.kernels.choice import Choice
from torchmass.observe import bold as module

ARRAYS = np.load(Path(__file__).parent / "reference" / "observe.npz")
PARAMETERS = ("kappa", "gamma", "tau", "alpha", "rho", "V0")


def states(*values):
    return tm.BOLDSignal.States(*values)


def block(seconds: float, onset: float, length: float, dt: float, *amplitudes: float) -> torch.Tensor:
    """Stimulation by 1 or by `amplitudes` from `onset` s for `length` s."""
    t = torch.arange(round(seconds * 1000 / dt)) * dt / 1000
    return ((t >= onset) & (t < onset + length)).to(torch.float64).unsqueeze(-1) * torch.tensor(amplitudes or (1.0,))


def test_the_equations_are_those_of_the_reference():
    s, z = states(*torch.as_tensor(ARRAYS["bold.rhs_state"]).T), torch.as_tensor(ARRAYS["bold.rhs_z"])
    found = torch.stack(tm.BOLDSignal.derivative(s, tm.BOLDSignal.Inputs(z), tm.BOLDSignal().values()), -1)
    torch.testing.assert_close(found * 1e3, torch.as_tensor(ARRAYS["bold.rhs"]), rtol=1e-12, atol=1e-12)


def test_the_readout_is_that_of_the_reference_with_the_volume_in_place_of_the_extraction():
    s = states(*torch.as_tensor(ARRAYS["bold.rhs_state"]).T)
    found = module.READOUTS["friston2003"].signal(s, tm.BOLDSignal().values())
    torch.testing.assert_close(found, torch.as_tensor(ARRAYS["bold.rhs_bold_corrected"]), rtol=1e-12, atol=1e-14)


def test_a_trajectory_is_scipys():
    def field(t, x):
        s, f, v, q = x
        ds = (0.7 if 1 <= t < 3 else 0.0) - 0.65 * s - 0.41 * (f - 1)
        dq = (f * (1 - 0.66 ** (1 / f)) / 0.34 - v ** (1 / 0.32) * q / v) / 0.98
        return [ds, s, (f - v ** (1 / 0.32)) / 0.98, dq]

    t = np.arange(1, 11)
    _, _, v, q = solve_ivp(field, (0, 10), [0, 1, 1, 1], t_eval=t, rtol=1e-9, atol=1e-11, max_step=0.01).y
    expected = 0.02 * (7 * 0.34 * (1 - q) + 2 * (1 - q / v) + (2 * 0.34 - 0.2) * (1 - v))
    found = tm.BOLDSignal()(0.7 * block(10, 1, 2, 5.0), dt=5.0)[199::200, 0]
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-5 * 0.03)


@pytest.mark.parametrize("readout", module.READOUTS)
def test_rest_is_0(readout):
    assert tm.BOLDSignal(readout=readout)(torch.zeros(500, 2), dt=10.0).abs().max() < 1e-15  # 1 − (1 − ρ) is rounded


@pytest.mark.parametrize("z", [-0.1, 0.2, 1.0])
@pytest.mark.parametrize("readout", module.READOUTS)
def test_steady_states_are_those_of_the_equations(z, readout):
    bold = tm.BOLDSignal(readout=readout)
    carry, rows = bold.feed(None, torch.full((6000, 1), z), dt=20.0)
    f = torch.tensor([1 + z / 0.41])
    v, q = f**0.32, f**0.32 * (1 - 0.66 ** (1 / f)) / 0.34
    torch.testing.assert_close(torch.cat(carry[:4]), torch.cat([torch.zeros(1), f, v, q]), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(rows[-1], module.READOUTS[readout].signal(states(0, f, v, q), bold.values()))


def test_the_response_to_a_second_of_stimulation_peaks_after_some_seconds_and_undershoots():
    y = tm.BOLDSignal()(block(40, 2, 1, 10.0), dt=10.0)[:, 0]
    peak = (int(y.argmax()) + 1) * 0.01 - 2
    assert 3 < peak < 6  # 3.4 s with the values of 2003
    assert 0.005 < y.max() < 0.05  # a fraction: some per cent
    after = y[round((2 + peak) * 100) :]
    assert after.min() < -0.05 * y.max()
    assert after[-1].abs() < 0.02 * y.max()


def test_the_revised_readout_has_the_published_coefficients():
    bold = tm.BOLDSignal(readout="stephan2007", epsilon=0.5)
    s = states(0.0, 1.0, torch.tensor([1.0, 2.0]), torch.tensor([0.5, 1.0]))
    k1, k2, k3 = 4.3 * 40.3 * 0.34 * 0.04, 0.5 * 25 * 0.34 * 0.04, 0.5
    expected = 0.02 * torch.tensor([0.5 * k1 + 0.5 * k2, 0.5 * k2 - k3])
    torch.testing.assert_close(module.READOUTS["stephan2007"].signal(s, bold.values()), expected)


def test_the_step_matters_to_second_order():
    fine = tm.BOLDSignal()(block(30, 2, 5, 1.0), dt=1.0)
    errors = [(tm.BOLDSignal()(block(30, 2, 5, dt), dt=dt) - fine[dt - 1 :: dt]).abs().max() for dt in (50, 100)]
    assert 3.5 < errors[1] / errors[0] < 4.5
    assert errors[1] < 0.005 * fine.max()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_fused_loop_is_the_eager_one(dtype, monkeypatch):
    def found():
        bold = tm.BOLDSignal(tr=100.0).to(dtype).free(*PARAMETERS)
        z = block(4, 0.5, 1, 10.0, 0.3, 1.0).to(dtype).requires_grad_()
        rows = bold(z, dt=10.0)
        weights = torch.linspace(-1, 2, rows.numel(), dtype=dtype).reshape(rows.shape)
        return rows, *torch.autograd.grad((rows * weights).sum(), [z, *bold.parameters()])

    fused = found()
    monkeypatch.setattr(module, "choose", lambda plan, asked: Choice("eager", "the reference"))
    for a, b in zip(fused, found(), strict=True):
        tolerance = 2e-5 if dtype == torch.float32 else 1e-12
        assert (a - b).abs().max() <= tolerance * b.abs().max()


@pytest.mark.parametrize("readout", ["friston2003", "stephan2007"])
def test_gradients_of_parameters_are_exact(readout):
    names = [*PARAMETERS, *sorted(module.READOUTS[readout].own)]
    bold = tm.BOLDSignal(tr=500.0, readout=readout, rho=torch.tensor([0.3, 0.4])).free(*names)
    z = block(3, 0.2, 1, 10.0, 0.5, 1.0)
    raw = dict(bold.named_parameters())

    def rows(*values):
        return torch.func.functional_call(bold, dict(zip(raw, values, strict=True)), (z,), {"dt": 10.0})

    assert torch.autograd.gradcheck(rows, tuple(raw.values()))


def test_sampling_every_tr_is_slicing():
    z = block(5, 1, 1, 2.0, 0.3, 1.0)
    assert torch.equal(tm.BOLDSignal(tr=500.0)(z, dt=2.0), tm.BOLDSignal()(z, dt=2.0)[249::250])


def test_a_recording_shorter_than_tr_has_no_rows():
    assert tm.BOLDSignal(tr=500.0)(torch.ones(40, 3), dt=10.0).shape == (0, 3)


def test_parameters_of_regions_and_of_a_batch_broadcast():
    z = block(2, 0, 1, 10.0, 0.5, 1.0)
    kappa = torch.tensor([[0.5e-3], [0.8e-3]])
    found = tm.BOLDSignal(kappa=kappa, tau=torch.tensor([800.0, 1200.0]))(z, dt=10.0)
    assert found.shape == (200, 2, 2)
    one = tm.BOLDSignal(kappa=0.8e-3, tau=1200.0)(z, dt=10.0)
    torch.testing.assert_close(found[:, 1, 1], one[:, 1], rtol=1e-12, atol=1e-14)


def test_vmap_is_a_batch():
    z = torch.rand(4, 300, 2)
    bold = tm.BOLDSignal(tr=1000.0)
    found = torch.func.vmap(lambda z: bold(z, dt=10.0))(z)
    torch.testing.assert_close(found, bold(z.movedim(0, 1), dt=10.0).movedim(1, 0), rtol=1e-12, atol=1e-14)


def test_strong_inhibition_does_not_turn_the_flow():
    z = torch.full((500, 1), -3.0, requires_grad=True)
    rows = tm.BOLDSignal()(z, dt=10.0)
    (gradient,) = torch.autograd.grad(rows.sum(), z)
    assert rows.isfinite().all()
    assert gradient.isfinite().all()


def test_a_signal_that_makes_the_flow_diverge_is_refused():
    with pytest.raises(tm.NonFiniteError, match="dt=500 ms"):
        tm.BOLDSignal()(torch.ones(100, 1), dt=500.0)


@pytest.mark.parametrize("tr", [0.72, 2.0, 99.9])
def test_a_tr_that_was_meant_in_seconds_is_refused(tr):
    with pytest.raises(ValueError, match=f"tr={1000 * tr:g}"):
        tm.BOLDSignal(tr=tr)


@pytest.mark.parametrize("tr", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("cls", [tm.BOLDSignal, tm.HRFBold])
def test_a_tr_that_is_no_time_is_refused_without_advice(cls, tr):
    with pytest.raises(ValueError, match=rf"finite, got {tr}\.$"):
        cls(tr=tr)


def test_a_tr_that_is_no_multiple_of_dt_is_refused():
    with pytest.raises(ValueError, match="no multiple of dt"):
        tm.BOLDSignal(tr=105.0)(torch.zeros(10, 1), dt=10.0)


def test_a_readout_that_does_not_exist_is_refused():
    with pytest.raises(tm.UnknownNameError, match="did you mean 'stephan2007'"):
        tm.BOLDSignal(readout="stephan")


def test_parameters_that_the_readout_does_not_have_are_refused():
    with pytest.raises(ValueError, match="epsilon is a parameter of the readout 'stephan2007'"):
        tm.BOLDSignal(epsilon=0.5)
    with pytest.raises(ValueError, match="TE is a parameter of the readout"):
        tm.BOLDSignal().free("TE")
    with pytest.raises(ValueError, match="r0 is a parameter of the readout"):
        tm.BOLDSignal().r0 = 100.0
    tm.BOLDSignal(readout="stephan2007", epsilon=0.5).free("TE")


def test_a_signal_that_does_not_fit_the_parameters_is_refused():
    with pytest.raises(ValueError, match=r"BOLDSignal.tau must be a number"):
        tm.BOLDSignal(tau=torch.ones(3))(torch.zeros(10, 2), dt=10.0)
    with pytest.raises(ValueError, match="convert one with"):
        tm.BOLDSignal()(torch.zeros(10, 2, dtype=torch.float32), dt=10.0)


def test_the_parameters_are_documented_and_shown():
    assert "\n\nParameters::\n\n    kappa " in tm.BOLDSignal.__doc__
    assert repr(tm.BOLDSignal(tr=720.0, rho=0.4)) == "BOLDSignal(tr=720, readout='friston2003', rho=0.4)"
