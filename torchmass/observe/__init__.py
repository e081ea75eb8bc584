"""Observers: modules that turn a signal (T, *b, N) into what is recorded of it, of the whole or stretch by stretch."""

from torchmass.observe.bandpass import BandPass as BandPass
from torchmass.observe.bold import BOLDSignal as BOLDSignal
from torchmass.observe.chain import Chain as Chain
from torchmass.observe.covariance import Correlation as Correlation
from torchmass.observe.covariance import Covariance as Covariance
from torchmass.observe.hilbert import Hilbert as Hilbert
from torchmass.observe.hrf import HRFBold as HRFBold
from torchmass.observe.hrf_kernels import DoubleExponentialHRFKernel as DoubleExponentialHRFKernel
from torchmass.observe.hrf_kernels import FirstOrderVolterraHRFKernel as FirstOrderVolterraHRFKernel
from torchmass.observe.hrf_kernels import GammaHRFKernel as GammaHRFKernel
from torchmass.observe.hrf_kernels import HRFKernel as HRFKernel
from torchmass.observe.hrf_kernels import MixtureOfGammasHRFKernel as MixtureOfGammasHRFKernel
from torchmass.observe.leadfield import EEGLeadField as EEGLeadField
from torchmass.observe.leadfield import MEGLeadField as MEGLeadField
from torchmass.observe.observer import Observer as Observer
from torchmass.observe.readout import LeadfieldReadout as LeadfieldReadout
from torchmass.observe.sampling import Subsample as Subsample
from torchmass.observe.sampling import TemporalAverage as TemporalAverage
from torchmass.observe.spectrum import Spectrogram as Spectrogram
from torchmass.observe.spectrum import Spectrum as Spectrum
