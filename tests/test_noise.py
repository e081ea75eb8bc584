"""Noise: the right strength, the same path for the same seed, and nobody else's generator."""

import math

import pytest
import torch

import torchmass as tm
from torchmass.kernels.draws import normals, uniforms
from torchmass.kernels.philox import philox, uniform
from torchmass.run_options import RunOptions

KNOWN_ANSWERS = [  # Random123's kat_vectors, philox4x32 10
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(counter, key, words):
    c0, c1, c2, c3 = (torch.tensor(word) for word in counter)
    assert tuple(int(word) for word in philox((c0, c1, c2, c3), key)) == words


def test_uniforms_stay_inside_the_unit_interval():
    ends = uniform(torch.tensor([0, 0xFFFFFFFF]))
    assert 0 < float(ends[0]) < float(ends[1]) < 1


def test_normals_are_standard_and_independent_of_step_node_simulation_and_source():
    drawn = torch.stack([normals(7, 0, 400, torch.arange(20), 10, source) for source in (0, 1)])
    n = drawn.numel()
    assert abs(float(drawn.mean())) < 4 / math.sqrt(n)
    assert abs(float(drawn.var()) - 1) < 4 * math.sqrt(2 / n)
    assert abs(float((drawn**4).mean()) - 3) < 4 * math.sqrt(96 / n)
    for axis in range(4):
        pair = drawn.narrow(axis, 0, drawn.shape[axis] - 1) * drawn.narrow(axis, 1, drawn.shape[axis] - 1)
        assert abs(float(pair.mean())) < 4 / math.sqrt(pair.numel())


@pytest.mark.parametrize("first", [0, 1, 2, 3, 5, 250])
def test_normals_do_not_depend_on_the_chunk(first):
    whole = normals(3, 0, 300, torch.arange(2), 3, 0)
    assert torch.equal(normals(3, first, 17, torch.arange(2), 3, 0), whole[first : first + 17])


def test_simulation_nine_is_simulation_nine_in_any_batch():
    assert torch.equal(normals(3, 0, 8, torch.tensor([9]), 3, 0)[:, 0], normals(3, 0, 8, torch.arange(12), 3, 0)[:, 9])
    assert torch.equal(uniforms(3, torch.tensor([9]), 3, [0])[:, 0], uniforms(3, torch.arange(12), 3, [0])[:, 9])


def test_the_third_start_is_drawn_as_the_third_whichever_others_are_drawn():
    assert torch.equal(uniforms(3, torch.arange(4), 3, [0, 2])[1], uniforms(3, torch.arange(4), 3, [2])[0])


def test_a_large_step_and_a_full_seed_still_draw():
    drawn = normals(2**63 - 1, 2**33, 4, torch.arange(1), 2, 5)
    assert bool(drawn.isfinite().all())


@pytest.mark.parametrize("method", tm.INTEGRATORS)
@pytest.mark.parametrize("where", ["noise_x", "noise_x_inp"])
def test_variance_does_not_depend_on_dt(method, where):
    """A linear node with white noise has the stationary variance σ²/(2|γ|)."""
    for dt in (0.05, 0.1):
        node = tm.LinearStep(1, gamma=-1.0, init_x=0.0, **{where: tm.WhiteNoise(0.3)})
        x = tm.Simulator(node, dt=dt, method=method).run(8.0, transient=5.0, batch_size=20_000, seed=1)["x"][-1]
        assert abs(float(x.var()) / (0.09 / 2) - 1) < 0.08  # 4 standard errors, and dt/4 of bias in Euler


def test_variance_grows_with_time_not_with_steps():
    node = tm.LinearStep(1, gamma=0.0, init_x=0.0, noise_x=tm.WhiteNoise(0.5))
    for dt in (0.1, 0.5):
        x = tm.Simulator(node, dt=dt, method="euler").run(4.0, batch_size=20_000, seed=1)["x"]
        assert abs(float(x[-1].var()) / (0.25 * 4) - 1) < 0.04


def test_heun_with_noise_has_weak_order_two_and_euler_one():
    """Stationary variance of a linear node: −σ²/(2γ) exactly, and what each scheme makes of it."""
    gamma, sigma, dt = -1.0, 1.0, 0.4
    z = gamma * dt
    expected = {
        "euler": sigma**2 * dt / (1 - (1 + z) ** 2),
        "heun": (1 + z / 2) ** 2 * sigma**2 * dt / (1 - (1 + z + z**2 / 2) ** 2),
    }
    for method, variance in expected.items():
        node = tm.LinearStep(1, gamma=gamma, init_x=0.0, noise_x=tm.WhiteNoise(sigma))
        x = tm.Simulator(node, dt=dt, method=method).run(20.0, batch_size=100_000, seed=2)["x"][-1]
        assert abs(float(x.var()) / variance - 1) < 0.02
    assert abs(expected["heun"] - 0.5) < abs(expected["euler"] - 0.5) / 3


def test_float32_draws_the_path_of_float64():
    node = tm.HopfStep(3, noise_x=tm.WhiteNoise(0.05))
    fine = tm.Simulator(node, dt=0.1).run(20.0, seed=4)["x"]
    coarse = tm.Simulator(node.float(), dt=0.1).run(20.0, seed=4)["x"]
    torch.testing.assert_close(coarse.double(), fine, rtol=0, atol=2e-5)


def test_the_users_generator_gives_one_number_and_only_when_asked():
    noisy = tm.Simulator(tm.HopfStep(1, noise_x=tm.WhiteNoise(0.1)), dt=0.1)
    quiet = tm.Simulator(tm.HopfStep(1), dt=0.1)
    before = torch.get_rng_state()
    assert quiet.run(1.0).seed is None
    noisy.run(1.0, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(5)
    first = noisy.run(1.0)
    torch.manual_seed(5)
    assert torch.equal(noisy.run(1.0)["x"], first["x"])
    assert torch.equal(noisy.run(1.0, seed=first.seed)["x"], first["x"])


def test_the_gradient_of_sigma_is_right():
    node = tm.HopfStep(2, noise_x=tm.WhiteNoise(torch.tensor([0.1, 0.2])))
    node.noise["x"].free("sigma")
    sim = tm.Simulator(node, dt=0.1)
    loss = lambda raw: torch.func.functional_call(sim, {"model.noise.x.raw.sigma": raw}, (2.0,), {"seed": 1})["x"].sum()
    assert torch.autograd.gradcheck(loss, node.noise["x"].raw.sigma)


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_candidates_draw_the_same_numbers_and_simulations_of_one_do_not(backend):
    start, noise = torch.distributions.Normal(0.0, 1.0), tm.OUProcess(0.1)
    values = {"init_x": start, "noise_x": tm.WhiteNoise(0.1), "noise_y": noise}
    weights = torch.tensor([[0.0, 1.0, 0.3], [0.2, 0.0, 0.1], [0.5, 0.4, 0.0]])
    node = tm.HopfStep(3, a=torch.full((4, 1, 1), 0.1), **values)
    sim = tm.Simulator(tm.Network(node, weights, delays=0.3), dt=0.1, backend=backend)
    x = sim.asked(RunOptions(candidates=4)).run(20.0, batch_size=2, seed=3)["x"]
    alone = tm.Simulator(tm.Network(tm.HopfStep(3, a=0.1, **values), weights, delays=0.3), dt=0.1, backend=backend)
    expected = alone.run(20.0, batch_size=2, seed=3)["x"]
    for candidate in range(4):
        torch.testing.assert_close(x[:, candidate], expected, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(x[:, 0, 0], x[:, 0, 1])
