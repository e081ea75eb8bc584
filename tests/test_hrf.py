"""Haemodynamic response functions are the published ones, and the signal does not depend on how it is sampled."""

from pathlib import Path

import numpy as np
import pytest
import torch

import torchmass as tm
from torchmass.observe.hrf_kernels import KERNELS

ARRAYS = np.load(Path(__file__).parent / "reference" / "observe.npz")
SECONDS = 1e3 * torch.as_tensor(ARRAYS["hrf.t_s"])
PERTURBED = {  # the values with which the arrays were made; times in ms
    "FirstOrderVolterra": {"tau_s": 1000.0, "tau_f": 500.0, "scaling": 0.4},
    "Gamma": {"tau": 1250.0, "n": 4.0, "a": 0.2},
    "DoubleExponential": {"tau_1": 6000.0, "tau_2": 8000.0, "f_1": 0.04, "f_2": 0.1, "amp_1": 0.12, "amp_2": 0.09},
    "MixtureOfGammas": {"a_1": 5.5, "a_2": 14.0, "l": 1.1e-3, "c": 0.35},
}
PEAK = {"Gamma", "DoubleExponential"}  # normalised there to the height on the grid
kernels = pytest.mark.parametrize("name", KERNELS)


@pytest.mark.parametrize("name", PERTURBED)
@pytest.mark.parametrize("perturbed", [False, True])
def test_kernels_are_those_of_the_reference(name, perturbed):
    expected = torch.as_tensor(ARRAYS[f"hrf.{name}" + "_perturbed" * perturbed])
    own = {"k_1": 1.0, "V_0": 1.0} if name == "FirstOrderVolterra" else {}
    kernel = getattr(tm, f"{name}HRFKernel")(duration=60_000.0, **own, **(PERTURBED[name] if perturbed else {}))
    found = kernel(SECONDS)
    if name in PEAK:
        found, expected = found / found.max(), expected / expected.max()
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


def test_a_gamma_function_has_its_height_where_it_says():
    t = torch.tensor([(4.0 - 1) * 1250.0])
    torch.testing.assert_close(tm.GammaHRFKernel(tau=1250.0, n=4.0, a=0.2)(t), torch.tensor([0.2]))


@pytest.mark.parametrize("name", ["volterra", "spm"])
def test_a_steady_signal_is_the_area_of_the_response(name):
    area = {"volterra": 5.6 * 0.02 / 3 * 0.4, "spm": 1 - 0.167}[name]
    found = tm.HRFBold(name)(torch.ones(3500, 1), dt=10.0)
    torch.testing.assert_close(found[-1, 0], torch.tensor(area), rtol=3e-4, atol=0)


@kernels
def test_rest_is_0(name):
    assert torch.equal(tm.HRFBold(name)(torch.zeros(50, 2), dt=100.0), torch.zeros(50, 2))


@kernels
def test_the_signal_depends_on_its_sampling_to_second_order(name):
    def rows(dt):
        t = (torch.arange(round(30_000 / dt)) + 0.5) * dt
        return tm.HRFBold(name, tr=2000.0)((t < 4000).to(t.dtype).unsqueeze(-1), dt=dt)

    fine = rows(10.0)
    errors = [(rows(dt) - fine).abs().max() for dt in (100.0, 200.0)]
    assert errors[0] < 0.01 * fine.abs().max()
    assert errors[0] < 0.35 * errors[1]


def test_the_signal_is_the_convolution_with_the_response():
    bold, z = tm.HRFBold("gamma"), torch.randn(300, 2)
    response = bold.kernel((torch.arange(200) + 0.5) * 100.0).numpy() * 0.1
    expected = np.stack([np.convolve(z[:, i].numpy(), response)[:300] for i in range(2)], 1)
    np.testing.assert_allclose(bold(z, dt=100.0).numpy(), expected, atol=1e-13)


def test_sampling_every_tr_is_slicing():
    z = torch.randn(300, 2)
    assert torch.equal(tm.HRFBold("spm", tr=700.0)(z, dt=100.0), tm.HRFBold("spm")(z, dt=100.0)[6::7])


@kernels
def test_gradients_of_parameters_and_of_the_signal_are_exact(name):
    bold = tm.HRFBold(name, tr=1000.0)
    names = [n for n in bold.kernel.declarations if bold.kernel.value(n) != 0]
    raw = dict(bold.free(*names).named_parameters())
    z = torch.randn(2, 2, requires_grad=True)

    def rows(z, *values):
        signal = torch.nn.functional.pad(z, (0, 0, 0, 28))
        return torch.func.functional_call(bold, dict(zip(raw, values, strict=True)), (signal,), {"dt": 250.0})

    assert torch.autograd.gradcheck(rows, (z, *raw.values()))


def test_parameters_of_regions_and_of_a_batch_broadcast():
    z = torch.randn(250, 2)
    found = tm.HRFBold("gamma", tau=torch.tensor([[900.0], [1200.0], [1500.0]]), n=torch.tensor([3.0, 4.0]))(
        z, dt=100.0
    )
    assert found.shape == (250, 3, 2)
    one = tm.HRFBold("gamma", tau=1500.0, n=4.0)(z, dt=100.0)
    torch.testing.assert_close(found[:, 2, 1], one[:, 1])


def test_a_kernel_of_ones_own_is_convolved():
    class Box(tm.HRFKernel):
        """One for two seconds."""

        height = tm.Param(1.0, "", "Height.")

        @staticmethod
        def response(t, p):
            return p.height * torch.ones_like(t)

    found = tm.HRFBold(Box(duration=2000.0, height=3.0))(torch.ones(10, 1), dt=1000.0)
    torch.testing.assert_close(found[:, 0], torch.tensor([3.0] + [6.0] * 9))


def test_parameters_are_freed_on_the_observer_and_found_in_a_chain():
    chain = tm.TemporalAverage(10.0).then(tm.HRFBold("gamma")).free("tau")
    assert [name for name, _ in chain.named_parameters()] == ["members.1.kernel.raw.tau"]


def test_a_response_that_does_not_oscillate_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        tm.HRFBold(tau_s=100.0)(torch.zeros(10, 2), dt=100.0)


def test_wrong_arguments_are_refused():
    with pytest.raises(tm.UnknownNameError, match="did you mean 'gamma'"):
        tm.HRFBold("gama")
    with pytest.raises(TypeError, match="not beside it"):
        tm.HRFBold(tm.GammaHRFKernel(), tau=1000.0)
    with pytest.raises(ValueError, match="tr=720"):
        tm.HRFBold(tr=0.72)
    with pytest.raises(ValueError, match="duration must be > 0"):
        tm.GammaHRFKernel(duration=0.0)
    with pytest.raises(ValueError, match="must be a number"):
        tm.HRFBold("gamma", tau=torch.ones(3))(torch.zeros(10, 2), dt=100.0)
