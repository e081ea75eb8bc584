"""Recordings to fit, read from packages that ship them."""

from torchmass.datasets.recording import Recording as Recording
from torchmass.datasets.recording import nitime_fmri as nitime_fmri
