"""The linear theory of noisy networks: Jacobians, covariances and spectra, in closed form and as runs have them."""

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import torch

import torchmass as tm
from torchmass.couplings import COUPLINGS
from torchmass.linear import fixed_point, linearise

W = torch.tensor([[0.0, 0.8, 0.1], [0.3, 0.0, 0.5], [0.6, 0.2, 0.0]], dtype=torch.float64)
REST = {"x": 0.0, "y": 0.0}


def hopf(a=-0.05, k=0.02, sigma=1e-3, w=W, **values):
    """A Hopf network below its bifurcation, with noise so weak that it stays linear."""
    node = tm.HopfStep(
        3, a=a, w=torch.tensor([0.1, 0.2, 0.3]), noise_x=tm.WhiteNoise(sigma), noise_y=tm.OUProcess(sigma / 5, 10.0)
    )
    return tm.Network(node, w, k=k, **values)


def brute_force(net, rest):
    """The Jacobian of the slopes of all states by all states."""
    names = list(rest)
    sizes = [rest[name].shape[-1] for name in names]
    together = lambda z: torch.cat([net.rhs(dict(zip(names, z.split(sizes), strict=True)))[name] for name in names])
    return torch.autograd.functional.jacobian(together, torch.cat([rest[name] for name in names]))


@pytest.mark.parametrize("kind", COUPLINGS)
def test_the_jacobian_is_that_of_the_slopes_for_every_coupling(kind):
    net = tm.Network(tm.WilsonCowanStep(3), W, coupling=kind)
    rest = fixed_point(net)
    torch.testing.assert_close(linearise(net, rest).matrix, brute_force(net, rest))


@pytest.mark.parametrize("conn", [0.3, W, W + torch.eye(3, dtype=torch.float64)], ids=["alike", "weights", "diagonal"])
@pytest.mark.parametrize("source", ["output", "E", "Ev"])
def test_the_jacobian_is_that_of_the_slopes_whatever_is_sent(conn, source):
    net = tm.Network(tm.JansenRitStep(3), conn, coupling="additive", coupled_var=source, k=0.01)
    rest = fixed_point(net)
    torch.testing.assert_close(linearise(net, rest).matrix, brute_force(net, rest))


def test_an_ornstein_uhlenbeck_node_has_its_textbook_covariance_and_spectrum():
    found = linearise(tm.LinearStep(2, gamma=-0.2, noise_x=tm.WhiteNoise(torch.tensor([0.1, 0.3]))))
    variance = torch.tensor([0.1, 0.3]) ** 2 / 0.4
    torch.testing.assert_close(found.covariance(), torch.diag(variance))
    torch.testing.assert_close(found.lagged_covariance(7.0), torch.diag(variance * math.exp(-1.4)))
    f = torch.tensor([0.0, 10.0, 40.0])
    omega = 2 * math.pi * f / 1000
    expected = 2e-3 * torch.tensor([0.1, 0.3]) ** 2 / (omega**2 + 0.2**2).unsqueeze(-1)
    torch.testing.assert_close(found.spectrum(f), expected)


@pytest.mark.parametrize("driven", ["x", "x_inp"])
def test_coloured_noise_on_a_state_or_its_input_has_the_textbook_variance(driven):
    gamma, sigma, tau = 0.2, 0.3, 12.0
    node = tm.LinearStep(1, gamma=-gamma, **{f"noise_{driven}": tm.OUProcess(sigma, tau)})
    expected = sigma**2 * tau / (gamma * (1 + gamma * tau))
    torch.testing.assert_close(linearise(node).covariance(), torch.tensor([[expected]]))
    process = linearise(node, monitor=f"noise_{driven}")
    torch.testing.assert_close(process.covariance(), torch.tensor([[sigma**2]]))
    torch.testing.assert_close(process.lagged_covariance(12.0), torch.tensor([[sigma**2 / math.e]]))


def test_white_noise_on_an_input_is_that_of_the_state_it_enters():
    on_input = linearise(tm.LinearStep(1, gamma=-0.2, noise_x_inp=tm.WhiteNoise(0.3)))
    torch.testing.assert_close(on_input.covariance(), torch.tensor([[0.3**2 / 0.4]]))


def test_multiplicative_noise_counts_as_strong_as_it_is_at_rest():
    node = tm.LinearStep(1, gamma=-0.2, noise_x=tm.WhiteNoise(0.1, g=lambda s: 1 + s.x))
    found = linearise(node, inputs={"x_inp": 0.4})  # rests at 2
    torch.testing.assert_close(found.covariance(), torch.tensor([[0.3**2 / 0.4]]))


def test_the_covariance_is_scipys_and_correlation_has_ones_on_the_diagonal():
    found = linearise(hopf())
    a, q = found.matrix.numpy(), found.network.diffusion.numpy()
    expected = torch.from_numpy(scipy.linalg.solve_continuous_lyapunov(a, -q))
    torch.testing.assert_close(found.state_covariance, expected)
    torch.testing.assert_close(found.covariance(), expected[:3, :3])
    torch.testing.assert_close(torch.diagonal(found.correlation()), torch.ones(3))


def test_the_lagged_covariance_is_to_the_later_from_the_earlier():
    chain = tm.Network(
        tm.LinearStep(2, gamma=-0.2, noise_x=tm.WhiteNoise(0.1)), [[0.0, 0.0], [1.0, 0.0]], coupling="additive", k=0.1
    )
    lagged = linearise(chain).lagged_covariance(5.0)
    assert lagged[1, 0] > 1.5 * lagged[0, 1]  # node 1 follows node 0


