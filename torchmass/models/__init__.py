"""The models, in the order of the catalogue."""
# ruff: noqa: I001

from torchmass.models.hopf import HopfStep as HopfStep
from torchmass.models.van_der_pol import VanDerPolStep as VanDerPolStep
from torchmass.models.stuart_landau import StuartLandauStep as StuartLandauStep
from torchmass.models.fitzhugh_nagumo import FitzHughNagumoStep as FitzHughNagumoStep
from torchmass.models.threshold_linear import ThresholdLinearStep as ThresholdLinearStep
from torchmass.models.generic_2d import Generic2dOscillatorStep as Generic2dOscillatorStep
from torchmass.models.lorenz import LorenzStep as LorenzStep
from torchmass.models.linear import LinearStep as LinearStep
from torchmass.models.wilson_cowan import WilsonCowanStep as WilsonCowanStep
from torchmass.models.jansen_rit import JansenRitStep as JansenRitStep
from torchmass.models.wong_wang import WongWangStep as WongWangStep, WongWangExcInhStep as WongWangExcInhStep
from torchmass.models.montbrio_pazo_roxin import MontbrioPazoRoxinStep as MontbrioPazoRoxinStep
from torchmass.models.coombes_byrne import CoombesByrneStep as CoombesByrneStep
from torchmass.models.larter_breakspear import LarterBreakspearStep as LarterBreakspearStep
from torchmass.models.epileptor import EpileptorStep as EpileptorStep
from torchmass.models.horn import HORNStep as HORNStep
from torchmass.models.wilson_cowan import (
    WilsonCowanNoSaturationStep as WilsonCowanNoSaturationStep,
    WilsonCowanSymmetricStep as WilsonCowanSymmetricStep,
    WilsonCowanSimplifiedStep as WilsonCowanSimplifiedStep,
    WilsonCowanLinearStep as WilsonCowanLinearStep,
)
from torchmass.models.wilson_cowan_extended import (
    WilsonCowanDivisiveStep as WilsonCowanDivisiveStep,
    WilsonCowanDivisiveInputStep as WilsonCowanDivisiveInputStep,
    WilsonCowanAdaptiveStep as WilsonCowanAdaptiveStep,
    WilsonCowanThreePopulationStep as WilsonCowanThreePopulationStep,
)
from torchmass.models.wong_wang import ReducedWongWangStep as ReducedWongWangStep
from torchmass.models.coombes_byrne import CoombesByrne4dStep as CoombesByrne4dStep
from torchmass.models.epileptor import Epileptor2dStep as Epileptor2dStep
from torchmass.models.thalamus import ThalamusStep as ThalamusStep
from torchmass.models.zerlaut import ZerlautStep as ZerlautStep, ZerlautSecondOrderStep as ZerlautSecondOrderStep
