"""The models, in the order of the catalogue."""

from torchmass.models.fitzhugh_nagumo import FitzHughNagumoStep as FitzHughNagumoStep
from torchmass.models.hopf import HopfStep as HopfStep
from torchmass.models.jansen_rit import JansenRitStep as JansenRitStep
from torchmass.models.linear import LinearStep as LinearStep
from torchmass.models.montbrio_pazo_roxin import MontbrioPazoRoxinStep as MontbrioPazoRoxinStep
from torchmass.models.wilson_cowan import WilsonCowanStep as WilsonCowanStep
