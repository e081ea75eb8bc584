"""Stimuli: what they are at any time, their gradients, how they combine, and what they are as modules."""

import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stimulated import KINDS, TIMES, built, kinds

import torchmass as tm
from torchmass import stimuli

quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SHAPES = st.sampled_from(["number", "node", "batch", "both"])


def shaped(shape, n=3, b=2):
    return torch.rand({"number": (), "node": (n,), "batch": (b, 1), "both": (b, n)}[shape])


def same(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-11)


# what they are


def test_a_step_is_on_from_its_onset_inclusive_to_its_offset_exclusive():
    found = stimuli.Step(2.0, onset=1.0, offset=3.0).at([0.0, 0.9, 1.0, 2.9, 3.0, 9.0])
    assert found.tolist() == [[0.0], [0.0], [2.0], [2.0], [0.0], [0.0]]


def test_a_step_without_an_offset_stays_on():
    assert stimuli.Step(2.0, onset=1.0).at([0.0, 1.0, 1e9]).tolist() == [[0.0], [2.0], [2.0]]


def test_a_rise_is_a_linear_edge_after_the_onset_and_after_the_offset():
    found = stimuli.Step(2.0, onset=1.0, offset=5.0, rise=2.0).at([1.0, 1.5, 3.0, 5.0, 6.0, 7.0])
    same(found[:, 0], torch.tensor([0.0, 0.5, 2.0, 2.0, 1.0, 0.0]))


@quick
@given(rise=st.floats(0.0, 30.0), width=st.floats(1.0, 20.0))
def test_the_area_of_a_step_does_not_depend_on_its_rise(rise, width):
    t = torch.arange(0.0, 100.0, 0.01)
    area = float(stimuli.Step(2.0, 10.0, 10.0 + width, rise).at(t).sum()) * 0.01
    assert abs(area - 2 * width) < 0.03


def test_pulses_begin_at_every_period_and_last_their_width():
    found = stimuli.PulseTrain(1.0, onset=2.0, period=4.0, width=1.0).at(torch.arange(12.0))[:, 0]
    assert found.nonzero()[:, 0].tolist() == [2, 6, 10]


def test_no_pulse_begins_at_the_offset_or_later_and_one_under_way_is_finished():
    train = lambda offset: stimuli.PulseTrain(1.0, 2.0, 4.0, 2.0, offset=offset).at(torch.arange(12.0))[:, 0]
    assert train(6.0).nonzero()[:, 0].tolist() == [2, 3]
    assert train(7.0).nonzero()[:, 0].tolist() == [2, 3, 6, 7]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("onset", "period", "width"), [(1, 123, 7), (7, 3, 1), (0, 10, 10), (333, 257, 250)])
