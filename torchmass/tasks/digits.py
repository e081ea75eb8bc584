"""Sequential digits: handwriting, read pixel by pixel."""

import math

import torch

from torchmass.packages import require
from torchmass.tasks.trials import Trials, seeded


class SequentialDigits(Trials):
    """Which digit was written? Images of 8 by 8 pixels, of which a network sees one pixel a step.

    `inputs` (64, B, 1): pixels from the top left, row by row, from 0 to 1; `targets` (B,): digits. A fifth of the 1797
    images, drawn at random with `seed`, is held out: `train=True` gives the other 1437, `train=False` these 360, of the
    same 13 writers. Nothing is downloaded: the images come with scikit-learn (`pip install 'torchmass[tasks]'`). Raises
    `TypeError` for a `train` that is neither.

    Source: Alpaydin & Kaynak 1998, Cascading classifiers, Kybernetika 34:369,
    https://www.kybernetika.cz/content/1998/4/369; read pixel by pixel as the larger images of Le, Jaitly & Hinton 2015,
    arXiv:1504.00941.
    """

    def __init__(self, train: bool = True, *, seed: int = 0) -> None:
        if not isinstance(train, bool):
            raise TypeError(f"SequentialDigits.train must be True, or False for the images held out, got {train!r}.")
        bundle = require("sklearn.datasets", "SequentialDigits", "tasks").load_digits()
        order = torch.randperm(len(bundle.target), generator=seeded("SequentialDigits", seed))
        held = math.ceil(len(order) / 5)
        chosen = order[held:] if train else order[:held]
        pixels = torch.as_tensor(bundle.data / 16, dtype=torch.get_default_dtype())  # (images, 64), counts to 16
        super().__init__(pixels[chosen].T[..., None].contiguous(), torch.as_tensor(bundle.target)[chosen].long())
