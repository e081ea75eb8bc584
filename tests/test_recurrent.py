"""A mass is a recurrent layer: sequences, states and modules go through it as through nn.LSTM."""

import copy
import io
import pickle

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_packed_sequence, unpack_sequence

import torchmass as tm


def hopf(**options):
    """Five Hopf nodes that see three numbers a sample and show two, over 2 ms a sample."""
    return tm.nn.RecurrentMass(tm.HopfStep, 3, 5, 2, **{"dt": 0.5, "steps_per_sample": 4, **options}).free("a")


def late(**options):
    """The same, whose nodes hear of each other after 0.3 to 3.8 ms."""
    return hopf(delays=0.3 + 3.5 * torch.rand(5, 5), **options)


CELLS = pytest.mark.parametrize("cell", [hopf, late])


def close(found, expected):
    """Alike to rounding."""
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-13)


@CELLS
def test_a_sequence_is_a_projection_a_run_and_a_projection(cell):
    cell, x = cell(), torch.randn(4, 2, 3)
    y, state = cell(x)
    drive = (x @ cell.input.weight.mT + cell.input.bias).repeat_interleave(4, 0)
    run = tm.Simulator(cell.simulator.model, dt=0.5).run(8.0, inputs=drive, monitors=["x", "y"])
    close(y, run["x"][3::4] @ cell.output.weight.mT + cell.output.bias)
    close(state, dict(run.state))


def test_the_recurrent_matrix_is_to_from():
    cell = tm.nn.RecurrentMass(tm.LinearStep(2, gamma=0.0), 1, 2, dt=1.0)
    cell.assign(weights=[[0.0, 0.5], [0.0, 0.0]])
    _, state = cell(torch.zeros(1, 1), {"x": torch.tensor([0.0, 1.0])})
    at_rest = cell.input.bias
    close(state["x"], torch.tensor([0.5, 1.0]) + at_rest * 1.0 + torch.tensor([0.25, 0.0]) * at_rest[1])


@CELLS
def test_a_state_continues_a_sequence_to_the_bit(cell):
    cell, x = cell(), torch.randn(7, 2, 3)
    whole, (first, state) = cell(x), cell(x[:3])
    rest, end = cell(x[3:], state)
    assert torch.equal(torch.cat((first, rest)), whole[0])
    assert all(torch.equal(end[name], value) for name, value in whole[1].items())


def test_batch_first_turns_axes_and_one_sequence_has_none():
    torch.manual_seed(1)
    cell, x = hopf(), torch.randn(4, 2, 3)
    other = copy.deepcopy(cell)
    other.batch_first = True
    close(other(x.transpose(0, 1))[0].transpose(0, 1), cell(x)[0])
    for each in (cell, other):
        y, state = each(x[:, 1])
        close(y, cell(x)[0][:, 1])
        assert {value.shape for value in state.values()} == {(5,)}


@CELLS
@pytest.mark.parametrize("lengths", [[3, 6, 2], [2, 2, 2], [6, 5, 1, 5]])
def test_packed_sequences_are_each_run_to_their_own_end(cell, lengths):
    cell, sequences = cell(), [torch.randn(length, 3) for length in lengths]
    y, state = cell(pack_sequence(sequences, enforce_sorted=False))
    for i, (found, sequence) in enumerate(zip(unpack_sequence(y), sequences, strict=True)):
        alone, end = cell(sequence)
        close(found, alone)
        close({name: value[..., i, :] for name, value in state.items()}, end)


@CELLS
def test_packed_sequences_start_from_their_own_states_and_carry_gradients(cell):
    cell, x, lengths = cell(), torch.randn(5, 3, 3, requires_grad=True), torch.tensor([2, 5, 4])
    _, start = cell(torch.randn(3, 3, 3))
    start = {name: value.detach() for name, value in start.items()}
    y, end = cell(pack_padded_sequence(x, lengths, enforce_sorted=False), start)
    padded, _ = pad_packed_sequence(y)
    by_hand, ends = zip(
        *(
            cell(x[:n, i], {name: value[..., i, :] for name, value in start.items()})
            for i, n in enumerate(lengths.tolist())
        ),
        strict=True,
    )
    expected = nn.utils.rnn.pad_sequence(list(by_hand))
    close(padded, expected)
    loss = lambda y, states: y.square().sum() + sum(state["y"].sum() for state in states)
    leaves = (x, *cell.parameters())
    found = torch.autograd.grad(loss(padded, [end]), leaves)
    torch.testing.assert_close(found, torch.autograd.grad(loss(expected, ends), leaves), rtol=1e-10, atol=1e-12)
    assert not found[0][2:, 0].any()  # padding


def test_packed_sequences_draw_the_noise_that_padded_ones_do():
    cell = tm.nn.RecurrentMass(tm.HopfStep(5, noise_x=tm.WhiteNoise(0.1)), 3, 5, 2)
    x, lengths = torch.randn(6, 3, 3), torch.tensor([2, 6, 4])
    torch.manual_seed(3)
    whole, _ = cell(x[:, [1, 2, 0]])
    torch.manual_seed(3)
    found, _ = pad_packed_sequence(cell(pack_padded_sequence(x, lengths, enforce_sorted=False))[0])
    for i, k in enumerate([2, 0, 1]):
        close(found[: lengths[i], i], whole[: lengths[i], k])
    assert not torch.equal(cell(x)[0], cell(x)[0])


def test_it_stands_in_a_sequential():
    layers = nn.Sequential(
        hopf(return_state=False), nn.Tanh(), tm.nn.RecurrentMass(tm.WongWangStep, 2, 4), nn.Identity()
    )
    y, state = layers(torch.randn(4, 2, 3))
    assert y.shape == (4, 2, 4)
    assert set(state) == set(tm.WongWangStep.state_declarations)


def test_a_network_is_taken_as_it_is():
    network = tm.Network(tm.HopfStep(5), torch.rand(5, 5), k=0.1).free("k")
    cell = tm.nn.RecurrentMass(network, 3, 5, 2)
    assert cell.simulator.model is network
    assert {name for name, _ in cell.named_parameters()} == {
        *("input.weight", "input.bias", "output.weight", "output.bias", "simulator.model.coupling.raw.k")
    }
    with pytest.raises(TypeError, match="couplings of its own; k cannot"):
        tm.nn.RecurrentMass(network, 3, 5, 2, k=0.2)


def test_values_start_within_one_over_the_root_of_the_hidden_size():
    cell = tm.nn.RecurrentMass(tm.HopfStep, 300, 25, 400)
    for value in (*cell.input.parameters(), *cell.output.parameters(), cell.simulator.model.coupling.weights):
        assert 0.15 < value.abs().max() <= 0.2


@CELLS
def test_it_is_copied_pickled_and_brought_back_by_its_state_dict(cell):
    cell, x = cell(), torch.randn(4, 2, 3)
    expected = cell(x)[0]
    other = hopf(delays=1.0) if cell.simulator.model.coupling.lags() is not None else hopf()
    file = io.BytesIO()
    torch.save(cell.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file))
    for same in (copy.deepcopy(cell), pickle.loads(pickle.dumps(cell)), other):
        assert same is not cell
        close(same(x)[0], expected)
        same(x)[0].sum().backward()
    assert all(parameter.grad is None for parameter in cell.parameters())
