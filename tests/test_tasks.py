"""Tasks ask what their papers ask, are the same for the same seed, and come in batches."""

import math
import sys

import pytest
import torch
from torch.utils.data import DataLoader

import torchmass as tm
from torchmass.tasks import AddingProblem, DelayedMatchToSample, EvidenceIntegration, SequentialDigits

MADE = {  # each with its features, and of its own number of trials and steps
    "adding": (lambda **o: AddingProblem(6, 10, **o), (10, 6, 2)),
    "matching": (lambda **o: DelayedMatchToSample(6, 3, shown=2, delay=5, **o), (9, 6, 3)),
    "evidence": (lambda **o: EvidenceIntegration(6, 10, **o), (10, 6, 1)),
    "digits": (lambda **o: SequentialDigits(False, **o), (64, 360, 1)),
}
each = pytest.mark.parametrize(("make", "shape"), MADE.values(), ids=MADE)


@each
def test_a_task_is_sequences_time_first_and_a_target_each(make, shape):
    trials = make()
    assert trials.inputs.shape == shape
    assert trials.targets.shape == (len(trials),) == shape[1:2]
    assert trials.inputs.dtype == torch.get_default_dtype()
    assert trials.targets.dtype == (torch.get_default_dtype() if isinstance(trials, AddingProblem) else torch.int64)


@each
def test_a_task_follows_the_default_dtype(make, shape):
    torch.set_default_dtype(torch.float64)
    try:
        assert make().inputs.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


@each
def test_a_seed_fixes_the_trials_and_torchs_generator_is_left_alone(make, shape):
    before = torch.get_rng_state()
    one, same, other = make(seed=1), make(seed=1), make(seed=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one.inputs, same.inputs)
    assert torch.equal(one.targets, same.targets)
    assert not torch.equal(one.inputs, other.inputs)


@each
def test_batches_are_time_first_or_batch_first(make, shape):
    trials, (steps, _, features) = make(), shape
    loaded = [next(iter(DataLoader(trials, 4, collate_fn=collate))) for collate in (trials.collate, None)]
    (inputs, targets), (batch_first, same) = loaded
    assert inputs.shape == (steps, 4, features)
    assert torch.equal(inputs, trials.inputs[:, :4])
    assert torch.equal(targets, trials.targets[:4])
    assert torch.equal(batch_first, inputs.transpose(0, 1))
    assert torch.equal(same, targets)


@each
def test_trials_are_had_by_indices(make, shape):
    trials = make()
    for index in (slice(1, 3), [1, 2], torch.tensor([1, 2])):
        inputs, targets = trials[index]
        assert torch.equal(inputs, trials.inputs[:, 1:3])
        assert torch.equal(targets, trials.targets[1:3])


def test_two_numbers_are_marked_one_in_either_half_and_their_sum_is_asked_for():
    trials = AddingProblem(20_000, 7)
    numbers, marks = trials.inputs.unbind(-1)
    assert torch.equal(marks[:3].sum(0), torch.ones(20_000))
    assert torch.equal(marks[3:].sum(0), torch.ones(20_000))
    assert bool((marks.sum(1) > 0).all())  # every step is marked now and then
    torch.testing.assert_close(trials.targets, (numbers * marks).sum(0))
    assert abs((trials.targets - 1).square().mean() - 1 / 6) < 0.01


def test_the_test_stimulus_matches_the_sample_in_half_of_the_trials():
    trials = DelayedMatchToSample(4000, 3, shown=2, delay=4, noise=0.0)
    sample, test = trials.inputs[0].argmax(-1), trials.inputs[-1].argmax(-1)
    assert torch.equal((sample == test).long(), trials.targets)
    assert trials.targets.sum() == 2000
    assert torch.equal(trials.inputs.sum(-1)[:, 0], torch.tensor([1.0, 1, 0, 0, 0, 0, 1, 1]))
    pairs = torch.bincount(3 * sample + test, minlength=9)
    assert bool((pairs > 250).all())  # all samples, and all others, are seen


def test_noise_is_added_to_every_channel_at_every_step():
    quiet, loud = (DelayedMatchToSample(500, noise=noise) for noise in (0.0, 0.3))
    difference = loud.inputs - quiet.inputs
    assert abs(difference.std() - 0.3) < 0.01
    assert bool((difference != 0).float().mean() > 0.99)


def test_who_sums_up_all_evidence_is_right_as_often_as_is_said():
    trials = EvidenceIntegration(20_000, 40, noise=0.5)
    right = (trials.inputs.sum((0, 2)) > 0) == (trials.targets == 1)
    for coherence in (0.032, 0.128):
        found = right[(trials.coherence.abs() - coherence).abs() < 1e-6].float().mean()
        expected = torch.special.ndtr(torch.tensor(coherence * math.sqrt(40) / 0.5))
        assert abs(found - expected) < 0.02


