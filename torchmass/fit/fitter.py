"""Fitter: finds the free parameters of a simulation that make what it predicts most like a target."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from torchmass.fit.checkpoint import Checkpoint, digest
from torchmass.fit.gradient import Gradient
from torchmass.fit.journal import FitStep, Journal
from torchmass.fit.problem import Problem
from torchmass.fit.result import FitResult
from torchmass.fit.scipy import Scipy
from torchmass.fit.strategies import CMA, Nevergrad, Optuna
from torchmass.kernels.finite import NonFiniteError
from torchmass.naming import lookup
from torchmass.simulator import Simulator
from torchmass.values import whole


class Backend(Protocol):
    """A way of searching."""

    def run(self, problem: Problem, journal: Journal) -> None:
        """Record losses in the steps of the journal, until there is none left."""
        ...


BACKENDS: Mapping[str, Callable[[], Backend]] = {
    "adam": Gradient,
    "lbfgs": partial(Gradient, torch.optim.LBFGS, line_search_fn="strong_wolfe"),
    "scipy": Scipy,
    "cma": CMA,
    "nevergrad": Nevergrad,
    "optuna": Optuna,
}


class Fitter:
    r"""Minimises `objective(prediction, target)` over every free parameter of `sim`.

    `predict(sim)` is a function that runs the simulator it is given and returns whatever the objective compares:
    `lambda sim: sim.run(400.0, monitors=["x"])["x"]`; by default the model's output, a row for each of the target. The
    objective returns a loss, a number or (*b), of which the mean is taken. What `free` was called on is fitted, in the
    model, its couplings and noise, and in `parts`: further modules, such as observers or stimuli, that `predict` uses.

    `backend` is one of `fit.BACKENDS` by name (`"adam"`, `"lbfgs"`, `"scipy"`, `"cma"`, `"nevergrad"`, `"optuna"`) or
    an instance with options, as `fit.Gradient(torch.optim.SGD, lr=0.1)` or `fit.CMA(population=64)`. Bounds are those
    of the declarations or of `free(a=(low, high))`.

    Candidates that run together, `restarts` or a population, are the first batch axis of the prediction, (T, C, 1, N),
    or (T, C, B, N) where `predict` gives a `batch_size`; the objective must keep the first axis and return (C, …). All
    of them have the same noise, as each would alone. Of `restarts`, those that fail are left behind, as the result
    says; a candidate of a population that fails ends the fit, or pays for it, as in `fit.CMA(penalty=10.0)`.

    `priors` are distributions by parameter, in natural units; −log p is added to the loss. Where that is a negative
    log-likelihood, the fit finds the maximum a posteriori: of the density over natural units, without the Jacobian of
    `raw`, so that it does not depend on how a parameter is kept within its bounds.

    `window=k` cuts a long recording, the target (T, *b, N), into windows of k rows, simulated one after the other, each
    from the state in which the last one ended, with gradients within windows only; a gradient descends after each, and
    a step is one pass along the recording. The loss is the mean over windows, for the parameters before the pass.
    `predict(sim, x0)` then simulates one window from `x0`, None for the first, and returns what it predicts and
    `result.state`. (Within one run, `grad_horizon` of `sim.run` cuts gradients that grow through chaos.)

    Raises `ValueError` where nothing is free and for a target that is not finite.
    """

    def __init__(
        self,
        sim: Simulator,
        objective: Callable[..., Any],
        target: Any = None,
        *,
        predict: Callable[..., Any] | None = None,
        backend: str | Backend = "adam",
        priors: Mapping[str, Distribution] | None = None,
        parts: Sequence[nn.Module] = (),
        window: int | None = None,
    ) -> None:
        window = None if window is None else whole("window", window)
        self.problem = Problem(sim, objective, target, predict, priors or {}, parts, window)
        self.backend = lookup("torchmass", "fit backend", backend, BACKENDS)() if isinstance(backend, str) else backend

    def __repr__(self) -> str:
        of = ", ".join(self.problem.space.names)
        return f"Fitter({of} by {self.backend!r}, objective={_told(self.problem.objective)})"

    def loss(self, seed: int = 0) -> Tensor:
        """The loss of the present parameters, with the noise of `seed`."""
        return self.problem.evaluate(seed).losses

    def fit(
        self,
        n_steps: int,
        *,
        seed: int = 0,
        fresh_noise: bool = False,
        patience: int | None = None,
        tolerance: float = 0.0,
        callbacks: Sequence[Callable[[FitStep], Any]] = (),
        checkpoint: Any = None,
        every: int = 10,
        progress: bool = False,
    ) -> FitResult:
        """Search for `n_steps` steps, and leave the model with the parameters of the lowest loss met.

        Runs in `predict` that are given no seed have the noise of `seed` in every step (common random numbers); with
        `fresh_noise` that of `seed + step`, so that none is learnt by heart, and the lowest loss is a lucky one.

        The fit ends early when the loss has not fallen by more than `tolerance` for `patience` steps, or when one of
        the `callbacks`, called with a `FitStep` after each step, returns True. `progress` shows a bar.

        `checkpoint` is a file that is written after every `every` steps; a fit that finds it goes on from there, with
        the same result as without the interruption. A file of another fit raises `ValueError`.

        Raises `NonFiniteError`, naming step and parameter, for a loss or a gradient that is not finite, of all starts
        where there are `restarts`. When anything is raised the model is as it was before.
        """
        kept = Checkpoint(checkpoint, whole("every", every), self._identity(seed, fresh_noise))
        journal = Journal(
            self.problem,
            whole("n_steps", n_steps),
            seed=seed,
            fresh_noise=fresh_noise,
            patience=None if patience is None else whole("patience", patience),
            tolerance=tolerance,
            callbacks=callbacks,
            checkpoint=kept,
            progress=progress,
        )
        try:
            self.backend.run(self.problem, journal)
        except NonFiniteError as error:
            raise NonFiniteError(f"step {journal.step} of the fit: {error}") from error
        return self._result(journal)

    def _identity(self, seed: int, fresh_noise: bool) -> dict[str, Any]:
        problem = self.problem
        return {
            "parameters": {leaf.name: str(leaf.bounds) for leaf in problem.space.leaves},
            "values": digest(problem),
            "target": digest(problem.target),
            "objective": _told(problem.objective),
            "terms": problem.term_names,
            "simulator": f"dt={problem.sim.dt}, {problem.sim.method}",
            "priors": {name: str(prior) for name, prior in problem.priors.items()},
            "windows": 1 if problem.windows is None else len(problem.windows),
            "backend": repr(self.backend),
            "noise": f"seed {seed}{', fresh' * fresh_noise}",
        }

    def _result(self, journal: Journal) -> FitResult:
        best, problem = int(journal.best_losses.argmin()), self.problem
        if not bool(journal.best_losses.isfinite().any()):
            raise NonFiniteError("no candidate had a finite loss: start elsewhere, or give narrower bounds.")
        seed = int(journal.best_seeds[best])
        with torch.no_grad():
            for path, raw in problem.space.split(journal.best_flat[best]).items():
                problem.get_parameter(path).copy_(raw)
            found = problem.evaluate(seed)
        tables = torch.stack(journal.history, 1)  # (1 + K, steps, R)
        losses, *terms = tables[..., 0] if tables.shape[2] == 1 else tables
        return FitResult(
            best_params=problem.values(),
            best_loss=found.losses.item(),
            history=losses,
            term_history=dict(zip(problem.term_names, terms, strict=True)),
            failures=journal.failures,
            terms={name: term.item() for name, term in found.terms.items()},
            prediction=found.prediction,
            model=problem.sim.model,
            seed=seed,
            problem=problem,
            raw=journal.best_flat[best],
        )


def _told(function: Any) -> str:
    """A function as it shows itself, without its address, which in another process is another one."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(function))
