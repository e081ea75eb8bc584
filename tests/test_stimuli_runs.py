"""Stimuli in runs: a run with one is the run with its values, and its gradient reaches their parameters."""

import pytest
import torch
from stimulated import built, kinds

import torchmass as tm
from torchmass import stimuli
from torchmass.inputs import lay_out, sample


def linear():
    return tm.Simulator(tm.LinearStep(2, gamma=-0.1, init_x=0.3), dt=0.1)


@kinds
def test_a_run_is_the_run_with_the_values_at_the_start_of_each_step(kind):
    sim, stimulus = linear(), built(kind)
    values = stimulus.at(torch.arange(150, dtype=torch.float64) * 0.1)
    expected = sim.run(15.0, inputs=values)["x"]
    for inputs in (stimulus, {"x_inp": stimulus}):
        torch.testing.assert_close(sim.run(15.0, inputs=inputs)["x"], expected, rtol=1e-13, atol=0)


@kinds
def test_a_run_that_continues_another_goes_on_with_the_stimulus(kind):
    sim, inputs = linear(), built(kind) + 0.1
    whole = sim.run(15.0, inputs=inputs)["x"]
    first = sim.run(6.3, inputs=inputs)
    assert torch.equal(torch.cat([first["x"], sim.run(8.7, inputs=inputs, x0=first.state)["x"]]), whole)


def test_samples_held_at_the_dt_of_a_run_are_their_tensor():
    samples = torch.rand(5000, 2)
    data = stimuli.Data(samples, dt=0.1, interpolation="hold")
    assert torch.equal(linear().run(500.0, inputs=data)["x"], linear().run(500.0, inputs=samples)["x"])


def test_each_input_has_a_stimulus_of_its_own():
    sim, step, sine = tm.Simulator(tm.HopfStep(2), dt=0.1), stimuli.Step(1.0, 0.5), stimuli.Sine(0.3)
    t = torch.arange(20, dtype=torch.float64) * 0.1
    expected = sim.run(2.0, inputs={"x_inp": step.at(t), "y_inp": sine.at(t)})
    found = sim.run(2.0, inputs={"x_inp": step, "y_inp": sine})
    torch.testing.assert_close(found["y"], expected["y"], rtol=1e-13, atol=0)


def test_a_steady_stimulus_is_one_row_of_inputs():
    amplitude = torch.rand(2, 3)
    steady = stimuli.Constant(amplitude) * stimuli.regions(3, [1]) + 1.0
    (row,) = lay_out(tm.ThresholdLinearStep(3), {"E_inp": steady}, 0, 1000, 0.1)[:1]
    torch.testing.assert_close(row, (amplitude * torch.tensor([0.0, 1.0, 0.0]) + 1)[None])
    assert steady.is_steady
    assert not (steady + stimuli.Sine()).is_steady


def test_a_stimulus_is_sampled_at_a_fraction_of_each_step():
    ramp = stimuli.Ramp(0.0, 10.0, duration=10.0)
    torch.testing.assert_close(sample(ramp, 5, 3, 0.5, c=0.5)[:, 0], torch.tensor([2.75, 3.25, 3.75]))
    assert sample(stimuli.Constant(2.0), 5, 3, 0.5).shape == (3, 1)


def test_the_batch_axis_of_a_stimulus_is_one_of_the_run():
    x = linear().run(1.0, inputs=stimuli.Step([[1.0], [2.0], [3.0]]))["x"]
    assert x.shape == (10, 3, 2)
    torch.testing.assert_close(x[:, 1], linear().run(1.0, inputs=stimuli.Step(2.0))["x"], rtol=1e-13, atol=0)


@pytest.mark.parametrize("backend", ["eager", "fused"])
def test_the_gradient_of_a_run_reaches_the_stimulus(backend):
    sim = tm.Simulator(tm.HopfStep(2), dt=0.1, backend=backend)

    def loss(amplitude, onset):
        return sim.run(3.0, inputs=stimuli.Step(amplitude, onset, rise=0.74))["x"].square().sum()

    leaves = [torch.tensor([0.5, 0.3], requires_grad=True), torch.tensor(1.03, requires_grad=True)]
    assert torch.autograd.gradcheck(loss, leaves, eps=1e-5)


def minimise(loss, stimulus, iterations):
    """Fit what is free of a stimulus."""
    optimiser = torch.optim.LBFGS(stimulus.parameters(), max_iter=iterations, line_search_fn="strong_wolfe")

    def closure():
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)


def test_optimal_control_finds_the_stimulus_that_made_a_path():
    sim = linear()
    truth = stimuli.Step([1.5, -0.4], onset=3.1, offset=8.0, rise=2.0)
    target = sim.run(15.0, inputs=truth)["x"]
    fitted = stimuli.Step([0.1, 0.1], onset=4.0, offset=8.0, rise=2.0).free("amplitude", "onset")
    minimise(lambda: (sim.run(15.0, inputs=fitted)["x"] - target).square().mean(), fitted, 100)
    torch.testing.assert_close(fitted.amplitude, truth.amplitude, rtol=1e-3, atol=0)
    torch.testing.assert_close(fitted.onset, truth.onset, rtol=1e-3, atol=0)


def test_every_sample_of_data_can_be_optimised():
    sim, target = linear(), torch.sin(torch.arange(30.0) / 5)[:, None].expand(30, 2)
    data = stimuli.Data(torch.zeros(30, 2), dt=0.1, interpolation="hold").free("samples")
    loss = lambda: (sim.run(3.0, inputs=data)["x"] - target).square().sum()
    minimise(loss, data, 200)
    assert float(loss().detach()) < 1e-4
