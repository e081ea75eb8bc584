"""The space that a fit searches: every free number, by name, in natural units and as the unconstrained `raw`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.distributions.transforms import Transform

from torchmass.bounds import REAL, Bounds
from torchmass.naming import lookup
from torchmass.parametrised import Parametrised

Raws = Mapping[str, Tensor]  # by the path of a parameter in its module: in its own shape, or (C, 1, …, *shape)


@dataclass(frozen=True)
class Leaf:
    """One free parameter: where it lives, what users call it, and the values it may take."""

    path: str
    name: str
    owner: nn.Module
    own: str
    bounds: Bounds
    shape: torch.Size

    @property
    def transform(self) -> Transform:
        """From `raw` to natural units."""
        return self.bounds.transform

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self.shape.numel()

    @property
    def rank(self) -> int:
        """The axes of a value besides those of a batch."""
        assert isinstance(self.owner, Parametrised)
        return self.owner.axes_of(self.own)

    def value(self) -> Tensor:
        """What it is now, in natural units."""
        return self.owner.value(self.own) if isinstance(self.owner, Parametrised) else getattr(self.owner, self.own)


class Space:
    """The free parameters of a module, in order, as n numbers.

    A parameter is called by the shortest end of its path that no other has: `a`, or `coupling.k` beside `node.k`;
    `names` are those that are searched, in this order, where not all are.
    `batch_rank` counts the batch axes that the run of one candidate may have; those of C candidates are (C, *1, …).
    Raises `ValueError` where nothing is free.
    """

    def __init__(self, module: nn.Module, batch_rank: int = 1, names: Sequence[str] | None = None) -> None:
        paths = [path for path, parameter in module.named_parameters() if parameter.requires_grad]
        if not paths:
            raise ValueError("nothing is free to be fitted: call free('<name>') on the model, as net.free('k').")
        called = _shortest([[part for part in path.split(".") if part != "raw"] for path in paths])
        self.module, self.batch_rank = module, batch_rank
        leaves = {name: _leaf(module, path, name) for path, name in zip(paths, called, strict=True)}
        chosen = leaves if names is None else names
        self.leaves = [lookup("the simulator", "free parameter", name, leaves) for name in chosen]

    @property
    def names(self) -> list[str]:
        """What users call the parameters."""
        return [leaf.name for leaf in self.leaves]

    @property
    def labels(self) -> list[str]:
        """The name of each of the n numbers: `a`, `w[3]`, `weights[0, 2]`."""
        return [f"{leaf.name}{_index(leaf.shape, k)}" for leaf in self.leaves for k in range(leaf.size)]

    @property
    def like(self) -> Tensor:
        """A tensor with the dtype and device of the numbers."""
        return self.module.get_parameter(self.leaves[0].path).detach()

    @property
    def takes_batches(self) -> bool:
        """Whether candidates can run together: whether all parameters are declared."""
        return all(isinstance(leaf.owner, Parametrised) for leaf in self.leaves)

    def present(self) -> dict[str, Tensor]:
        """The raw values that the module has now."""
        return {leaf.path: self.module.get_parameter(leaf.path).detach().clone() for leaf in self.leaves}

    def flat(self, raws: Raws, candidates: int | None = None) -> Tensor:
        """The n numbers, (n,), or those of each candidate, (C, n)."""
        parts = [raws[leaf.path].reshape(1 if candidates is None else candidates, -1) for leaf in self.leaves]
        return torch.cat(parts, 1) if candidates is not None else torch.cat(parts, 1)[0]

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """The opposite of `flat`: of (n,) in their own shapes, of (C, n) with the candidates as first batch axis."""
        parts = flat.split([leaf.size for leaf in self.leaves], -1)
        shapes = [leaf.shape if flat.ndim == 1 else self._batched(leaf, len(flat)) for leaf in self.leaves]
        return {leaf.path: part.reshape(s) for leaf, part, s in zip(self.leaves, parts, shapes, strict=True)}

    def _batched(self, leaf: Leaf, candidates: int) -> tuple[int, ...]:
        if not isinstance(leaf.owner, Parametrised):
            raise ValueError(
                f"{leaf.name} is a parameter of {type(leaf.owner).__name__}, which takes no batch of values: candidates"
                " that run together need values declared with Param; use one start and a gradient, or 'scipy'."
            )
        return (candidates, *[1] * (self.batch_rank + leaf.rank - len(leaf.shape)), *leaf.shape)

    def natural(self, flat: Tensor) -> Tensor:
        """The numbers in natural units, of (n,) or (C, n) raw ones."""
        parts = flat.split([leaf.size for leaf in self.leaves], -1)
        values = [leaf.transform(part) for leaf, part in zip(self.leaves, parts, strict=True)]
        return torch.cat([torch.as_tensor(value) for value in values], -1)

    def raw(self, natural: Tensor) -> Tensor:
        """The opposite of `natural`."""
        parts = natural.split([leaf.size for leaf in self.leaves], -1)
        values = [leaf.transform.inv(part) for leaf, part in zip(self.leaves, parts, strict=True)]
        return torch.cat([torch.as_tensor(value) for value in values], -1)

    def limits(self) -> tuple[Tensor, Tensor]:
        """The ends of the bounds of each number, (n,) twice."""
        like = self.like
        low = torch.cat([like.new_full((leaf.size,), leaf.bounds.low) for leaf in self.leaves])
        high = torch.cat([like.new_full((leaf.size,), leaf.bounds.high) for leaf in self.leaves])
        return low, high

    def scales(self) -> Tensor:
        """How far a search steps at first in each raw number, (n,).

        1 where there are bounds, which makes raw a logarithm or a logit; else the size of the value, 1 where it is 0.
        """
        flat, parts = self.flat(self.present()), []
        for leaf, part in zip(self.leaves, flat.split([leaf.size for leaf in self.leaves]), strict=True):
            parts.append(torch.where(part == 0, 1.0, part.abs()) if leaf.bounds == REAL else torch.ones_like(part))
        return torch.cat(parts)

    def draw(self, count: int, seed: int) -> Tensor:
        """Places to start from, (count, n), raw: the present one, then others.

        Those are uniform within bounds that have two ends, else normal around the present with `scales`.
        """
        here, (low, high) = self.flat(self.present()), self.limits()
        generator = torch.Generator().manual_seed(seed)
        u = torch.rand(count, len(here), dtype=here.dtype, generator=generator, device="cpu").to(here.device)
        normal = here + self.scales() * torch.special.ndtri(u.clamp(1e-6, 1 - 1e-6))
        found = torch.where((low.isfinite() & high.isfinite()), torch.logit(u, 1e-6), normal)
        found[0] = here
        return found


def _leaf(module: nn.Module, path: str, name: str) -> Leaf:
    *above, own = path.split(".")
    shape = module.get_parameter(path).shape
    if above and above[-1] == "raw":
        owner = module.get_submodule(".".join(above[:-1]))
        if isinstance(owner, Parametrised):
            return Leaf(path, name, owner, own, owner.freed[own], shape)
    return Leaf(path, name, module.get_submodule(".".join(above)), own, REAL, shape)


def _shortest(paths: Sequence[Sequence[str]]) -> list[str]:
    """The shortest end of each path that no other path has."""
    ends = lambda path: [".".join(path[k:]) for k in reversed(range(len(path)))]
    counts: dict[str, int] = {}
    for end in (end for path in paths for end in ends(path)):
        counts[end] = counts.get(end, 0) + 1
    return [next((end for end in ends(path) if counts[end] == 1), ".".join(path)) for path in paths]


def _index(shape: torch.Size, k: int) -> str:
    places = [int(i) for i in torch.unravel_index(torch.tensor(k), shape)] if shape else []
    return f"[{', '.join(map(str, places))}]" if places else ""
