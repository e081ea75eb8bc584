"""Stimuli: functions of time that drive an input, with parameters to be declared, freed and fitted like a model's."""

from torchmass.stimuli.data import Data as Data
from torchmass.stimuli.noise import Noise as Noise
from torchmass.stimuli.regions import regions as regions
from torchmass.stimuli.sine import Sine as Sine
from torchmass.stimuli.steps import PulseTrain as PulseTrain
from torchmass.stimuli.steps import Ramp as Ramp
from torchmass.stimuli.steps import Step as Step
from torchmass.stimuli.stimulus import Constant as Constant
from torchmass.stimuli.stimulus import Stimulus as Stimulus
from torchmass.stimuli.stimulus import Waveform as Waveform
