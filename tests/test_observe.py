"""Observers see the same signal whole or in stretches, one after the other or apart, with exact gradients."""

import copy
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import torchmass as tm

DT = 2.0  # ms
STREAMING = {  # every observer that takes a signal in stretches, and whether its rows are then the same to the bit
    "Subsample": (lambda: tm.Subsample(8.0), True),
    "TemporalAverage": (lambda: tm.TemporalAverage(8.0), False),
    "BOLDSignal": (lambda: tm.BOLDSignal(), False),
    "BOLDSignal(tr)": (lambda: tm.BOLDSignal(tr=100.0), False),
    "HRFBold": (lambda: tm.HRFBold("gamma", duration=150.0, tau=20.0), False),
    "HRFBold(tr)": (lambda: tm.HRFBold("gamma", duration=150.0, tau=20.0, tr=100.0), False),
    "BandPass": (lambda: tm.BandPass(20.0, 100.0, method="iir"), False),
    "Spectrum": (lambda: tm.Spectrum(100.0), False),
    "Spectrogram": (lambda: tm.Spectrogram(100.0), False),
    "Covariance": (tm.Covariance, False),
    "Correlation": (tm.Correlation, False),
    "to the end": (lambda: tm.TemporalAverage(4.0).then(tm.Spectrum(100.0)), False),
    "Chain": (lambda: tm.TemporalAverage(4.0).then(tm.BOLDSignal(tr=100.0), tm.Subsample(200.0)), False),
}
BATCH = {tm.Spectrogram: 2, tm.Covariance: 0, tm.Correlation: 0}  # where the batch axes of a result are, if not first
streaming = pytest.mark.parametrize(("make", "exact"), STREAMING.values(), ids=STREAMING.keys())
observers = pytest.mark.parametrize("make", [make for make, _ in STREAMING.values()], ids=STREAMING.keys())


def signal(*shape: int) -> torch.Tensor:
    return torch.rand(shape) + torch.linspace(0, 1, shape[0]).reshape(-1, *(1,) * (len(shape) - 1))


def in_stretches(observer: tm.Observer, z: torch.Tensor, cuts: list[int]) -> torch.Tensor:
    carry, rows = None, []
    for begin, end in zip([0, *cuts], [*cuts, len(z)], strict=True):
        carry, some = observer.feed(carry, z[begin:end], dt=DT)
        rows.append(some)
    found = observer.finish(carry)
    return torch.cat(rows) if found is None else found


@streaming
@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(0, 300), max_size=5).map(sorted))
def test_stretches_of_any_lengths_give_the_rows_of_the_whole(make, exact, cuts):
    observer, z = make(), signal(300, 2, 3)
    tolerance = {"rtol": 0, "atol": 0} if exact else {"rtol": 1e-11, "atol": 1e-13}
    torch.testing.assert_close(in_stretches(observer, z, cuts), observer(z, dt=DT), **tolerance)


@observers
def test_what_is_carried_is_tensors_and_can_be_differentiated(make):
    def flat(carry):
        return [t for item in carry for t in flat(item)] if isinstance(carry, tuple) else [carry]

    observer, z = make(), signal(300, 2).requires_grad_()
    carry, _ = observer.feed(None, z[:130], dt=DT)
    assert all(isinstance(item, torch.Tensor) for item in flat(carry))
    (whole,) = torch.autograd.grad(observer(z, dt=DT).square().sum(), z)
    (parts,) = torch.autograd.grad(in_stretches(observer, z, [130]).square().sum(), z)
    assert whole.abs().max() > 0
    torch.testing.assert_close(parts, whole, rtol=1e-9, atol=1e-13)


@observers
def test_a_batch_is_a_loop(make):
    observer, z = make(), signal(300, 2, 3)
    found, axis = observer(z, dt=DT), BATCH.get(type(observer), 1)
    for i in range(2):
        torch.testing.assert_close(found.select(axis, i), observer(z[:, i], dt=DT), rtol=1e-12, atol=1e-14)


@observers
def test_gradients_of_the_signal_are_exact(make):
    observer, shapes = make(), torch.randn(2, 300, 2)
    weights = torch.randn_like(observer(shapes[0], dt=DT))

    def seen(a, b):
        return (observer(1 + a * shapes[0] + b * shapes[1], dt=DT) * weights).sum()

    assert torch.autograd.gradcheck(seen, torch.tensor([0.3, 0.2]).requires_grad_().unbind())


