"""The catalogue is derived from the classes and printed as users know it."""

import torchmass as tm

TABLE = """\
name                   category          #states  use_case
HopfStep               phenomenological  2        Oscillation onset, rhythm generation
FitzHughNagumoStep     phenomenological  2        Excitability, spike generation
LinearStep             phenomenological  1        Baseline node, coupling sanity checks
WilsonCowanStep        physiological     2        E-I population firing-rate dynamics
JansenRitStep          physiological     6        EEG generation, alpha rhythms
MontbrioPazoRoxinStep  physiological     2        Exact QIF mean-field (theta neurons)"""


def test_the_table_is_as_published():
    assert tm.list_models.to_table() == TABLE


def test_the_records_are_derived_from_the_classes():
    for info in tm.list_models():
        assert info.cls is getattr(tm, info.name)
        assert (info.category, info.use_case) == (info.cls.category, info.cls.use_case)
        assert info.n_state_vars == len(info.cls().states)


def test_a_category_filters():
    assert [info.name for info in tm.list_models("physiological")] == [
        "WilsonCowanStep",
        "JansenRitStep",
        "MontbrioPazoRoxinStep",
    ]
