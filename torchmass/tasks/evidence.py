"""Evidence integration: noisy evidence for one of two alternatives, to be summed up over time."""

from collections.abc import Sequence

import torch

from torchmass.tasks.trials import Trials, noisy, seeded
from torchmass.values import whole

ROITMAN_SHADLEN = (0.032, 0.064, 0.128, 0.256, 0.512)


class EvidenceIntegration(Trials):
    r"""Dots move at random, some of them all to one side: to which?

    `inputs` (steps, trials, 1): momentary evidence $c + \sigma\xi_t$, where ξ is standard normal at every step and σ is
    `noise`. `coherence` (trials,): c, one of `coherences` in every trial, each as often as the others and for either
    side, positive for the first. `targets` (trials,): 1 where c > 0, else 0; where c = 0 either, at random.

    Who sums up all of the evidence is right with the probability $\Phi(|c| \sqrt{\text{steps}} / \sigma)$, and nobody
    is right more often: 0.74, 0.90 and 0.99 at the three lowest defaults.

    A `tm.WongWangStep(1)` takes them as its coherence, here for 10 steps of the run each:
    `inputs={"coherence": trials.inputs.repeat_interleave(10, 0)}`.

    Raises `ValueError` for counts that are not whole, coherences outside [0, 1] or none, and a negative `noise`.

    Source: Roitman & Shadlen 2002, Response of neurons in the lateral intraparietal area during a combined visual
    discrimination reaction time task, J. Neurosci. 22:9475, doi:10.1523/JNEUROSCI.22-21-09475.2002, whose coherences
    these are; with momentary evidence in place of dots.
    """

    def __init__(
        self,
        trials: int = 1000,
        steps: int = 100,
        *,
        coherences: Sequence[float] = ROITMAN_SHADLEN,
        noise: float = 0.5,
        seed: int = 0,
    ) -> None:
        label, generator = "EvidenceIntegration", seeded("EvidenceIntegration", seed)
        trials, steps = whole(f"{label}.trials", trials), whole(f"{label}.steps", steps)
        strengths = torch.tensor(coherences, dtype=torch.get_default_dtype())
        if strengths.ndim != 1 or not len(strengths) or not bool(((strengths >= 0) & (strengths <= 1)).all()):
            raise ValueError(f"{label}.coherences must be numbers in [0, 1], at least one, got {coherences}.")
        kind = torch.randperm(trials, generator=generator)
        target = kind % 2
        self.coherence = strengths[kind // 2 % len(strengths)] * (2 * target - 1)
        super().__init__(noisy(label, self.coherence.expand(steps, -1)[..., None], noise, generator), target)
