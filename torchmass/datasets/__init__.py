"""Recordings to fit, and connectomes to couple nodes through: from files, from packages, downloaded, or generated."""

from torchmass.datasets.connectome import Connectome as Connectome
from torchmass.datasets.download import download as download
from torchmass.datasets.projection import Projection as Projection
from torchmass.datasets.recording import Recording as Recording
from torchmass.datasets.recording import nitime_fmri as nitime_fmri
from torchmass.datasets.synthetic import synthetic_connectome as synthetic_connectome
from torchmass.datasets.tvb import tvb_connectome as tvb_connectome
from torchmass.datasets.tvb import tvb_eeg_projection as tvb_eeg_projection
from torchmass.datasets.tvb import tvb_meg_projection as tvb_meg_projection