def test_every_coherence_is_as_frequent_for_either_side():
    trials = EvidenceIntegration(1200, 3, coherences=(0.0, 0.1, 0.5))
    assert torch.equal((trials.coherence > 0)[trials.coherence != 0], (trials.targets == 1)[trials.coherence != 0])
    _, counts = trials.coherence.unique(return_counts=True)
    assert counts.tolist() == [200, 200, 400, 200, 200]
    assert trials.targets[trials.coherence == 0].sum() == 200


def test_evidence_drives_a_wong_wang_node_to_a_decision():
    trials = EvidenceIntegration(40, 50, coherences=(0.512,), noise=0.1)
    sim = tm.Simulator(tm.WongWangStep(1), dt=2.0)
    r = sim.run(1000.0, inputs={"coherence": trials.inputs.repeat_interleave(10, 0)})
    assert torch.equal((r["S1"] > r["S2"])[-1, :, 0].long(), trials.targets)


def test_the_digits_are_those_of_scikit_learn_held_out_once():
    bundle = pytest.importorskip("sklearn.datasets").load_digits()
    parts = [SequentialDigits(), SequentialDigits(False)]
    assert [len(part) for part in parts] == [1437, 360]
    rows = torch.cat([torch.cat([16 * part.inputs[..., 0], part.targets[None]]) for part in parts], 1).T
    known = torch.cat([torch.tensor(bundle.data), torch.tensor(bundle.target)[:, None]], 1).float()
    assert torch.equal(rows.unique(dim=0), known.unique(dim=0))


CLASSES = {  # trials to learn and trials held out, how many answers there are, and how often one is right at least
    "matching": (lambda: [DelayedMatchToSample(1000, 2, seed=seed) for seed in (0, 1)], 2, 0.95),
    "evidence": (lambda: [EvidenceIntegration(4000, seed=seed) for seed in (0, 1)], 2, 0.85),  # the best possible: 0.93
    "digits": (lambda: [SequentialDigits(train) for train in (True, False)], 10, 0.95),
}


@pytest.mark.slow
@pytest.mark.parametrize(("make", "answers", "least"), CLASSES.values(), ids=CLASSES)
def test_oscillators_learn_a_task(make, answers, least):
    torch.set_default_dtype(torch.float32)
    learned, held = make()
    omega = 2 * math.pi / 28 * 3 ** torch.linspace(-1, 1, 64)
    net = tm.HORNSeqNetwork(learned.inputs.shape[-1], 64, answers, alpha=0.3, omega=omega, return_state=False)
    net.assign(k=1.0)
    adam, loader = torch.optim.Adam(net.parameters()), DataLoader(learned, 64, True, collate_fn=learned.collate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, 0.01, 30 * len(loader))
    for _ in range(30):
        for inputs, targets in loader:
            adam.zero_grad()
            torch.nn.functional.cross_entropy(net(inputs), targets).backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            adam.step()
            schedule.step()
    with torch.no_grad():
        assert (net(held.inputs).argmax(1) == held.targets).float().mean() >= least


def test_without_scikit_learn_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'torchmass\[tasks\]'"):
        SequentialDigits()


def test_a_part_of_the_digits_is_not_had_by_name():
    with pytest.raises(TypeError, match="train must be True, or False for the images held out, got 'test'"):
        SequentialDigits("test")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: AddingProblem(0), r"AddingProblem\.trials must be a whole number ≥ 1, got 0"),
        (lambda: AddingProblem(10, 1), r"AddingProblem\.steps must be a whole number ≥ 2, got 1"),
        (lambda: AddingProblem(seed=-1), r"AddingProblem\.seed must be a whole number ≥ 0"),
        (lambda: DelayedMatchToSample(10, 1), r"stimuli must be a whole number ≥ 2"),
        (lambda: DelayedMatchToSample(shown=0), r"shown must be a whole number ≥ 1"),
        (lambda: DelayedMatchToSample(delay=-1), r"delay must be a whole number ≥ 0"),
        (lambda: DelayedMatchToSample(noise=-0.1), r"noise must be ≥ 0 and finite, got -0\.1"),
        (lambda: EvidenceIntegration(noise=math.nan), r"noise must be ≥ 0 and finite, got nan"),
        (lambda: EvidenceIntegration(coherences=(0.1, 1.2)), r"coherences must be numbers in \[0, 1\]"),
        (lambda: EvidenceIntegration(coherences=()), r"coherences must be numbers in \[0, 1\], at least one"),
        (lambda: EvidenceIntegration(coherences=0.1), r"coherences must be numbers in \[0, 1\]"),
    ],
)
def test_bad_input_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
