"""The searches of cma, nevergrad and optuna, as strategies that ask and are told."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from torchmass.fit.population import Population, Strategy
from torchmass.fit.space import Space
from torchmass.packages import require


class CMA(Population):
    """CMA-ES, of the package cma, in the raw numbers (in units of their size where they have no bounds).

    `sigma` is the standard deviation of the first generation, and `options` those of cma, as `tolfun=1e-9`. It ends
    when cma's own criteria hold. Source: Hansen 2016, doi:10.48550/arXiv.1604.00772.
    """

    def __init__(
        self, population: int = 64, *, sigma: float = 0.5, penalty: float | None = None, **options: Any
    ) -> None:
        super().__init__(population, penalty)
        self.sigma, self.options = sigma, options

    def __repr__(self) -> str:
        return f"CMA(population={self.population}, sigma={self.sigma}, penalty={self.penalty}, {self.options})"

    def strategy(self, space: Space, seed: int, steps: int) -> Strategy:
        """A new search around the present parameters."""
        return _CMA(self, space, seed)


class _CMA:
    def __init__(self, how: CMA, space: Space, seed: int) -> None:
        numpy, cma = require("numpy", "CMA", "search"), require("cma", "CMA", "search")
        draws = numpy.random.RandomState(seed)  # of our own: cma seeds and draws from numpy's global one otherwise
        options = {"popsize": how.population, "seed": numpy.nan, "randn": lambda *shape: draws.standard_normal(shape)}
        self.around = _Around(space)
        start = numpy.zeros(len(self.around.here))
        self.search = cma.CMAEvolutionStrategy(start, how.sigma, {**options, "verbose": -9, **how.options})
        self.asked: list[Any] = []

    @property
    def done(self) -> bool:
        return bool(self.search.stop())

    def ask(self) -> Tensor:
        self.asked = self.search.ask()
        return self.around.raw(self.asked)

    def tell(self, losses: Tensor) -> None:
        self.search.tell(self.asked, losses.tolist())


class Nevergrad(Population):
    """A search of nevergrad by its name there, as `"TwoPointsDE"`, `"PSO"` or `"CMA"`, in the raw numbers.

    It is told how many candidates it has in all, as some plan for that. Source: Rapin & Teytaud 2018,
    https://github.com/facebookresearch/nevergrad.
    """

    def __init__(self, method: str = "TwoPointsDE", population: int = 64, *, penalty: float | None = None) -> None:
        super().__init__(population, penalty)
        self.method = method

    def __repr__(self) -> str:
        return f"Nevergrad({self.method!r}, population={self.population}, penalty={self.penalty})"

    def strategy(self, space: Space, seed: int, steps: int) -> Strategy:
        """A new search around the present parameters."""
        return _Nevergrad(self, space, seed, steps)


class _Nevergrad:
    done = False

    def __init__(self, how: Nevergrad, space: Space, seed: int, steps: int) -> None:
        numpy, nevergrad = require("numpy", "Nevergrad", "search"), require("nevergrad", "Nevergrad", "search")
        self.around, self.population = _Around(space), how.population
        numbers = nevergrad.p.Array(shape=(len(self.around.here),))
        numbers.random_state = numpy.random.RandomState(seed)
        method, budget = nevergrad.optimizers.registry[how.method], steps * how.population
        self.search = method(parametrization=numbers, budget=budget, num_workers=how.population)
        self.asked: list[Any] = []

    def ask(self) -> Tensor:
        self.asked = [self.search.ask() for _ in range(self.population)]
        return self.around.raw([candidate.value for candidate in self.asked])

    def tell(self, losses: Tensor) -> None:
        for candidate, loss in zip(self.asked, losses.tolist(), strict=True):
            self.search.tell(candidate, loss)


class Optuna(Population):
    """A search of optuna, in natural units; every free parameter needs bounds with two ends, as `free(a=(0, 1))`.

    `sampler` makes optuna's sampler from a seed: `lambda seed: optuna.samplers.GPSampler(seed=seed)`; by default the
    tree-structured Parzen estimator. Source: Akiba et al. 2019, doi:10.1145/3292500.3330701.
    """

    def __init__(
        self, population: int = 16, *, sampler: Callable[[int], Any] | None = None, penalty: float | None = None
    ) -> None:
        super().__init__(population, penalty)
        self.sampler = sampler

    def __repr__(self) -> str:
        sampler = getattr(self.sampler, "__name__", "default")
        return f"Optuna(population={self.population}, sampler={sampler}, penalty={self.penalty})"

    def strategy(self, space: Space, seed: int, steps: int) -> Strategy:
        """A new study."""
        return _Optuna(self, space, seed)


class _Optuna:
    done = False

    def __init__(self, how: Optuna, space: Space, seed: int) -> None:
        optuna = require("optuna", "Optuna", "search")
        low, high = space.limits()
        for label, *ends in zip(space.labels, low.tolist(), high.tolist(), strict=True):
            if not all(map(torch.isfinite, torch.tensor(ends))):
                raise ValueError(
                    f"optuna needs two bounds of {label}, it has {tuple(ends)}: free({label}=(low, high))."
                )
        self.space, self.population = space, how.population
        uniform = optuna.distributions.FloatDistribution
        ranges = zip(space.labels, low.tolist(), high.tolist(), strict=True)
        self.ranges = {label: uniform(lowest, highest) for label, lowest, highest in ranges}
        sampler = optuna.samplers.TPESampler(seed=seed % 2**32) if how.sampler is None else how.sampler(seed)
        self.study = optuna.study.create_study(sampler=sampler)
        self.asked: list[Any] = []

    def ask(self) -> Tensor:
        self.asked = [self.study.ask(self.ranges) for _ in range(self.population)]
        values = [[trial.params[label] for label in self.ranges] for trial in self.asked]
        return self.space.raw(self.space.like.new_tensor(values))

    def tell(self, losses: Tensor) -> None:
        for trial, loss in zip(self.asked, losses.tolist(), strict=True):
            self.study.tell(trial, loss)


class _Around:
    """Raw numbers as a search sees them: less the present ones, in units of `Space.scales`."""

    def __init__(self, space: Space) -> None:
        self.here, self.scales = space.flat(space.present()), space.scales()

    def raw(self, found: list[Any]) -> Tensor:
        """The raw numbers, (P, n), of what a search asks for."""
        return torch.stack([self.here + self.scales * self.here.new_tensor(x) for x in found])
