"""torchmass: differentiable neural-mass models in PyTorch. Times are ms, weights are [to, from], noise is per √ms."""

from torchmass import datasets as datasets
from torchmass import models as models
from torchmass import objectives as objectives
from torchmass import viz as viz
from torchmass.accuracy import DtCheck as DtCheck
from torchmass.bounds import NONNEGATIVE as NONNEGATIVE
from torchmass.bounds import POSITIVE as POSITIVE
from torchmass.bounds import Bounds as Bounds
from torchmass.catalogue import ModelInfo as ModelInfo
from torchmass.catalogue import list_models as list_models
from torchmass.coupling import AdditiveCoupling as AdditiveCoupling
from torchmass.coupling import Coupling as Coupling
from torchmass.coupling import DiffusiveCoupling as DiffusiveCoupling
from torchmass.declare import Input as Input
from torchmass.declare import Param as Param
from torchmass.declare import State as State
from torchmass.integrators import INTEGRATORS as INTEGRATORS
from torchmass.kernels.finite import NonFiniteError as NonFiniteError
from torchmass.model import NeuralMass as NeuralMass
from torchmass.models import CoombesByrneStep as CoombesByrneStep
from torchmass.models import EpileptorStep as EpileptorStep
from torchmass.models import FitzHughNagumoStep as FitzHughNagumoStep
from torchmass.models import Generic2dOscillatorStep as Generic2dOscillatorStep
from torchmass.models import HopfStep as HopfStep
from torchmass.models import JansenRitStep as JansenRitStep
from torchmass.models import LarterBreakspearStep as LarterBreakspearStep
from torchmass.models import LinearStep as LinearStep
from torchmass.models import LorenzStep as LorenzStep
from torchmass.models import MontbrioPazoRoxinStep as MontbrioPazoRoxinStep
from torchmass.models import StuartLandauStep as StuartLandauStep
from torchmass.models import ThresholdLinearStep as ThresholdLinearStep
from torchmass.models import VanDerPolStep as VanDerPolStep
from torchmass.models import WilsonCowanStep as WilsonCowanStep
from torchmass.models import WongWangExcInhStep as WongWangExcInhStep
from torchmass.models import WongWangStep as WongWangStep
from torchmass.naming import UnknownNameError as UnknownNameError
from torchmass.network import Network as Network
from torchmass.noise import OUProcess as OUProcess
from torchmass.noise import WhiteNoise as WhiteNoise
from torchmass.result import Result as Result
from torchmass.result import RunState as RunState
from torchmass.simulator import Simulator as Simulator

__version__ = "0.1.0"
