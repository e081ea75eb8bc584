"""What an event evokes: the mean of a signal around its onsets."""

from collections.abc import Iterable

import torch
from torch import Tensor

from torchmass.objectives.signals import signals


def evoked_response(x: Tensor, onsets: Iterable[float], dt: float, before: float, after: float) -> Tensor:
    r"""The mean of x around events: (T, *b, N) to (K, *b, N), from `before` ms before an onset to `after` ms after it.

    \(E(k) = \langle x(o + k)\rangle_o\), K = (before + after)/dt samples, to the nearest. An onset is in ms from the
    start of the first step of x; its row is the one after the step that starts there, the first that can feel it.
    No baseline is subtracted. Raises `ValueError` without onsets and where an epoch leaves x.

    Source: Dawson (1954), Electroencephalogr. Clin. Neurophysiol. 6:65, doi:10.1016/0013-4694(54)90007-3.
    """
    length = len(signals("x", x))
    if not dt > 0 or not round((before + after) / dt) > 0:
        raise ValueError(f"an epoch needs a sample: got dt={dt} ms, before={before} ms and after={after} ms.")
    rows = range(-round(before / dt), round(after / dt))
    epochs = []
    for onset in onsets:
        first, last = (round(onset / dt) + rows[end] for end in (0, -1))
        if first < 0 or last >= length:
            raise ValueError(
                f"the epoch around {onset} ms, from {before} ms before to {after} ms after it, leaves the "
                f"{length * dt:g} ms of x: leave this onset out or shorten the epoch."
            )
        epochs.append(x[first : last + 1])
    if not epochs:
        raise ValueError("an evoked response needs at least one onset, in ms.")
    return torch.stack(epochs).mean(0)
