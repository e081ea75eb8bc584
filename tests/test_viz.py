"""Plots show the data they are given, on the axes they are given, in the units they state."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import torchmass as tm
import torchmass.viz as viz

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")


@pytest.fixture(autouse=True)
def _closed_figures():
    yield
    plt.close("all")


@pytest.fixture
def ax():
    return plt.figure().add_subplot()


WAVE = torch.sin(torch.arange(200.0) / 7)
PAIR = torch.stack([WAVE, WAVE.roll(5)], dim=1)  # (T, 2)
NOISE = torch.randn(400, 3, generator=torch.Generator().manual_seed(0))
WEIGHTS = torch.tensor([[0.0, 2.0], [0.5, 0.0]])  # [to, from]

ON_AXES = {
    "timeseries": lambda ax: viz.plot_timeseries(PAIR, ax=ax),
    "phase": lambda ax: viz.plot_phase_portrait(PAIR, 2 * PAIR, ax=ax),
    "connectivity": lambda ax: viz.plot_connectivity(WEIGHTS, ax=ax),
    "functional": lambda ax: viz.plot_functional_connectivity(NOISE, ax=ax),
    "spectrum": lambda ax: viz.plot_power_spectrum(PAIR, 1.0, ax=ax),
    "bifurcation": lambda ax: viz.plot_bifurcation([0.0, 1.0], PAIR, ax=ax),
}


@pytest.mark.parametrize("plot", ON_AXES.values(), ids=ON_AXES)
def test_a_plot_returns_the_axes_it_was_given_and_makes_its_own_otherwise(plot, ax):
    assert plot(ax) is ax
    own = plot(None)
    assert own is not ax
    assert own.figure is not ax.figure


@pytest.mark.parametrize("plot", ON_AXES.values(), ids=ON_AXES)
def test_a_plot_can_be_rendered_without_a_warning(plot):
    plot(None).figure.canvas.draw()


def test_a_timeseries_is_one_line_a_node_over_its_times():
    ts = torch.arange(1, 201) * 0.1
    ax = viz.plot_timeseries(PAIR, ts, labels=["left", "right"])
    assert [line.get_label() for line in ax.lines] == ["left", "right"]
    for i, line in enumerate(ax.lines):
        np.testing.assert_array_equal(line.get_xdata(), ts.double())
        np.testing.assert_array_equal(line.get_ydata(), PAIR[:, i].double())
    assert ax.get_xlabel() == "time (ms)"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["left", "right"]


def test_without_times_the_axis_counts_samples():
    ax = viz.plot_timeseries(WAVE)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), np.arange(200))
    assert ax.get_xlabel() == "sample"
    assert ax.get_legend() is None


@pytest.mark.parametrize(
    "convert",
    [
        lambda x: x.clone().requires_grad_(),
        lambda x: x.numpy(),
        lambda x: x.numpy()[::-1][::-1],
        lambda x: x.tolist(),
        lambda x: list(x.clone().requires_grad_()),
        lambda x: x.double(),
    ],
    ids=["grad", "numpy", "strided", "list", "list of tensors", "float64"],
)
def test_tensors_arrays_and_lists_draw_the_same(convert):
    ax = viz.plot_timeseries(convert(PAIR))
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), PAIR[:, 1].double())


def test_a_plot_leaves_the_data_and_its_gradient_alone():
    x = PAIR.clone().requires_grad_()
    viz.plot_timeseries(x)
    assert x.requires_grad
    assert torch.equal(x, PAIR)


def test_more_lines_than_the_colour_cycle_have_colours_of_their_own():
    ax = viz.plot_timeseries(torch.randn(20, 40))
    assert len({str(line.get_color()) for line in ax.lines}) == 40


def test_a_phase_portrait_marks_start_and_end_of_each_path():
    ax = viz.plot_phase_portrait(PAIR, 3 * PAIR)
    path, start, end = ax.lines[3:]
    np.testing.assert_array_equal(path.get_xydata(), torch.stack([PAIR[:, 1], 3 * PAIR[:, 1]], 1).double())
    np.testing.assert_array_equal(start.get_xydata()[0], path.get_xydata()[0])
    np.testing.assert_array_equal(end.get_xydata()[0], path.get_xydata()[-1])
    assert start.get_markerfacecolor() == "white"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["start", "end"]


def test_a_bifurcation_diagram_has_one_dot_for_rest_and_the_turns_of_what_moves():
    wave = torch.cos(torch.arange(400) * 2 * torch.pi / 100)  # turns at 0, 50, 100, …
    x = torch.stack([torch.full((400,), 0.3), 2 * wave, torch.linspace(0, 1e-4, 400)], 1)
    minima, maxima = viz.plot_bifurcation([5.0, 6.0, 7.0], x).lines
    np.testing.assert_allclose(minima.get_xydata(), [[6, -2]] * 4, atol=1e-6)
    np.testing.assert_allclose(maxima.get_xydata(), [[5, 0.3], *[[6, 2]] * 3, [7, 1e-4]], atol=1e-6)


def test_a_bifurcation_diagram_needs_a_value_for_each_node():
    with pytest.raises(ValueError, match=r"values must be \(N,\) with N=2.*got shape \(3,\)"):
        viz.plot_bifurcation([1.0, 2.0, 3.0], PAIR)


def test_connectivity_has_senders_across_and_receivers_down():
    ax = viz.plot_connectivity(WEIGHTS, labels=["V1", "V2"])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("from", "to")
    np.testing.assert_array_equal(ax.images[0].get_array(), WEIGHTS.double())
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["V1", "V2"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["V1", "V2"]
    assert ax.images[0].get_extent() == [-0.5, 1.5, 1.5, -0.5]  # row 0 on top, column 0 on the left
    assert ax.images[0].colorbar.ax.get_ylabel() == "weight"


@pytest.mark.parametrize(
    ("weights", "limits"),
    [(WEIGHTS, (0.0, 2.0)), (WEIGHTS - 1, (-1.0, 1.0)), (-WEIGHTS, (-2.0, 0.0)), (0 * WEIGHTS, (0.0, 1.0))],
    ids=["positive", "signed", "negative", "zero"],
)
def test_the_colours_of_weights_include_zero_and_are_symmetric_for_both_signs(weights, limits):
    assert viz.plot_connectivity(weights).images[0].get_clim() == limits


def test_functional_connectivity_is_the_correlation_of_the_nodes():
    x = NOISE + NOISE[:, :1]
    ax = viz.plot_functional_connectivity(x)
    np.testing.assert_allclose(ax.images[0].get_array(), torch.corrcoef(x.double().T), atol=1e-12)
    assert ax.images[0].get_clim() == (-1.0, 1.0)
    assert ax.images[0].colorbar.ax.get_ylabel() == "correlation"


def test_functional_connectivity_takes_the_matrix_itself():
    matrix = torch.tensor([[1.0, -0.3], [-0.3, 1.0]])
    ax = viz.plot_functional_connectivity(matrix, is_matrix=True, labels=["a", "b"])
    np.testing.assert_array_equal(ax.images[0].get_array(), matrix.double())


@pytest.mark.parametrize("dt", [0.1, 0.5, 4.0])
def test_a_sine_of_10_hz_peaks_at_10_hz(dt):
    t = torch.arange(0, 10_000, dt)  # ms
    ax = viz.plot_power_spectrum(torch.sin(2 * torch.pi * 10e-3 * t), dt)
    f, power = ax.lines[0].get_data()
    assert f[power.argmax()] == pytest.approx(10.0, abs=0.01)
    assert f[-1] == pytest.approx(500 / dt)
    assert ax.get_xlabel() == "frequency (Hz)"
    assert ax.get_yscale() == "log"


def test_power_sums_to_the_variance_of_the_signal():
    t = torch.arange(0, 10_000, 0.5)
    f, power = viz.plot_power_spectrum(3 * torch.sin(2 * torch.pi * 10e-3 * t), 0.5).lines[0].get_data()
    assert power.sum() * (f[1] - f[0]) == pytest.approx(9 / 2, rel=1e-3)


def test_the_window_sets_the_resolution_and_fmax_the_end():
    x = torch.randn(2000, 2)
    ax = viz.plot_power_spectrum(x, 1.0, nperseg=500, fmax=40.0, labels=["a", "b"])
    np.testing.assert_allclose(ax.lines[0].get_xdata(), np.arange(2.0, 41.0, 2.0))
    assert len(ax.lines) == 2


BATCH = torch.randn(20, 4, 3)
HOLED = torch.where(torch.arange(200) == 7, torch.nan, WAVE)
STILL = torch.stack([WAVE, torch.full_like(WAVE, 0.1)], 1)

WRONG = {
    "batch": (lambda: viz.plot_timeseries(BATCH), r"shape \(20, 4, 3\).*pick one of the batch, x\[:, 0\]"),
    "batch of spectra": (lambda: viz.plot_power_spectrum(BATCH, 1.0), r"pick one of the batch"),
    "batch of phases": (lambda: viz.plot_phase_portrait(BATCH, BATCH), r"pick one of the batch"),
    "batch of matrices": (lambda: viz.plot_connectivity(torch.ones(2, 3, 3)), r"pick one, weights\[0\]"),
    "scalar": (lambda: viz.plot_timeseries(1.0), r"must be \(T,\) or \(T, N\)"),
    "empty": (lambda: viz.plot_timeseries([]), r"at least 1 samples"),
    "nan": (lambda: viz.plot_timeseries(HOLED), r"1 values that are not finite, the first at index \(7,\)"),
    "inf": (lambda: viz.plot_connectivity([[1.0, torch.inf], [0.0, 1.0]]), r"index \(0, 1\)"),
    "times": (lambda: viz.plot_timeseries(WAVE, torch.arange(3.0)), r"ts must be \(T,\) with T=200"),
    "labels": (lambda: viz.plot_timeseries(PAIR, labels=["a"]), r"1 names for 2 nodes"),
    "shapes": (lambda: viz.plot_phase_portrait(PAIR, WAVE), r"same shape, got \(200, 2\) and \(200, 1\)"),
    "not square": (lambda: viz.plot_connectivity(torch.ones(2, 3)), r"square matrix \(N, N\).*\(2, 3\)"),
    "one node": (lambda: viz.plot_functional_connectivity(WAVE), r"at least 2 nodes"),
    "constant": (lambda: viz.plot_functional_connectivity(STILL), r"constant in node 1 \(1 of 2 nodes\)"),
    "covariance": (lambda: viz.plot_functional_connectivity(3 * torch.eye(2), is_matrix=True), r"in \[-1, 1\], got 3"),
    "constant spectrum": (lambda: viz.plot_power_spectrum(STILL, 1.0), r"constant in node 1.*spectrum"),
    "no step": (lambda: viz.plot_power_spectrum(WAVE, 0.0), r"dt must be > 0 ms"),
    "window": (lambda: viz.plot_power_spectrum(WAVE, 1.0, nperseg=201), r"between 8 and the 200 of x, got 201"),
    "fmax": (lambda: viz.plot_power_spectrum(WAVE, 1.0, fmax=1.0), r"fmax=1.0 Hz leaves nothing to draw"),
}


@pytest.mark.parametrize(("plot", "message"), WRONG.values(), ids=WRONG)
def test_wrong_values_say_what_which_rule_and_what_now(plot, message):
    with pytest.raises(ValueError, match=message):
        plot()
    assert not plt.get_fignums()  # and leave no empty figure behind


@pytest.mark.parametrize(
    ("plot", "message"),
    [
        (lambda: viz.plot_timeseries("abc"), "x must be a tensor"),
        (lambda: viz.plot_timeseries(torch.zeros(3, dtype=torch.complex64)), "complex"),
        (lambda: viz.plot_timeseries(PAIR, labels="ab"), "labels takes a list"),
    ],
    ids=["text", "complex", "one string for labels"],
)
def test_wrong_types_raise_a_type_error(plot, message):
    with pytest.raises(TypeError, match=message):
        plot()


@pytest.mark.parametrize("package", ["matplotlib", "scipy"])
def test_a_missing_package_is_named_with_its_extra(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf"plotting needs {package}: pip install 'torchmass\[viz\]'\."):
        viz.plot_power_spectrum(WAVE, 1.0)


def test_importing_the_plots_imports_no_plotting_library():
    code = "import sys, torchmass.viz; print([m for m in ('matplotlib', 'scipy') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_result_plots_its_series_with_the_names_of_its_regions():
    connectome = tm.datasets.synthetic_connectome(4, density=0.6)
    r = tm.Simulator(tm.Network(tm.JansenRitStep(4), connectome), 0.1, backend="eager").run(1.0)
    ax = r.plot("E")
    assert [line.get_label() for line in ax.lines] == ["L0", "L1", "R0", "R1"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "E (mV)")
    some = r.plot("E", ["R1", 0])
    assert [line.get_label() for line in some.lines] == ["R1", "L0"]
    assert some.lines[0].get_ydata() == pytest.approx(r["E"][:, 3].numpy())
    with pytest.raises(ValueError, match="the result has no node 'R9'"):
        r.plot("E", ["R9"])
    with pytest.raises(ValueError, match="the result has no series 'Q'"):
        r.plot("Q")