def test_the_cross_spectrum_integrates_to_the_covariance():
    found, f = linearise(hopf()), torch.linspace(0, 2000, 20_001)
    integral = torch.trapezoid(found.cross_spectrum(f).real, f, dim=0)
    torch.testing.assert_close(integral, found.covariance(), atol=2e-2 * 1e-6, rtol=1e-2)


@pytest.mark.slow
def test_runs_have_the_covariances_and_spectra_that_are_predicted():
    """Of 64 long runs, within 4 standard errors of their mean."""
    net, every = hopf(), 4
    x = tm.Simulator(net, dt=0.25).run(4200.0, transient=200.0, sample_every=every, batch_size=64, seed=3)["x"]
    found = linearise(net)

    def agree(runs, predicted):  # (64, …), (…)
        error = runs.std(0) / 8
        assert bool(((runs.mean(0) - predicted).abs() < 4 * error + 2e-3 * predicted.abs().max()).all())

    agree(torch.einsum("tbi,tbj->bij", x, x) / len(x), found.covariance())
    later, earlier = x[10:], x[:-10]
    agree(torch.einsum("tbi,tbj->bij", later, earlier) / len(later), found.lagged_covariance(10.0))
    f, welch = scipy.signal.welch(x.numpy(), fs=1000.0, nperseg=1000, axis=0)
    _, cross = scipy.signal.csd(x[..., 1].numpy(), x[..., 0].numpy(), fs=1000.0, nperseg=1000, axis=0)
    chosen = np.arange(4, 101, 8)  # Hz: far below Nyquist's frequency, wide apart
    agree(torch.from_numpy(welch[chosen]).movedim(1, 0), found.spectrum(f[chosen]))
    predicted = found.cross_spectrum(f[chosen])[:, 0, 1]
    for part in ("real", "imag"):
        agree(getattr(torch.from_numpy(cross[chosen]), part).mT, getattr(predicted, part))


def test_gradients_of_covariance_and_spectrum_are_exact():
    values = [torch.tensor(value, requires_grad=True) for value in (-0.05, 0.02, 1.0)]

    def predict(a, k, sigma, w):
        found = linearise(hopf(a, k, sigma, w), REST)
        return found.covariance(), found.lagged_covariance(3.0), found.spectrum([5.0, 30.0])

    assert torch.autograd.gradcheck(predict, (*values, W.clone().requires_grad_()))


def test_gradients_go_through_the_point_of_rest():
    def variance(w, current):
        node = tm.ReducedWongWangStep(3, I_o=current, noise_S=tm.WhiteNoise(1.0))
        return linearise(tm.Network(node, w, coupling="additive", k=0.1)).covariance()

    values = W.clone().requires_grad_(), torch.tensor(0.3, requires_grad=True)
    assert torch.autograd.gradcheck(variance, values, fast_mode=True, atol=1e-3)


def test_a_batch_of_parameters_is_a_loop():
    gains, f = torch.tensor([0.01, 0.02]), [5.0, 30.0]
    batch, loop = linearise(hopf(k=gains.unsqueeze(-1))), [linearise(hopf(k=k)) for k in gains]
    torch.testing.assert_close(batch.covariance(), torch.stack([one.covariance() for one in loop]))
    torch.testing.assert_close(batch.spectrum(f), torch.stack([one.spectrum(f) for one in loop], 1))


def test_groups_of_models_are_as_they_would_be_alone():
    linear = lambda n: tm.LinearStep(n, gamma=-0.2, noise_x=tm.WhiteNoise(0.1))
    spiral = lambda n: tm.HopfStep(n, a=-0.05, noise_x=tm.OUProcess(1e-3, 10.0), noise_y=tm.WhiteNoise(1e-3))
    net = tm.Network({"a": (linear(2), [0, 2]), "b": (spiral(1), [1])}, torch.zeros(3, 3), coupling="additive")
    f = [0.0, 20.0]
    for monitor, alone in (("a_x", linear(2)), ("b_x", spiral(1))):
        found, expected = linearise(net, monitor=monitor), linearise(alone, REST if monitor == "b_x" else None)
        torch.testing.assert_close(found.covariance(), expected.covariance())
        torch.testing.assert_close(found.spectrum(f), expected.spectrum(f))
    assert linearise(net).covariance().shape == (3, 3)


def test_it_says_what_it_is_of():
    assert repr(linearise(hopf(delays=2.0))) == "Linearisation(3 nodes with 3 states (x, y, noise_y), delays)"


def test_an_unstable_point_is_refused_and_its_eigenvalue_named():
    found = linearise(tm.HopfStep(1, a=0.1, w=0.2, noise_x=tm.WhiteNoise(0.1)), REST)
    for ask in (found.covariance, lambda: found.spectrum([1.0]), lambda: found.lagged_covariance(1.0)):
        with pytest.raises(ValueError, match=r"not stable: the eigenvalue 0.1[+-]0.2j per ms \(31.83 Hz\)"):
            ask()


def test_a_point_that_is_not_at_rest_is_refused():
    with pytest.raises(ValueError, match=r"does not rest at the state given: slopes reach 0.02 per ms"):
        linearise(tm.LinearStep(1, gamma=-0.2), {"x": 0.1})


def test_wrong_arguments_are_refused():
    found = linearise(hopf())
    with pytest.raises(ValueError, match="no state to monitor 'z'"):
        linearise(hopf(), monitor="z")
    for lag in (-1.0, math.inf):
        with pytest.raises(ValueError, match="lag must be ≥ 0 ms"):
            found.lagged_covariance(lag)
