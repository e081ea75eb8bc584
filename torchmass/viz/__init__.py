"""Plots of runs and connectomes with matplotlib, which is imported when the first one is drawn."""

from torchmass.viz.bifurcation import plot_bifurcation as plot_bifurcation
from torchmass.viz.connectivity import plot_connectivity as plot_connectivity
from torchmass.viz.connectivity import plot_functional_connectivity as plot_functional_connectivity
from torchmass.viz.phase import plot_phase_portrait as plot_phase_portrait
from torchmass.viz.spectrum import plot_power_spectrum as plot_power_spectrum
from torchmass.viz.timeseries import plot_timeseries as plot_timeseries
