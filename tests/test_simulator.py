"""What a run means: the laws of time, batches, sampling, monitors and inputs."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.distributions import Normal, Uniform

import torchmass as tm


def noisy(n=3, **values):
    weights = 0.1 * torch.arange(n * n, dtype=torch.float64).reshape(n, n)
    node = tm.HopfStep(n, noise_x=tm.WhiteNoise(0.05), noise_y_inp=tm.WhiteNoise(0.02), **values)
    return tm.Network(node, weights, coupled_var="x", k=0.3)


def same(first, second):
    assert list(first) == list(second)
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("method", tm.INTEGRATORS)
def test_two_halves_make_a_whole_bit_for_bit(method):
    sim = tm.Simulator(noisy(), dt=0.1, method=method)
    drive = lambda i, t: (0.1 * i, t)
    whole = sim.run(4.0, inputs=drive, seed=1, batch_size=2)
    first = sim.run(1.7, inputs=drive, seed=1, batch_size=2)
    second = sim.run(2.3, inputs=drive, x0=first.state)
    for name in whole:
        assert torch.equal(torch.cat([first[name], second[name]]), whole[name])
    assert same(whole.state, second.state)
    assert (second.state.step, second.state.seed) == (40, 1)


def test_a_batch_is_a_loop_bit_for_bit():
    a = torch.linspace(-0.1, 0.3, 4)
    batch = tm.Simulator(noisy(a=a[:, None]), dt=0.1).run(3.0, seed=1)
    for i in range(4):
        one = tm.Simulator(noisy(a=a[i]), dt=0.1).run(3.0, seed=1, first_simulation=i)
        torch.testing.assert_close(one["x"], batch["x"][:, i], rtol=0, atol=1e-15)


def test_a_batch_split_in_two_gives_the_same_paths():
    sim = tm.Simulator(noisy(init_x=Uniform(-0.5, 0.5)), dt=0.1)
    whole = sim.run(3.0, seed=1, batch_size=5)
    parts = [sim.run(3.0, seed=1, batch_size=n, first_simulation=i)["x"] for n, i in ((2, 0), (3, 2))]
    torch.testing.assert_close(torch.cat(parts, 1), whole["x"], rtol=0, atol=1e-15)


def test_same_seed_same_path_and_another_seed_another():
    sim = tm.Simulator(noisy(), dt=0.1)
    assert same(sim.run(2.0, seed=3), sim.run(2.0, seed=3))
    assert not torch.equal(sim.run(2.0, seed=3)["x"], sim.run(2.0, seed=4)["x"])


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.integers(1, 30), skipped=st.integers(0, 29), every=st.integers(1, 7))
def test_sampling_is_slicing(steps, skipped, every):
    if skipped >= steps:
        return
    sim = tm.Simulator(tm.HopfStep(2), dt=0.1)
    full = sim.run(steps * 0.1)
    some = sim.run(steps * 0.1, transient=skipped * 0.1, sample_every=every)
    for name in full:
        assert torch.equal(some[name], full[name][skipped::every])
    assert same(full.state, some.state)


def test_times_are_the_ends_of_the_recorded_steps():
    ts = tm.Simulator(tm.HopfStep(1), dt=0.5).run(5.0, transient=1.0, sample_every=3).ts
    torch.testing.assert_close(ts, torch.tensor([1.5, 3.0, 4.5]))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    n=st.integers(1, 4),
    batch=st.none() | st.integers(1, 3),
    a=st.sampled_from(["number", "node", "batch", "both"]),
    cls=st.sampled_from([tm.HopfStep, tm.MontbrioPazoRoxinStep]),
)
def test_series_are_time_batch_node(n, batch, a, cls):
    b = batch or 2
    shapes = {"number": (), "node": (n,), "batch": (b, 1), "both": (b, n)}
    node = cls(n, **{next(iter(cls.Params._fields)): torch.full(shapes[a], 5.0)})
    x = tm.Simulator(node, dt=0.1).run(0.5, batch_size=batch)[next(iter(node.states))]
    axes = (b,) if batch or a in ("batch", "both") else ()
    assert x.shape == (5, *axes, n)


def test_monitors_are_names_a_callable_or_a_dict():
    sim = tm.Simulator(tm.JansenRitStep(2), dt=0.5)
    run = lambda monitors: sim.run(20.0, monitors=monitors)
    full = run(None)
    assert list(full) == ["M", "E", "I", "Mv", "Ev", "Iv", "ts"]
    assert list(run(["E"])) == ["E", "ts"]
    eeg = full["E"] - full["I"]
    for monitors in (["output"], lambda s: s["E"] - s["I"], lambda s: s.E - s.I):
        assert torch.equal(run(monitors)["output"], eeg)
    some = run({"eeg": "output", "mean": lambda s: s.M.mean(-1), "slow": "Iv"})
    assert torch.equal(some["eeg"], eeg)
    assert torch.equal(some["slow"], full["Iv"])
    torch.testing.assert_close(some["mean"], full["M"].mean(-1))


def test_inputs_mean_the_same_however_they_are_given():
    sim = tm.Simulator(tm.HopfStep(2), dt=0.1)
    wave = torch.sin(torch.arange(20) * 0.3)
    reference = sim.run(2.0, inputs=wave)["x"]
    others = [
        wave.numpy(),
        wave[:, None].expand(20, 2),
        {"x_inp": wave},
        {"x_inp": lambda i, t: float(wave[i])},
        lambda i, t: float(wave[i]),
        lambda i, t: (wave[i],),
        lambda i, t: (wave[i], None),
        lambda i, t: (wave[round(t / 0.1)].expand(2), 0.0),
    ]
    same = lambda found, expected: torch.testing.assert_close(found, expected, rtol=1e-13, atol=0)  # kernels differ
    for inputs in others:
        same(sim.run(2.0, inputs=inputs)["x"], reference)
    constant = sim.run(2.0, inputs={"y_inp": 0.3})["x"]
    same(sim.run(2.0, inputs=lambda i, t: (None, 0.3))["x"], constant)
    same(sim.run(2.0, inputs={"y_inp": torch.full((20, 1, 1), 0.3)})["x"][:, 0], constant)


def test_a_callable_input_is_called_once_per_step_before_the_run():
    calls = []
    tm.Simulator(tm.HopfStep(1), dt=0.5, method="rk4").run(2.0, inputs=lambda i, t: calls.append((i, t)) or 1.0)
    assert calls == [(0, 0.0), (1, 0.5), (2, 1.0), (3, 1.5)]


def test_inputs_are_held_over_the_step_in_every_stage():
    node = tm.LinearStep(gamma=-1.0, init_x=0.0)
    x = tm.Simulator(node, dt=0.5, method="heun").run(1.0, inputs=torch.tensor([1.0, 3.0]))["x"][:, 0]
    first = 0.5 - 0.125
    torch.testing.assert_close(x, torch.tensor([first, first + 0.5 * (3 - first) - 0.125 * (3 - first)]))


def test_a_start_is_a_number_a_tensor_or_a_distribution():
    start = lambda value: tm.HopfStep(3, init_x=value).initial_state()["x"]
    assert torch.equal(start(0.4), torch.full((3,), 0.4))
    assert torch.equal(start([0.1, 0.2, 0.3]), torch.tensor([0.1, 0.2, 0.3]))
    node = tm.HopfStep(3, init_x=Normal(2.0, 0.1), init_y=Uniform(0.0, 1.0))
    drawn = node.initial_state(10_000, seed=1)
    assert abs(float(drawn["x"].mean()) - 2) < 0.005
    assert abs(float(drawn["x"].std()) - 0.1) < 0.005
    assert abs(float(drawn["y"].mean()) - 0.5) < 0.01
    assert abs(float(torch.corrcoef(torch.stack([drawn["x"].flatten(), drawn["y"].flatten()]))[0, 1])) < 0.03
    zero = tm.Simulator(node, dt=0.1, backend="eager").run(0.1, batch_size=10_000, seed=1)
    assert torch.equal(zero["x"][0], node(drawn, dt=0.1)["x"])


def test_x0_starts_some_states_elsewhere():
    sim = tm.Simulator(tm.WilsonCowanStep(2), dt=0.1)
    moved = sim.run(1.0, x0={"rE": 0.3})
    expected = tm.Simulator(tm.WilsonCowanStep(2, init_rE=0.3), dt=0.1).run(1.0)
    assert same(moved, expected)


def test_one_step_with_noise_is_the_step_of_a_run():
    node = noisy()
    run = tm.Simulator(node, dt=0.1).run(0.3, seed=5)
    state = node.initial_state()
    for i in range(3):
        state = node(state, dt=0.1, seed=5, step_index=i)
    assert same(state, run.state)


def test_states_stay_within_their_bounds_with_zero_gradient_at_the_clamp():
    node = tm.MontbrioPazoRoxinStep(init_r=0.0, init_v=-50.0, eta=-100.0, noise_r=tm.WhiteNoise(50.0))
    x0 = {"r": torch.tensor([0.0], requires_grad=True)}
    r = tm.Simulator(node, dt=0.1).run(20.0, x0=x0, seed=1)["r"]
    assert float(r.detach().min()) == 0
    first = int((r[:, 0] == 0).nonzero()[0])
    assert float(torch.autograd.grad(r[first].sum(), x0["r"])[0]) == 0


def test_check_dt_says_whether_the_step_is_small_enough():
    fine = tm.Simulator(tm.HopfStep(1, noise_x=tm.WhiteNoise(0.1)), dt=0.1).check_dt(50.0)
    coarse = tm.Simulator(tm.HopfStep(1), dt=5.0).check_dt(50.0)
    assert fine.ok
    assert "is small enough" in str(fine)
    assert "without its noise" in str(fine)
    assert not coarse.ok
    assert "is too large" in str(coarse)
    assert coarse.suggestion in (0.5, 1.0, 2.0, 2.5)
    assert f"Try dt={coarse.suggestion:g} ms" in str(coarse)
    assert tm.Simulator(tm.HopfStep(1), dt=coarse.suggestion).check_dt(50.0).worst < coarse.worst / 4


def test_check_dt_goes_on_from_where_a_run_ended():
    sim = tm.Simulator(tm.HopfStep(1, noise_x=tm.WhiteNoise(0.1)), dt=0.1)
    assert sim.check_dt(5.0, x0=sim.run(20.0, seed=1).state).ok


def test_check_dt_holds_the_inputs_over_the_same_steps():
    sim = tm.Simulator(tm.LinearStep(gamma=-1.0), dt=0.1, method="exp_euler")
    assert sim.check_dt(2.0, inputs=lambda i, t: float(i % 2)).worst < 1e-12


def test_detach_cuts_the_graph():
    node = tm.HopfStep(1).free("a")
    state = tm.Simulator(node, dt=0.1).run(1.0).state
    assert state["x"].requires_grad
    assert not state.detach()["x"].requires_grad
    assert state.detach().step == 10


@pytest.mark.parametrize("backend", ["eager", "fused"])
@pytest.mark.parametrize(("transient", "every"), [(0.0, 1), (3.0, 7), (0.5, 40)])
def test_a_bar_changes_nothing(backend, transient, every):
    node = tm.HopfStep(3, noise_x=tm.WhiteNoise(0.1))
    sim = tm.Simulator(tm.Network(node, torch.rand(3, 3), delays=torch.rand(3, 3)), 0.1, backend=backend)
    options = {"transient": transient, "sample_every": every, "seed": 1, "inputs": torch.randn(500, 3)}
    plain, shown = (sim.run(50.0, **options, progress=progress) for progress in (False, True))
    assert all(torch.equal(plain[name], shown[name]) for name in plain)
    assert all(torch.equal(plain.state[name], shown.state[name]) for name in plain.state)
