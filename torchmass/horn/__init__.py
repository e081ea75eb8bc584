"""Harmonic oscillator recurrent networks: the unit, a layer of units, and a network of layers."""

from torchmass.horn.seq_layer import HORNSeqLayer as HORNSeqLayer
from torchmass.horn.seq_network import HORNSeqNetwork as HORNSeqNetwork
from torchmass.models import HORNStep as HORNStep
