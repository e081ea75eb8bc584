"""How long signals travel in The Virtual Brain, and what was sent before now."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchmass.tvb.models import Match
from torchmass.tvb.reading import exact, given


def timing(connectivity: Any, dt: float) -> dict[str, Any]:
    """What makes a coupling as late, in whole steps; nothing where all arrives at once.

    The Virtual Brain rounds a delay between two steps to the even one, ours is the later: there, the length is that of
    the steps taken.
    """
    steps = given(connectivity.idelays)
    if not bool(steps.any()):
        return {}
    speed = given(connectivity.speed).flatten()
    if len(speed) != 1:
        return {"delays": steps * dt}
    lengths = given(connectivity.tract_lengths)
    agree = torch.floor(lengths / speed / dt + 0.5) == steps
    return {"distance": torch.where(agree, lengths, steps * dt * speed), "speed": speed.reshape(())}


def history(simulator: Any, match: Match, sources: Iterable[str]) -> dict[str, Tensor]:
    """What every source has sent, `history_<source>`, (H, N), oldest first; nothing where it has not changed."""
    rows = exact(simulator.history.buffer)[..., 0]  # (H, coupled states, N), a ring
    rows = rows.roll(-(simulator.current_step % len(rows)) - 1, 0)  # the last is now
    if bool((rows == rows[-1]).all()):
        return {}
    past = torch.cat((rows[:1], rows[:-1]))  # ours asks for one more, which it reads only between two steps
    places = {source: place for place, source in enumerate(match.ends)}
    found = {}
    for source in sources:
        sent = past[:, 0] - past[:, 1] if source == "output" else past[:, places[source]] * match.states[source]
        found[f"history_{source}"] = given(sent)
    return found
