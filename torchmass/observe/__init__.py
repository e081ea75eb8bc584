"""Observers: modules that turn a signal (T, *b, N) into what is recorded of it, of the whole or stretch by stretch."""

from torchmass.observe.bold import BOLDSignal as BOLDSignal
from torchmass.observe.chain import Chain as Chain
from torchmass.observe.leadfield import EEGLeadField as EEGLeadField
from torchmass.observe.leadfield import MEGLeadField as MEGLeadField
from torchmass.observe.observer import Observer as Observer
from torchmass.observe.readout import LeadfieldReadout as LeadfieldReadout
from torchmass.observe.sampling import Subsample as Subsample
from torchmass.observe.sampling import TemporalAverage as TemporalAverage
