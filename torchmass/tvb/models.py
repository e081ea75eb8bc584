"""The models of The Virtual Brain whose equations a model of ours has, after other names and units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from torchmass.kuramoto import PhaseStep
from torchmass.model import NeuralMass
from torchmass.models import (
    CoombesByrne4dStep,
    CoombesByrneStep,
    EpileptorStep,
    Generic2dOscillatorStep,
    JansenRitStep,
    LarterBreakspearStep,
    LinearStep,
    MontbrioPazoRoxinStep,
    ReducedWongWangStep,
    StuartLandauStep,
    WilsonCowanStep,
    WongWangExcInhStep,
    ZerlautStep,
)
from torchmass.tvb.parameters import (
    EPILEPTOR,
    HZ,
    LARTER_BREAKSPEAR,
    WONG_WANG,
    Values,
    balanced_wong_wang,
    jansen_rit,
    montbrio_pazo_roxin,
    named,
    reduced_wong_wang,
    wilson_cowan,
    zerlaut,
)
from torchmass.tvb.reading import Reader


@dataclass(frozen=True)
class Match:
    """A model of ours with the equations of one of The Virtual Brain, called theirs.

    `states` are all of ours in their order, and how many of our units one of theirs is. `ends` are the states that
    couplings read, in their order (`cvar`), and the input that what arrives enters; "" where their equations leave it
    out. `values` are our parameters, made of theirs; `gains` is what enters an input for each unit of theirs that
    arrives from a state. `idle` are states of theirs that must rest at 0. `positive`: nothing negative may arrive.
    """

    node: type[NeuralMass]
    states: Mapping[str, float]
    ends: Mapping[str, str]
    values: Callable[[Reader], Values]
    gains: Callable[[Reader], Values] = lambda m: {}
    idle: tuple[str, ...] = ()
    positive: bool = False


MODELS: Mapping[str, Match] = MappingProxyType(
    {
        "Generic2dOscillator": Match(
            Generic2dOscillatorStep, {"V": 1, "W": 1}, {"V": "V_inp"}, named("a b c d e f g alpha beta gamma I tau")
        ),
        "Kuramoto": Match(PhaseStep, {"theta": 1}, {"theta": "theta_inp"}, named("omega")),
        "SupHopf": Match(StuartLandauStep, {"x": 1, "y": 1}, {"x": "x_inp", "y": "y_inp"}, named("a", w="omega")),
        "Linear": Match(LinearStep, {"x": 1}, {"x": "x_inp"}, named("gamma")),
        "WilsonCowan": Match(WilsonCowanStep, {"rE": 1, "rI": 1}, {"rE": "rE_inp", "rI": ""}, wilson_cowan),
        "JansenRit": Match(
            JansenRitStep,
            {"M": 1, "E": 1, "I": 1, "Mv": HZ, "Ev": HZ, "Iv": HZ},
            {"E": "E_inp", "I": ""},
            jansen_rit,
            lambda m: {"E": HZ, "output": HZ},
        ),
        "ReducedWongWang": Match(ReducedWongWangStep, {"S": 1}, {"S": "coupling"}, reduced_wong_wang),
        "ReducedWongWangExcInh": Match(WongWangExcInhStep, {"S_e": 1, "S_i": 1}, {"S_e": "coupling"}, named(WONG_WANG)),
        "DecoBalancedExcInh": Match(WongWangExcInhStep, {"S_e": 1, "S_i": 1}, {"S_e": "coupling"}, balanced_wong_wang),
        "MontbrioPazoRoxin": Match(
            MontbrioPazoRoxinStep,
            {"r": HZ, "v": 1},
            {"r": "v_inp", "v": "v_inp"},
            montbrio_pazo_roxin,
            lambda m: {"r": m.cr, "v": m.cv},
        ),
        "CoombesByrne2D": Match(
            CoombesByrneStep, {"r": 1, "v": 1}, {"r": "v_inp", "v": ""}, named("Delta eta k v_syn")
        ),
        "CoombesByrne": Match(
            CoombesByrne4dStep,
            {"r": 1, "v": 1, "g": 1, "q": 1},
            {"r": "v_inp", "v": "", "g": "", "q": ""},
            named("Delta eta k v_syn alpha"),
        ),
        "LarterBreakspear": Match(
            LarterBreakspearStep, {"V": 1, "W": 1, "Z": 1}, {"V": "V_inp"}, named(LARTER_BREAKSPEAR)
        ),
        "Epileptor": Match(
            EpileptorStep,
            {"x1": 1, "y1": 1, "z": 1, "x2": 1, "y2": 1, "g": 1},
            {"x1": "x1_inp", "x2": "x2_inp"},
            named(EPILEPTOR),
        ),
        "ZerlautAdaptationFirstOrder": Match(
            ZerlautStep,
            {"E": HZ, "I": HZ, "W_e": 1, "W_i": 1},
            {"E": "E_inp"},
            zerlaut,
            lambda m: {"E": HZ},
            idle=("ou_drift",),
            positive=True,
        ),
    }
)
DIFFERENT: Mapping[str, str] = MappingProxyType(
    {
        "Epileptor2D": "its x1 leaves the published cubic where x1 ≥ 0, and Epileptor2dStep does not",
        "ZerlautAdaptationSecondOrder": "it divides the derivatives of the transfer function by 1000, and "
        "ZerlautSecondOrderStep does not",
    }
)
