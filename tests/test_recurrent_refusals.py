"""What a recurrent layer cannot do, it says."""

import re

import pytest
import torch
from torch.nn.utils.rnn import pack_padded_sequence

import torchmass as tm


def hopf(**options):
    """Five nodes that see three numbers a sample."""
    return tm.nn.RecurrentMass(tm.HopfStep, 3, 5, 2, **options)


@pytest.mark.parametrize("shape", [(4, 2, 7), (4, 7), (0, 2, 3), (4, 0, 3), (0, 3), (3,), (1, 4, 2, 3)])
@pytest.mark.parametrize("batch_first", [False, True])
def test_sequences_of_a_wrong_shape_are_refused(shape, batch_first):
    wrong = "input_size=3" if shape[-1] != 3 else "has no samples" if 0 in shape else r"\(\w, \w, input_size\)"
    with pytest.raises(ValueError, match=wrong):
        hopf(batch_first=batch_first)(torch.zeros(shape))


def test_packed_samples_of_a_wrong_size_are_refused():
    packed = pack_padded_sequence(torch.zeros(4, 2, 7), [4, 2])
    with pytest.raises(ValueError, match="input_size=3"):
        hopf()(packed)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("sorted", [False, True])
@pytest.mark.parametrize("shape", [(3, 5), (1, 5), (5,), (2, 1), (2, 4), (1, 2, 5)])
def test_a_state_of_another_batch_is_refused(shape, packed, sorted):
    x = torch.zeros(4, 2, 3)
    x = pack_padded_sequence(x, [4, 2] if sorted else [2, 4], enforce_sorted=sorted) if packed else x
    with pytest.raises(ValueError, match=r"state\['x'\] must be \(2, 5\).* got shape " + re.escape(str(shape))):
        hopf()(x, {"x": torch.zeros(shape)})


def test_a_past_of_another_batch_is_refused():
    cell = hopf(delays=1.0)
    _, state = cell(torch.zeros(4, 3, 3))
    with pytest.raises(ValueError, match=r"state\['x'\]"):
        cell(torch.zeros(4, 2, 3), state)
    past = {"history_output": state["history_output"]}
    with pytest.raises(ValueError, match=r"state\['history_output'\] must be \(H, 2, 5\)"):
        cell(torch.zeros(4, 2, 3), past)


def test_a_state_that_is_no_state_of_the_model_is_refused():
    for state, error in (({"z": torch.zeros(2, 5)}, TypeError), (torch.zeros(2, 5), TypeError)):
        with pytest.raises(error):
            hopf()(torch.zeros(4, 2, 3), state)


def test_padding_that_reaches_the_end_of_every_sequence_does_not_count():
    cell, x = hopf(), torch.zeros(6, 2, 3)
    x[3:] = torch.nan
    y, state = cell(pack_padded_sequence(x, [3, 2]))
    expected, end = cell(x[:3, :1])
    torch.testing.assert_close(y.data[y.batch_sizes.cumsum(0) - y.batch_sizes], expected[:, 0])
    torch.testing.assert_close(state["x"][:1], end["x"])
    with pytest.raises(ValueError, match="input x_inp must be finite, got nan"):
        cell(x)


def test_precision_below_float32_is_refused():
    for dtype in (torch.float16, torch.bfloat16):
        with pytest.raises(ValueError, match=r"keep it in float32 and use torch\.autocast"):
            hopf().to(dtype)(torch.zeros(4, 2, 3, dtype=dtype))


def test_states_that_leave_the_finite_numbers_name_state_and_step():
    cell = tm.nn.RecurrentMass(tm.LinearStep(5, gamma=-50.0), 3, 5, 2, dt=10.0, steps_per_sample=50)
    with pytest.raises(tm.NonFiniteError, match=r"x is not finite from x at index \(0, 0\) after step \d+"):
        cell(torch.randn(40, 2, 3))


def test_a_loss_that_is_not_finite_names_what_it_breaks():
    cell = hopf().free("a")
    y, _ = cell(torch.randn(4, 2, 3))
    loss = (y - y.detach()).sqrt().sum()  # 0, with an infinite slope
    with pytest.raises(tm.NonFiniteError, match=r"the gradient for .* is not finite: it broke at the state"):
        loss.backward()


def test_what_is_no_model_of_this_size_is_refused():
    with pytest.raises(ValueError, match="HopfStep has 4 nodes, the cell hidden_size=5"):
        tm.nn.RecurrentMass(tm.HopfStep(4), 3, 5)
    for other in (torch.nn.Linear(5, 5), "HopfStep", torch.nn.Identity):
        with pytest.raises(TypeError, match="needs a model, a Network, or a class of these"):
            tm.nn.RecurrentMass(other, 3, 5)
    for wrong in ({"input_size": 0}, {"hidden_size": 0}, {"output_size": 0}, {"steps_per_sample": 0}):
        sizes = {"input_size": 3, "hidden_size": 5} | wrong
        with pytest.raises(ValueError, match="whole number ≥ 1"):
            tm.nn.RecurrentMass(tm.HopfStep, **sizes)
    with pytest.raises(tm.UnknownNameError):
        hopf(shown="z")
