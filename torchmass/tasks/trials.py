"""Trials: what every task is made of."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset

from torchmass.values import checked_seed


class Trials(Dataset[tuple[Tensor, Tensor]]):
    """B sequences and what is to be answered to each: a `torch.utils.data.Dataset`, time first.

    `inputs` are (T, B, F), as `nn.LSTM` takes them by default, and `targets` (B,): classes of dtype int64, or numbers.
    `trials[i]` is one trial, (T, F) and (); a slice, a list or a tensor of indices gives a batch, (T, B, F) and (B,).

    torch's `DataLoader` stacks trials batch first, (B, T, F), for networks with `batch_first=True`. With
    `collate_fn=trials.collate` its batches are (T, B, F).
    """

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int | slice | list[int] | Tensor) -> tuple[Tensor, Tensor]:
        return self.inputs[:, index], self.targets[index]

    @staticmethod
    def collate(trials: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
        """Trials, each (T, F) and (), as one batch, (T, B, F) and (B,)."""
        inputs, targets = zip(*trials, strict=True)
        return torch.stack(inputs, 1), torch.stack(targets)


def seeded(label: str, seed: int) -> torch.Generator:
    """A generator of its own for a task; raises a `ValueError` unless `seed` is a whole number from 0, below 2⁶⁴."""
    return torch.Generator().manual_seed(checked_seed(f"{label}.seed", seed))


def noisy(label: str, clean: Tensor, noise: float, generator: torch.Generator) -> Tensor:
    """`clean` with Gaussian noise of standard deviation `noise` on every entry, for which a negative one is refused."""
    if not 0 <= noise < float("inf"):
        raise ValueError(f"{label}.noise must be ≥ 0 and finite, got {noise}.")
    return clean + noise * torch.randn(clean.shape, generator=generator)
