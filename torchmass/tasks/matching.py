"""Delayed match to sample: a test of working memory."""

import torch
from torch.nn.functional import one_hot

from torchmass.tasks.trials import Trials, noisy, seeded
from torchmass.values import whole


class DelayedMatchToSample(Trials):
    """A sample, a delay, a test stimulus: were the two the same?

    `inputs` (2 shown + delay, trials, stimuli): each of `stimuli` has a channel, which is 1 for `shown` steps while it
    is seen; in between all are 0 for `delay` steps. Gaussian noise of standard deviation `noise` is added to every
    channel at every step. `targets` (trials,): 1 where the test stimulus matches the sample, as it does in half of the
    trials, else 0. Samples are drawn uniformly, and so are test stimuli that do not match, among the others.

    Raises `ValueError` for fewer than two stimuli, counts that are not whole and a negative `noise`.

    Source: Miller, Erickson & Desimone 1996, Neural mechanisms of visual working memory in prefrontal cortex of the
    macaque, J. Neurosci. 16:5154, doi:10.1523/JNEUROSCI.16-16-05154.1996; here with one test stimulus a trial.
    """

    def __init__(
        self,
        trials: int = 1000,
        stimuli: int = 4,
        *,
        shown: int = 2,
        delay: int = 20,
        noise: float = 0.1,
        seed: int = 0,
    ) -> None:
        label, generator = "DelayedMatchToSample", seeded("DelayedMatchToSample", seed)
        trials, stimuli = whole(f"{label}.trials", trials), whole(f"{label}.stimuli", stimuli, 2)
        shown, delay = whole(f"{label}.shown", shown), whole(f"{label}.delay", delay, 0)
        match = torch.randperm(trials, generator=generator) % 2
        sample = torch.randint(stimuli, (trials,), generator=generator)
        other = (sample + torch.randint(1, stimuli, (trials,), generator=generator)) % stimuli
        seen = one_hot(torch.stack([sample, torch.where(match == 1, sample, other)]), stimuli)  # (2, trials, stimuli)
        first, last = (stimulus.expand(shown, -1, -1) for stimulus in seen.split(1))
        clean = torch.cat([first, seen.new_zeros(delay, trials, stimuli), last])
        super().__init__(noisy(label, clean, noise, generator), match)
