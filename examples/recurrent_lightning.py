"""Train a layer of neural masses with Lightning: units of Wong and Wang's reduced model sum up noisy evidence.

Needs Lightning: pip install 'torchmass[lightning]'. Each of 50 samples of evidence lasts 10 ms; after the last, the
side that the evidence was for is read out of the gating of the units. Prints the accuracy on trials that were not
seen, beside that of who sums up all of the evidence, which is the highest there is.
"""

import argparse

import lightning
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader

import torchmass as tm
from torchmass.tasks import EvidenceIntegration

STEPS, NOISE = 50, 0.5  # samples of evidence, and their standard deviation


class Decision(lightning.LightningModule):
    """A layer of masses whose one output, after the last sample, is the log odds of the positive side."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        node = tm.ReducedWongWangStep(hidden).free("w", "I_o")
        self.layer = tm.nn.RecurrentMass(node, 1, hidden, 1, dt=5.0, steps_per_sample=2, return_state=False)

    def forward(self, evidence: Tensor) -> Tensor:
        """The log odds of each trial, (B,), of evidence (T, B, 1)."""
        return self.layer(evidence)[-1, :, 0]

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        """The cross entropy of a batch."""
        evidence, side = batch
        return binary_cross_entropy_with_logits(self(evidence), side.float())

    def test_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        """How often the more likely side is the right one."""
        evidence, side = batch
        self.log("accuracy", ((self(evidence) > 0) == side).float().mean(), batch_size=len(side))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(self.parameters(), lr=0.02)


def main(epochs: int, hidden: int) -> None:
    """Train, and print how often held-out trials are answered right."""
    lightning.seed_everything(0)
    seen, held = (EvidenceIntegration(1600, STEPS, noise=NOISE, seed=seed) for seed in (0, 1))
    trainer = lightning.Trainer(
        max_epochs=epochs,
        gradient_clip_val=0.5,  # near a decision gradients are up to a hundred times as large, and rounding decides
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    loaded = [DataLoader(t, batch_size=64, shuffle=t is seen, collate_fn=t.collate) for t in (seen, held)]
    decision = Decision(hidden)
    trainer.fit(decision, loaded[0])
    (found,) = trainer.test(decision, loaded[1], verbose=False)
    best = ((held.inputs.sum(0)[:, 0] > 0) == held.targets).float().mean()
    print(f"accuracy: {found['accuracy']:.3f}, of all evidence summed up: {best:.3f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--hidden", type=int, default=16)
    given = parser.parse_args()
    main(given.epochs, given.hidden)
