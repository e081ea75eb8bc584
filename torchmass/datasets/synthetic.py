"""A generated connectome, whose properties are known because they are what it is made from."""

import math

import torch
from torch import Tensor

from torchmass.datasets.connectome import Connectome
from torchmass.datasets.files import straight

SEMI_AXES = (32.0, 80.0, 46.0)  # mm, to the side, to the front and up: a hemisphere of an adult, roughly
MIDLINE = 36.0  # mm from there to the middle of a hemisphere, which leaves a gap of 8 mm between the two
GOLDEN_ANGLE = math.pi * (3 - math.sqrt(5))


def synthetic_connectome(
    n: int = 68,
    seed: int = 0,
    *,
    density: float = 0.26,
    decay: float = 33.0,
    spread: float = 2.3,
    homotopic: float = 18.0,
    tortuosity: float = 1.36,
    directed: bool = False,
) -> Connectome:
    r"""A connectome of `n` regions on two mirrored ellipsoids, L0, L1, …, R0, R1, …: Rk mirrors Lk.

    A fraction `density` of all pairs is linked: each region with its mirror image, and others drawn with a probability
    proportional to $e^{-d/\texttt{decay}}$ over a distance d in mm, `tortuosity` times the straight line. A link weighs
    $h\, e^{-d/\texttt{decay} + \texttt{spread}\, z}$, with z standard normal and h = `homotopic` between mirror images,
    1 elsewhere. Diagonals are 0. `directed` draws each direction by itself; otherwise weights are symmetric, as those
    from diffusion imaging. Distances always are. `centres` count to the right, to the front and up; they are the same
    for every `seed`, as in one atlas. The global generator is left alone.

    The defaults are what a regression finds in `tvb_connectome(68)`. Raises `ValueError` for an odd `n`, a density
    without room for the mirror images, and values out of range.
    """
    _check(n, density, decay, spread, homotopic, tortuosity)
    generator = torch.Generator().manual_seed(seed)
    centres = _hemispheres(n // 2)
    distances = tortuosity * straight(centres)
    mirrored = torch.eye(n, dtype=torch.bool).roll(n // 2, 1)
    links = _links(distances / decay, mirrored, density, directed, generator)
    z = _mirror(torch.randn(n, n, generator=generator, dtype=torch.float64), directed)
    weights = torch.where(mirrored, homotopic, 1.0) * torch.exp(spread * z - distances / decay)
    weights, distances, centres = (values.to(torch.get_default_dtype()) for values in (weights, distances, centres))
    if not bool((weights[links] > 0).all()):
        raise ValueError(f"decay={decay} mm makes weights that round to 0; take a longer one, or a smaller spread.")
    labels = tuple(f"{side}{index}" for side in "LR" for index in range(n // 2))
    return Connectome(weights.where(links, 0), distances, labels, centres)


def _check(n: int, density: float, decay: float, spread: float, homotopic: float, tortuosity: float) -> None:
    if n < 2 or n % 2:
        raise ValueError(f"n must be even and at least 2, half of it for each hemisphere, got {n}.")
    if not 1 / (n - 1) <= density <= 1:
        raise ValueError(
            f"density must lie in [{1 / (n - 1):.3g}, 1] for n={n}, so that every region is linked with its mirror "
            f"image; got {density}."
        )
    for name, value, fits, rule in (
        ("decay", decay, decay > 0, "> 0 mm"),
        ("spread", spread, spread >= 0, "≥ 0"),
        ("homotopic", homotopic, homotopic > 0, "> 0"),
        ("tortuosity", tortuosity, tortuosity >= 1, "≥ 1, as no way is shorter than the straight one"),
    ):
        if not fits:
            raise ValueError(f"{name} must be {rule}, got {value}.")


def _hemispheres(size: int) -> Tensor:
    """Regions spread evenly over the left hemisphere by a golden spiral, then their mirror images, (2 size, 3)."""
    index = torch.arange(size, dtype=torch.float64)
    height, angle = 1 - (2 * index + 1) / size, GOLDEN_ANGLE * index
    radius = (1 - height**2).sqrt()
    unit = torch.stack([radius * angle.cos(), radius * angle.sin(), height], 1)
    left = unit * unit.new_tensor(SEMI_AXES) - unit.new_tensor([MIDLINE, 0, 0])
    return torch.cat([left, left * left.new_tensor([-1, 1, 1])])


def _mirror(values: Tensor, directed: bool) -> Tensor:
    """One draw for each direction, or the same for both."""
    return values if directed else values.triu(1) + values.triu(1).T


def _links(cost: Tensor, mirrored: Tensor, density: float, directed: bool, generator: torch.Generator) -> Tensor:
    """The linked pairs: mirror images, then others drawn without replacement with probability exp(-cost)."""
    pairs = ~torch.eye(len(cost), dtype=torch.bool)
    pairs = pairs if directed else pairs.triu()
    gumbel = -torch.empty_like(cost).exponential_(generator=generator).log()  # the largest of these are such a draw
    score = (gumbel - cost).masked_fill(mirrored, math.inf).masked_fill(~pairs, -math.inf)
    chosen = score.flatten().argsort(descending=True)[: round(density * int(pairs.sum()))]
    links = torch.zeros(cost.numel(), dtype=torch.bool).index_fill(0, chosen, True).view_as(pairs)
    return links if directed else links | links.T
