"""Masses as layers of deep networks: a sequence in, a sequence out, as with `torch.nn.LSTM`."""

from torchmass.nn.recurrent import Recurrent as Recurrent
from torchmass.nn.recurrent_mass import RecurrentMass as RecurrentMass
