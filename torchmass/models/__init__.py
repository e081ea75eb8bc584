"""The models, in the order of the catalogue."""
# ruff: noqa: I001

from torchmass.models.hopf import HopfStep as HopfStep
from torchmass.models.fitzhugh_nagumo import FitzHughNagumoStep as FitzHughNagumoStep
from torchmass.models.linear import LinearStep as LinearStep
from torchmass.models.wilson_cowan import WilsonCowanStep as WilsonCowanStep
from torchmass.models.jansen_rit import JansenRitStep as JansenRitStep
from torchmass.models.montbrio_pazo_roxin import MontbrioPazoRoxinStep as MontbrioPazoRoxinStep