@observers
def test_rows_lie_as_far_apart_as_spacing_says(make):
    observer, z = make(), signal(300, 2)
    spacing = observer.spacing(DT)
    if spacing is not None:
        expected = int(300 * DT / spacing)
        assert expected - 1 <= len(observer(z, dt=DT)) <= expected  # a window has a row when it ends


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Chain", "HRFBold", "Covariance"])
def test_observers_compile_to_one_graph(name):
    observer, z = STREAMING[name][0](), signal(300, 2)
    torch.compiler.reset()
    found = torch.compile(lambda z: observer(z, dt=DT), fullgraph=True, backend="aot_eager")(z)
    torch.testing.assert_close(found, observer(z, dt=DT))


@observers
def test_vmap_is_a_batch(make):
    observer, z = make(), signal(300, 3, 2)
    found = torch.func.vmap(lambda z: observer(z, dt=DT), in_dims=1)(z)
    for i in range(3):
        torch.testing.assert_close(found[i], observer(z[:, i], dt=DT), rtol=1e-11, atol=1e-13)


@observers
def test_observers_can_be_copied_stored_and_restored(make):
    observer, z = make(), signal(300, 2)
    expected = observer(z, dt=DT)
    restored = make()
    restored.load_state_dict(observer.state_dict())
    for other in (copy.deepcopy(observer), pickle.loads(pickle.dumps(observer)), restored):
        torch.testing.assert_close(other(z, dt=DT), expected)


@observers
def test_what_is_no_signal_is_refused(make):
    observer = make()
    with pytest.raises(TypeError, match="floating-point tensor"):
        observer(torch.ones(4, 2, dtype=torch.int64), dt=1.0)
    with pytest.raises(ValueError, match="time first, nodes last"):
        observer(torch.ones(4), dt=1.0)
    with pytest.raises(ValueError, match="dt, the time between two samples"):
        observer(torch.ones(4, 2), dt=0.0)


def test_a_subsample_is_the_last_of_every_period():
    z = signal(11, 3)
    assert torch.equal(tm.Subsample(8.0)(z, dt=2.0), z[3::4])


def test_a_temporal_average_is_the_mean_of_every_period_and_drops_the_remainder():
    z = signal(11, 2, 3)
    expected = torch.stack([z[:4].mean(0), z[4:8].mean(0)])
    torch.testing.assert_close(tm.TemporalAverage(8.0)(z, dt=2.0), expected)


@pytest.mark.parametrize("cls", [tm.Subsample, tm.TemporalAverage])
@pytest.mark.parametrize(("period", "message"), [(3.0, "no multiple of dt"), (0.0, "at least 2 ms"), (-2.0, "≥ 0 ms")])
def test_a_period_that_is_no_number_of_samples_is_refused(cls, period, message):
    with pytest.raises(ValueError, match=message):
        cls(period)(signal(10, 2), dt=2.0)


def test_a_chain_hands_on_the_rows_and_their_spacing():
    z = signal(400, 2)
    average, bold = tm.TemporalAverage(4.0), tm.BOLDSignal(tr=200.0)
    chain = average.then(bold)
    assert chain.spacing(2.0) == 200.0
    assert torch.equal(chain(z, dt=2.0), bold(average(z, dt=2.0), dt=4.0))


def test_a_chain_frees_the_parameter_of_the_observer_that_has_it():
    chain = tm.TemporalAverage(4.0).then(tm.BOLDSignal()).free("kappa", tau=(500.0, 2000.0))
    assert {name for name, _ in chain.named_parameters()} == {"members.1.raw.kappa", "members.1.raw.tau"}
    chain.assign(kappa=1e-3).fix("kappa")
    torch.testing.assert_close(chain[1].kappa, torch.tensor(1e-3))
    with pytest.raises(tm.UnknownNameError, match="did you mean 'kappa'"):
        chain.free("kapa")


def test_an_ambiguous_parameter_of_a_chain_is_refused():
    with pytest.raises(ValueError, match="name it on"):
        tm.Chain(tm.BOLDSignal(), tm.BOLDSignal()).free("kappa")


def test_a_chain_is_made_of_observers():
    with pytest.raises(TypeError, match="made of observers, got Linear"):
        tm.Chain(torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="needs an observer"):
        tm.Chain()


def test_chains_are_flat():
    assert len(tm.Subsample(2.0).then(tm.Subsample(4.0)).then(tm.Subsample(8.0))) == 3