def test_pulses_keep_to_their_steps_for_a_million_of_them(onset, period, width, dtype):
    torch.set_default_dtype(dtype)
    train = stimuli.PulseTrain(1.0, onset=onset / 10, period=period / 10, width=width / 10)
    i = torch.arange(1_000_000)
    expected = (i >= onset) & ((i - onset) % period < width)
    assert torch.equal(train.at(i.double() * 0.1)[:, 0] > 0, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_onset_on_the_grid_is_at_its_step_whatever_the_rounding(dtype):
    torch.set_default_dtype(dtype)
    steps = [*range(1, 2000), *range(99_000, 100_000)]
    at = torch.tensor(steps, dtype=torch.float64)
    for dt in (0.05, 0.1, 0.3, 0.7):
        step = stimuli.Step(onset=[round(i * dt, 10) for i in steps])
        assert bool((step.at(at * dt).diagonal() == 1).all())
        assert bool((step.at((at - 1) * dt).diagonal() == 0).all())


def test_a_sine_has_its_frequency_in_hertz():
    t = torch.arange(0.0, 1000.0, 1.0)
    wave = stimuli.Sine(2.0, frequency=10.0, phase=math.pi / 2, mean=0.5).at(t)[:, 0]
    same(wave, 0.5 + 2 * torch.cos(2 * math.pi * 10 * t / 1000))
    assert int(torch.fft.rfft(wave - wave.mean()).abs().argmax()) == 10


def test_a_ramp_is_constant_before_and_after_its_line():
    found = stimuli.Ramp(1.0, 3.0, onset=10.0, duration=4.0).at([0.0, 10.0, 11.0, 14.0, 99.0])[:, 0]
    same(found, torch.tensor([1.0, 1.0, 1.5, 3.0, 3.0]))


def test_noise_is_held_over_its_interval_and_standard_normal_times_sigma():
    noise = stimuli.Noise(0.5, interval=2.0, seed=1, in_size=50)
    found = noise.at(torch.arange(0.0, 4000.0, 1.0))
    assert torch.equal(found[::2], found[1::2])
    assert abs(float(found.std()) - 0.5) < 4 * 0.5 / math.sqrt(2 * 100_000)
    assert abs(float(found.mean())) < 4 * 0.5 / math.sqrt(100_000)
    assert float((torch.corrcoef(found[::2].T) - torch.eye(50)).abs().max()) < 5 / math.sqrt(2000)


def test_noise_is_a_function_of_seed_interval_and_region_alone():
    t = torch.arange(0.0, 9000.0, 3.0)
    noise = stimuli.Noise(1.0, interval=3.0, seed=1, in_size=2)
    before = torch.get_rng_state()
    whole = noise.at(t)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(noise.at(t[[2990, 7, 1500]]), whole[[2990, 7, 1500]])
    assert torch.equal(stimuli.Noise([1.0, 2.0, 3.0], 3.0, 1, in_size=3).at(t)[:, 0], whole[:, 0])
    assert not torch.equal(stimuli.Noise(1.0, 3.0, 2, in_size=2).at(t), whole)


def test_noise_is_not_that_of_a_model_with_the_same_seed():
    node = tm.LinearStep(2, gamma=0.0, noise_x_inp=tm.WhiteNoise(1.0))
    path = tm.Simulator(node, dt=1.0, method="euler").run(500.0, seed=1)["x"].diff(dim=0)
    held = stimuli.Noise(1.0, interval=1.0, seed=1, in_size=2).at(torch.arange(1.0, 500.0))
    assert float(torch.corrcoef(torch.cat([path, held], 1).T)[:2, 2:].abs().max()) < 4 / math.sqrt(500)


@pytest.mark.parametrize("interpolation", ["linear", "hold"])
def test_data_are_their_samples_at_their_times_and_nothing_outside(interpolation):
    samples = torch.rand(1000, 2, 3)
    data = stimuli.Data(samples, dt=0.7, interpolation=interpolation, onset=5.0)
    same(data.at(5.0 + 0.7 * torch.arange(1000)), samples)
    assert float(data.at([0.0, 4.9, 5.0 + 0.7 * 1000, 1e6]).abs().max()) == 0


def test_data_between_two_samples_are_on_their_line_or_held():
    samples = torch.tensor([1.0, 3.0, -1.0])
    between = [0.25, 1.5, 2.5]
    same(stimuli.Data(samples, dt=1.0).at(between)[:, 0], torch.tensor([1.5, 1.0, 0.0]))
    same(stimuli.Data(samples, 1.0, "hold").at(between)[:, 0], torch.tensor([1.0, 3.0, -1.0]))


@quick
@given(amplitude=SHAPES, onset=SHAPES, rise=SHAPES)
def test_every_parameter_is_a_number_or_per_region_or_per_simulation(amplitude, onset, rise):
    values = {"amplitude": shaped(amplitude), "onset": shaped(onset), "rise": shaped(rise)}
    found = stimuli.Step(**values).at(TIMES)
    full = torch.broadcast_shapes(*(value.shape for value in values.values()))
    assert found.shape == (len(TIMES), *(full or (1,)))
    one = {name: value.expand(2, 3)[1, 2] for name, value in values.items()}
    same(
        found.expand(-1, 2, 3)[:, 1, 2] if found.ndim == 3 else found.expand(-1, 3)[:, 2],
        stimuli.Step(**one).at(TIMES)[:, 0],
    )


# gradients


@kinds
def test_every_gradient_is_right(kind):
    cls, values, options = KINDS[kind]
    leaves = [torch.tensor(value, requires_grad=True) for value in values.values()]
    at = lambda *given: cls(**dict(zip(values, given, strict=True)), **options).at(TIMES)
    assert torch.autograd.gradcheck(at, leaves)


@kinds
def test_every_parameter_matters_except_the_times_of_jumps(kind):
    values = KINDS[kind][1]
    for name in values:
        value = torch.tensor(values[name], requires_grad=True)
        found = built(kind, **{name: value}).at(TIMES)
        jumps = kind in ("step", "train") or (kind, name) == ("smooth train", "offset")
        moved = found.requires_grad and bool((torch.autograd.grad(found.square().sum(), value)[0] != 0).any())
        assert moved == (name == "amplitude" or not jumps)


def test_a_gradient_is_finite_without_an_end():
    step = stimuli.Step(1.0, 2.0, rise=3.0).free("onset", "rise")
    step.at(TIMES).sum().backward()
    assert all(bool(parameter.grad.isfinite()) for parameter in step.parameters())


# how they combine


@quick
@given(first=SHAPES, second=SHAPES, number=st.floats(-3, 3))
def test_stimuli_add_and_multiply_at_every_time(first, second, number):
    a, b = stimuli.Sine(shaped(first), 40.0), stimuli.Step(shaped(second), 3.0, 9.0)
    x, y = a.at(TIMES), b.at(TIMES)
    if x.ndim != y.ndim:
        x, y = (row.unsqueeze(1) if row.ndim == 2 else row for row in (x, y))
    same((a + b).at(TIMES), x + y)
    same((a * b).at(TIMES), x * y)
    same((a - b).at(TIMES), x - y)
    same(((a + b) * a).at(TIMES), (x + y) * x)
    same((-a).at(TIMES), -a.at(TIMES))
    for combine in (lambda u: u + number, lambda u: number + u, lambda u: number * u, lambda u: number - u):
        same(combine(a).at(TIMES), combine(a.at(TIMES)))


@pytest.mark.parametrize("shape", ["number", "node", "batch", "both"])
def test_a_tensor_or_an_array_combines_from_either_side(shape):
    sine, value = stimuli.Sine(), shaped(shape)
    expected = sine.at(TIMES).reshape(-1, *(1,) * max(1, value.ndim)) * value
    for product in (sine * value, value * sine, sine * value.numpy(), value.numpy() * sine):
        same(product.at(TIMES), expected)


def test_the_parts_of_a_stimulus_can_be_freed_after_it_was_made():
    step, sine = stimuli.Step(0.5, 3.0), stimuli.Sine(0.1)
    whole = step * 2.0 + sine
    sine.free("frequency")
    whole.parts[0].parts[1].free("amplitude")
    assert {name for name, _ in whole.named_parameters()} == {"parts.0.parts.1.raw.amplitude", "parts.1.raw.frequency"}
    whole.at(TIMES).sum().backward()
    assert all(float(parameter.grad) != 0 for parameter in whole.parameters())


def test_sums_of_sums_are_one_sum():
    a, b, c = stimuli.Sine(), stimuli.Step(), stimuli.Ramp()
    assert list((a + b + c).parts) == list((a + (b + c)).parts) == [a, b, c]
    assert list((a * b + c).parts)[1:] == [c]


def test_regions_are_chosen_by_index_or_mask():
    assert stimuli.regions(4, [1, -1]).tolist() == [0, 1, 0, 1]
    assert stimuli.regions(4, 2).tolist() == [0, 0, 1, 0]
    assert stimuli.regions(3, [True, False, True]).tolist() == [1, 0, 1]
    assert stimuli.regions(3, []).tolist() == [0, 0, 0]
    found = (stimuli.Step(2.0, 1.0) * stimuli.regions(4, [1, 3])).at([0.0, 1.0])
    assert found.tolist() == [[0, 0, 0, 0], [0, 2, 0, 2]]


# as modules


@kinds
def test_a_state_dict_brings_back_free_values_into_a_stimulus_of_the_same_form(kind):
    cls, values, options = KINDS[kind]
    freed = (built(kind).free(*values) * 2.0) + 1.0
    with torch.no_grad():
        for parameter in freed.parameters():
            parameter.mul_(0.97)
    loaded = (cls(**values, **options) * 1.0) + 0.0
    loaded.load_state_dict(freed.state_dict())
    assert torch.equal(loaded.at(TIMES), freed.at(TIMES))
    assert set(dict(loaded.named_parameters())) == set(dict(freed.named_parameters()))


@kinds
def test_a_stimulus_has_the_default_dtype_and_follows_to(kind):
    torch.set_default_dtype(torch.float32)
    stimulus = built(kind) * stimuli.regions(2, [0]) + 1.0
    assert stimulus.at(TIMES).dtype == torch.float32
    assert stimulus.to(torch.float64).at(TIMES).dtype == torch.float64


def test_stimuli_pass_through_functional_call_and_vmap():
    whole = stimuli.Step(1.0, 3.0, 9.0, rise=2.0).free("amplitude") * stimuli.regions(2, [1])
    run = lambda value: torch.func.functional_call(whole, {"parts.0.raw.amplitude": value}, (TIMES,))
    values = torch.tensor([0.5, 2.0])
    same(torch.func.vmap(run)(values), values[:, None, None] * whole.at(TIMES))


@pytest.mark.parametrize("value", [getattr(stimuli, name) for name in dir(stimuli) if name[0].isupper()])
def test_every_kind_is_documented_with_its_parameters(value):
    assert len(value.__doc__) > 40
    assert all(name in value.__doc__ for name in vars(value).get("declarations", {}))
