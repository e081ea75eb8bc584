"""What a fit compares, as pure, differentiable functions, and what it minimises, as objectives that add up.

Functions of time series (T, *b, N) give quantities, functions of two quantities give (*b). Every objective is a loss of
(prediction, target): `objective = 0.7 * FC() + 0.3 * FCD(window=60)`, `objective(prediction, target)`.
"""

from torchmass.objectives.comparison import Custom as Custom
from torchmass.objectives.connectivity import fc_correlation as fc_correlation
from torchmass.objectives.connectivity import fc_rmse as fc_rmse
from torchmass.objectives.connectivity import functional_connectivity as functional_connectivity
from torchmass.objectives.connectivity import lagged_correlation as lagged_correlation
from torchmass.objectives.connectivity import lagged_covariance as lagged_covariance
from torchmass.objectives.connectivity import upper_triangle as upper_triangle
from torchmass.objectives.distribution import density as density
from torchmass.objectives.distribution import ks_distance as ks_distance
from torchmass.objectives.distribution import sample_ks as sample_ks
from torchmass.objectives.distribution import sample_wasserstein as sample_wasserstein
from torchmass.objectives.distribution import wasserstein_1d as wasserstein_1d
from torchmass.objectives.dynamics import fcd as fcd
from torchmass.objectives.dynamics import fcd_distribution as fcd_distribution
from torchmass.objectives.dynamics import fcd_ks as fcd_ks
from torchmass.objectives.dynamics import fcd_wasserstein as fcd_wasserstein
from torchmass.objectives.evoked import evoked_response as evoked_response
from torchmass.objectives.forms import FC as FC
from torchmass.objectives.forms import FCD as FCD
from torchmass.objectives.forms import EvokedResponse as EvokedResponse
from torchmass.objectives.forms import LaggedCorrelation as LaggedCorrelation
from torchmass.objectives.forms import LaggedCovariance as LaggedCovariance
from torchmass.objectives.forms import TimeSeries as TimeSeries
from torchmass.objectives.objective import Objective as Objective
from torchmass.objectives.objective import combine as combine
from torchmass.objectives.rhythms import PSD as PSD
from torchmass.objectives.rhythms import BandPower as BandPower
from torchmass.objectives.rhythms import EnvelopeCorrelation as EnvelopeCorrelation
from torchmass.objectives.rhythms import Metastability as Metastability
from torchmass.objectives.rhythms import PeakFrequency as PeakFrequency
from torchmass.objectives.rhythms import PhaseLocking as PhaseLocking
from torchmass.objectives.rhythms import SpectralCentroid as SpectralCentroid
from torchmass.objectives.rhythms import Synchrony as Synchrony
from torchmass.objectives.spectrum import band_power as band_power
from torchmass.objectives.spectrum import log_spectral_distance as log_spectral_distance
from torchmass.objectives.spectrum import peak_frequency as peak_frequency
from torchmass.objectives.spectrum import relative_spectral_distance as relative_spectral_distance
from torchmass.objectives.spectrum import spectral_centroid as spectral_centroid
from torchmass.objectives.spectrum import spectral_shape_distance as spectral_shape_distance
from torchmass.objectives.synchrony import envelope as envelope
from torchmass.objectives.synchrony import envelope_correlation as envelope_correlation
from torchmass.objectives.synchrony import kuramoto_order as kuramoto_order
from torchmass.objectives.synchrony import metastability as metastability
from torchmass.objectives.synchrony import phase as phase
from torchmass.objectives.synchrony import phase_locking as phase_locking
from torchmass.objectives.timeseries import cosine_similarity as cosine_similarity
from torchmass.objectives.timeseries import timeseries_correlation as timeseries_correlation
from torchmass.objectives.timeseries import timeseries_rmse as timeseries_rmse
from torchmass.spectra import power_spectral_density as power_spectral_density
