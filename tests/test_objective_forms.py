"""Every objective is a loss, 0 at best, that batches, that has a gradient, and that adds up with weights."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import grad, vmap

import torchmass as tm
from torchmass import objectives as o
from torchmass.undefined import tolerant

ORACLE = np.load(Path(__file__).parent / "reference" / "objectives.npz")
P, Q = (torch.tensor(ORACLE[name]) for name in ("prediction", "target"))
FORMS = [
    *(o.TimeSeries(distance=name) for name in o.TimeSeries.distances),
    *(o.FC(distance=name) for name in o.FC.distances),
    *(o.LaggedCovariance(distance=name) for name in o.LaggedCovariance.distances),
    *(o.LaggedCorrelation(distance=name, lag=2) for name in o.LaggedCorrelation.distances),
    *(o.FCD(distance=name, window=12, step=6) for name in o.FCD.distances),
    *(o.EvokedResponse(distance=n, onsets=(60.0, 150.0), dt=10, before=20, after=100) for n in ("rmse", "correlation")),
    *(o.PSD(distance=name, dt=10.0, nperseg=20) for name in o.PSD.distances),
    *(o.BandPower(distance=name, dt=10.0, low=5, high=20, nperseg=20) for name in o.BandPower.distances),
    o.SpectralCentroid(dt=10.0, low=5, high=None, nperseg=20),
    o.PeakFrequency(dt=10.0, low=0, high=None, nperseg=20),
    *(o.PhaseLocking(distance=name) for name in o.PhaseLocking.distances),
    *(o.EnvelopeCorrelation(distance=name) for name in o.EnvelopeCorrelation.distances),
    o.Synchrony(),
    o.Metastability(),
]
SMOOTH = [form for form in FORMS if "sample ks" not in repr(form)]
OF_CONSTANTS = {  # have a value for these too
    o.TimeSeries(),
    o.TimeSeries(distance="cosine"),
    *(form for form in FORMS if isinstance(form, o.LaggedCovariance)),
    *(form for form in FORMS if isinstance(form, o.EvokedResponse) and form.distance == "rmse"),
}
THERE = {  # what the reference calls them
    "timeseries_rmse": o.TimeSeries(),
    "cosine_sim_loss": o.TimeSeries(distance="cosine"),
    "fc_corr_loss": o.FC(),
    "fcd_w20_s10_loss": o.FCD(distance="correlation", window=20, step=10),
    "fcd_ks": o.FCD(),
    "fcd_wasserstein": o.FCD(distance="wasserstein"),
}
every_form = pytest.mark.parametrize("form", FORMS, ids=repr)
every_smooth_form = pytest.mark.parametrize("form", SMOOTH, ids=repr)


def rhythms(*shape: int) -> torch.Tensor:
    """Noisy rhythms near 15 Hz, of a sample every 10 ms, whose highest power is inside the band."""
    t = torch.arange(shape[0]).reshape(-1, *[1] * (len(shape) - 1)) * 0.01
    return (
        torch.sin(2 * torch.pi * (15 + torch.randn(shape[1:])) * t + torch.rand(shape[1:]) * 6) + torch.randn(shape) / 4
    )


@pytest.mark.parametrize(("name", "form"), THERE.items(), ids=THERE)
def test_values_and_gradients_equal_the_functional_reference(name, form):
    slope = torch.autograd.functional.jacobian(lambda p: form(p, Q), P)
    np.testing.assert_allclose(form(P, Q), ORACLE[f"value.{name}"], rtol=1e-12)
    np.testing.assert_allclose(slope, ORACLE[f"grad.{name}"], rtol=1e-8, atol=1e-12)


def test_the_fc_rmse_is_the_references_less_its_diagonal():
    np.testing.assert_allclose(o.FC(distance="rmse")(P, Q) * (5 / 6) ** 0.5, ORACLE["value.fc_rmse"], rtol=1e-12)


@every_form
def test_an_objective_is_0_for_the_target_itself_and_above_it_for_another_series(form):
    x = rhythms(40, 5)
    torch.testing.assert_close(form(x, x), torch.tensor(0.0), atol=1e-12, rtol=0)
    assert form(rhythms(40, 5), x) > 1e-4


@every_smooth_form
def test_gradients_at_the_target_itself_are_finite(form):
    x = rhythms(40, 5)
    assert grad(lambda p: form(p, x))(x).isfinite().all()


@every_form
@pytest.mark.parametrize("target_batch", [(), (2, 3)])
def test_a_batch_of_predictions_is_a_loop(form, target_batch):
    p, q = rhythms(40, 2, 3, 5), rhythms(40, *target_batch, 5)
    losses = form(p, q)
    assert losses.shape == (2, 3)
    for i in np.ndindex(2, 3):
        one = q[:, *i] if target_batch else q
        torch.testing.assert_close(losses[i], form(p[:, *i], one))


@every_smooth_form
def test_gradients_of_objectives_are_exact(form):
    p, q = rhythms(30, 2, 4).requires_grad_(), rhythms(30, 4)
    assert torch.autograd.gradcheck(lambda p: form(p, q), p, fast_mode=True)


def test_an_exact_kolmogorov_smirnov_distance_has_no_gradient_rather_than_one_of_0():
    p = rhythms(40, 5).requires_grad_()
    assert not o.FCD(distance="sample ks", window=12)(p, rhythms(40, 5)).requires_grad


@every_form
def test_objectives_take_vmap_over_a_batch(form):
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    torch.testing.assert_close(vmap(form, in_dims=(1, None))(p, q), form(p, q))


@pytest.mark.parametrize("form", [form for form in FORMS if form not in OF_CONSTANTS], ids=repr)
def test_a_signal_that_stands_still_is_refused_and_named(form):
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    p[:, 1, 2] = 0.3
    with pytest.raises(ValueError, match=r"constant at index \[(\d+, )?1, 2\]"):  # FCD's first is the window
        form(p, q)


@pytest.mark.parametrize("form", [o.FC(), o.FCD(window=12), o.TimeSeries(distance="correlation"), o.PhaseLocking()])
def test_under_vmap_only_the_member_that_stands_still_is_nan(form):
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    p[:, 1, 2] = 0.3
    losses = vmap(form, in_dims=(1, None))(p, q)
    assert losses.isnan().tolist() == [False, True, False]
    torch.testing.assert_close(losses[[0, 2]], form(p[:, [0, 2]], q))


@pytest.mark.parametrize("form", [form for form in FORMS if form not in OF_CONSTANTS], ids=repr)
def test_where_failures_are_tolerated_only_the_member_that_stands_still_is_nan(form):
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    p[:, 1, 2] = 0.3
    with tolerant():
        losses = form(p, q)
        with pytest.raises(ValueError, match="not finite"):
            form(p, q * torch.nan)
    assert losses.isnan().tolist() == [False, True, False]
    torch.testing.assert_close(losses[[0, 2]], form(p[:, [0, 2]], q))


def test_objectives_compile_into_one_graph():
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    total = o.FC() + o.FCD(window=12) + 0.1 * o.PSD(dt=10.0, nperseg=20) + o.Metastability() + o.TimeSeries()
    compiled = torch.compile(total.__call__, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(p, q), total(p, q))


@every_smooth_form
def test_objectives_keep_float32_and_its_digits(form):
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    found = form(p.float(), q.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), form(p, q), rtol=1e-4, atol=1e-5)


@every_form
def test_a_missing_value_in_the_target_is_refused_and_named(form):
    q = rhythms(40, 5)
    q[7, 3] = torch.nan
    with pytest.raises(ValueError, match=r"target has 1 values that are not finite, the first at index \[7, 3\]"):
        form(rhythms(40, 5), q)


@pytest.mark.parametrize("form", [f for f in FORMS if not isinstance(f, (o.FCD, o.Synchrony))], ids=repr)
def test_series_of_different_regions_are_refused(form):
    with pytest.raises(
        ValueError, match=r"prediction has 5 regions and target has 4|same regions.*\(5, 5\) and \(4, 4\)"
    ):
        form(rhythms(40, 5), rhythms(40, 4))


def test_series_of_different_lengths_are_refused_where_samples_are_compared():
    with pytest.raises(ValueError, match="prediction has 40 rows and target has 39"):
        o.TimeSeries()(rhythms(40, 5), rhythms(39, 5))
    assert o.FC()(rhythms(40, 5), rhythms(39, 5)).isfinite()


def test_a_sum_is_the_weighted_sum_of_its_terms_which_it_tells_without_weights():
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    total = 0.7 * o.FC() + 0.3 * o.FCD(window=12)
    assert list(total.terms(p, q)) == ["FC()", "FCD(window=12)"]
    fc, fcd = total.terms(p, q).values()
    torch.testing.assert_close(fc, o.FC()(p, q))
    torch.testing.assert_close(total(p, q), 0.7 * fc + 0.3 * fcd)
    torch.testing.assert_close((2 * total)(p, q), 2 * total(p, q))


def test_a_sum_shows_its_weights_and_can_be_read_back():
    total = 0.7 * o.FC() + 0.3 * o.FCD(window=12).of("bold") + o.PSD(dt=2.0, high=40.0) + o.FC().precomputed()
    assert repr(total) == ("0.7 * FC() + 0.3 * FCD(window=12).of('bold') + PSD(dt=2.0, high=40.0) + FC().precomputed()")
    assert eval(repr(total), vars(o).copy()) == total


def test_combine_is_a_sum_in_which_equal_terms_are_one():
    assert o.combine(0.7 * o.FC(), 0.3 * o.FCD()) == 0.7 * o.FC() + 0.3 * o.FCD()
    assert o.combine(o.FC(), 2 * o.FC(), o.FC(distance="rmse")) == 3 * o.FC() + o.FC(distance="rmse")
    with pytest.raises(TypeError, match="in Custom"):
        o.combine(o.FC(), lambda p, q: p.mean())


def test_objectives_can_be_copied_and_stored():
    total = 0.7 * o.FC() + 0.3 * o.FCD(window=12).of("bold")
    assert copy.deepcopy(total) == total == pickle.loads(pickle.dumps(total))


def test_a_function_of_ones_own_is_a_term():
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    total = 2 * o.Custom(lambda p, q: (p[-1] - q[-1]).abs().sum(-1)) + o.FC()
    torch.testing.assert_close(total(p, q), 2 * (p[-1] - q[-1]).abs().sum(-1) + o.FC()(p, q))


def test_a_series_is_picked_out_of_a_result_and_of_a_target_that_may_name_it_otherwise():
    node = tm.HopfStep(5, a=0.1, w=torch.linspace(0.2, 0.4, 5), init_x=torch.linspace(0.1, 0.5, 5))
    run, q = tm.Simulator(node, dt=1.0).run(60.0), rhythms(60, 5)
    expected = o.FC()(run["x"], q)
    assert torch.equal(o.FC().of("x")(run, q), expected)
    assert torch.equal(o.FC().of("x")(run, {"x": q}), expected)
    assert torch.equal(o.FC().of("x", "recorded")(run, {"recorded": q}), expected)
    assert torch.equal((o.FC() + o.TimeSeries().of("y")).of("x").terms(run, q)["FC().of('x')"], expected)
    assert (o.FC() + o.TimeSeries().of("y")).of("x") == o.FC().of("x") + o.TimeSeries().of("y")


def test_a_series_that_is_not_there_or_not_said_is_refused():
    p = {"x": rhythms(40, 5), "y": rhythms(40, 5)}
    with pytest.raises(ValueError, match="prediction has the series x, y: say which"):
        o.FC()(p, p["x"])
    with pytest.raises(tm.UnknownNameError, match="the prediction has no series 'bold'"):
        o.FC().of("bold")(p, p["x"])
    with pytest.raises(tm.UnknownNameError, match="the target has no series 'z'"):
        o.FC().of("x", "z")(p, p)
    with pytest.raises(TypeError, match="target must be a tensor or a mapping of tensors, got ndarray"):
        o.FC()(p["x"], p["x"].numpy())


def test_a_recorded_quantity_is_a_target_and_an_fc_is_not_taken_for_a_series():
    p, q = rhythms(40, 3, 5), rhythms(40, 5)
    fc = o.functional_connectivity(q)
    torch.testing.assert_close(o.FC().precomputed()(p, fc), o.FC()(p, q))
    with pytest.raises(ValueError, match=r"takes FC\(\).precomputed\(\)"):
        o.FC()(p, fc)
    power = o.PSD(dt=10.0).quantity(q)
    torch.testing.assert_close(o.PSD(dt=10.0).precomputed()(p, power), o.PSD(dt=10.0)(p, q))


def test_wrong_distances_options_and_weights_are_refused():
    with pytest.raises(tm.UnknownNameError, match="FC has no distance 'rsme'; did you mean 'rmse'"):
        o.FC(distance="rsme")
    with pytest.raises(TypeError, match="windw"):
        o.FCD(windw=30)
    for weight in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match=r"the weight of FC\(\) must be > 0"):
            weight * o.FC()
    for wrong in (lambda: torch.ones(2) * o.FC(), lambda: "2" * o.FC(), lambda: o.FC() + 1.0):
        with pytest.raises(TypeError):
            wrong()


def test_descent_on_a_sum_finds_the_coupling_that_made_the_target():
    t, mix = torch.randn(200, 4), torch.tensor(0.0, requires_grad=True)
    series = lambda mix: t + mix * t.roll(1, -1)
    objective, target = 0.5 * o.FC(distance="rmse") + o.LaggedCovariance(lag=0), series(torch.tensor(0.4))
    optimiser = torch.optim.Adam([mix], lr=0.05)
    for _ in range(150):
        optimiser.zero_grad()
        objective(series(mix), target).backward()
        optimiser.step()
    torch.testing.assert_close(mix.detach(), torch.tensor(0.4), atol=0.05, rtol=0)
