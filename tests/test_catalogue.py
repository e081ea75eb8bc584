"""The catalogue is derived from the classes and printed as users know it."""

import torchmass as tm
from torchmass.system import System

TABLE = """\
name                            category          #states  use_case
HopfStep                        phenomenological  2        Oscillation onset, rhythm generation
VanDerPolStep                   phenomenological  2        Nonlinear relaxation oscillations
StuartLandauStep                phenomenological  2        Amplitude-controlled oscillations
FitzHughNagumoStep              phenomenological  2        Excitability, spike generation
ThresholdLinearStep             phenomenological  2        Fast linear E-I responses
Generic2dOscillatorStep         phenomenological  2        Flexible planar dynamics (TVB)
LorenzStep                      phenomenological  3        Chaos, coupling test fixture
LinearStep                      phenomenological  1        Baseline node, coupling sanity checks
WilsonCowanStep                 physiological     2        E-I population firing-rate dynamics
JansenRitStep                   physiological     6        EEG generation, alpha rhythms
WongWangStep                    physiological     2        Decision making (perceptual choice)
WongWangExcInhStep              physiological     2        Resting-state BOLD/FC, E-I balance
MontbrioPazoRoxinStep           physiological     2        Exact QIF mean-field (theta neurons)
CoombesByrneStep                physiological     2        Next-gen mean-field, conductance synapses
LarterBreakspearStep            physiological     3        Conductance-based limit cycles / chaos
EpileptorStep                   physiological     6        Seizure onset/offset, epilepsy
HORNStep                        network           2        Single coupled-oscillator step
HORNSeqLayer                    network           2        Sequential HORN layer
HORNSeqNetwork                  network           2        Multi-layer HORN sequence network
KuramotoNetwork                 network           1        Phase synchronization
JansenRitTR                     network           6        Whole-brain EEG, evoked responses
WilsonCowanNoSaturationStep     physiological     2        E-I rates without refractoriness            more
WilsonCowanSymmetricStep        physiological     2        E-I rates, one response for both            more
WilsonCowanSimplifiedStep       physiological     2        E-I rates with two weights                  more
WilsonCowanLinearStep           physiological     2        E-I rates with linear responses             more
WilsonCowanDivisiveStep         physiological     2        E-I rates with divisive inhibition          more
WilsonCowanDivisiveInputStep    physiological     2        E-I rates with divided excitation           more
WilsonCowanAdaptiveStep         physiological     4        E-I rates with adaptation                   more
WilsonCowanThreePopulationStep  physiological     3        E-I rates with a modulating population      more
ReducedWongWangStep             physiological     1        Resting-state BOLD/FC, one variable         more
CoombesByrne4dStep              physiological     4        Next-gen mean-field, synapses with memory   more
Epileptor2dStep                 physiological     2        Virtual epileptic patient, seizure spread   more
ThalamusStep                    physiological     15       Thalamic spindles, sleep                    more
ZerlautStep                     physiological     4        Mean field of AdEx neurons, wake and sleep  more
ZerlautSecondOrderStep          physiological     7        Mean field of AdEx neurons, finite size     more
WilsonCowanDelayedStep          physiological     2        E-I rates with delays                       more"""


def test_the_table_is_as_published():
    assert tm.list_models.to_table() == TABLE


def test_the_records_are_derived_from_the_classes():
    for info in tm.list_models():
        assert info.cls is getattr(tm, info.name)
        assert (info.category, info.use_case) == (info.cls.category, info.cls.use_case)
        assert info.n_state_vars == len(info.cls.state_declarations)
        if issubclass(info.cls, System):  # others are made with sizes
            assert info.n_state_vars == len(info.cls().states)


def test_a_category_filters():
    physiological = [line.split()[0] for line in TABLE.splitlines() if " physiological " in line]
    assert [info.name for info in tm.list_models("physiological")] == physiological
