"""What a fit minimises: a prediction of a simulator, compared with a target, as a function of the free parameters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.func import functional_call

from torchmass.fit.space import Raws, Space
from torchmass.kernels.finite import NonFiniteError, nonfinite_gradient
from torchmass.naming import lookup
from torchmass.objectives import Objective
from torchmass.run_options import RunOptions
from torchmass.simulator import Simulator
from torchmass.start import batch_axes
from torchmass.values import is_nonfinite, report

T = TypeVar("T")


class Evaluation(NamedTuple):
    """A loss, () or (C,) for candidates, with what was predicted, and by name the terms that add up to it."""

    losses: Tensor
    prediction: Any
    terms: Mapping[str, Tensor]  # without the weights of the objective
    state: Any = None  # where the run ended, of a window

    @property
    def table(self) -> Tensor:
        """The losses and, below, each of their terms, (1 + K, C) numbers."""
        return torch.stack([self.losses, *self.terms.values()]).detach().reshape(1 + len(self.terms), -1)


class Problem(nn.Module):
    """The loss of a fit, as a function of its parameters and a seed. See `Fitter` for what its parts mean."""

    def __init__(
        self,
        sim: Simulator,
        objective: Callable[..., Any],
        target: Any,
        predict: Callable[..., Any] | None,
        priors: Mapping[str, Distribution],
        parts: Sequence[nn.Module],
        window: int | None,
    ) -> None:
        super().__init__()
        self.sim, self.parts, self.objective, self.target = sim, nn.ModuleList(parts), objective, target
        _refuse_nonfinite("target", target)
        self.windows = None if window is None else _windows(target, window)
        self.predict = _output(target, window) if predict is None else predict
        model = sim.model
        self.space = Space(self, max(1, len(batch_axes(model.dynamics(), model.starts(), (), None))))
        self.priors = dict(priors)
        self._by_name = {leaf.name: leaf for leaf in self.space.leaves}
        for name in priors:
            lookup("the fit", "free parameter", name, self._by_name)

    @property
    def term_names(self) -> list[str]:
        """What the terms of the loss are called."""
        objective = self.objective
        terms = map(repr, objective.weights) if isinstance(objective, Objective) else ["objective"]
        return [*terms, *(["prior"] if self.priors else [])]

    def at(self, raws: Raws, function: Callable[[], T]) -> T:
        """What `function()` returns with raw values in place of the parameters.

        Differentiate within: a backward pass may compute parts of a run again, from the parameters that it finds.
        """
        return functional_call(self, dict(raws), (function,))

    def forward(self, function: Callable[[], T]) -> T:
        """`function()`, so that torch's `functional_call` reaches it."""
        return function()

    def evaluate(self, seed: int, candidates: int | None = None) -> Evaluation:
        """The loss of the parameters, those of `candidates` together in one batch; of windows the mean."""
        if self.windows is None:
            with seeded(seed):
                prediction = self.predict(self._simulator(candidates))
                return self._evaluated(prediction, self.target, candidates)
        found: list[Evaluation] = []
        for target in self.windows:
            found.append(self.evaluate_window(seed, candidates, target, found[-1].state if found else None))
        losses, predictions, terms, states = zip(*found, strict=True)
        together = torch.cat(predictions) if all(isinstance(p, Tensor) for p in predictions) else list(predictions)
        means = {name: torch.stack([each[name] for each in terms]).mean(0) for name in terms[0]}
        return Evaluation(torch.stack(losses).mean(0), together, means, states[-1])

    def evaluate_window(self, seed: int, candidates: int | None, target: Tensor, x0: Any) -> Evaluation:
        """The loss of one window, simulated from where the one before ended; its state is cut from the graph."""
        with seeded(seed):
            prediction, state = self.predict(self._simulator(candidates), x0)
            return self._evaluated(prediction, target, candidates)._replace(state=state.detach())

    def evaluated(self, flat: Tensor, seed: int) -> Evaluation:
        """The losses and what they are made of at raw numbers, (n,) to () or (C, n) to (C,)."""
        candidates = None if flat.ndim == 1 else len(flat)
        return self.at(self.space.split(flat), lambda: self.evaluate(seed, candidates))

    def losses(self, flat: Tensor, seed: int) -> Tensor:
        """The losses alone."""
        return self.evaluated(flat, seed).losses

    def gradient(self, flat: Tensor, seed: int) -> tuple[Evaluation, Tensor]:
        """The losses at raw numbers, (n,) or (C, n), and their gradient of the same shape, checked to be finite."""
        flat = flat.detach().requires_grad_()
        raws = self.space.split(flat)

        def differentiated() -> tuple[Evaluation, Tensor]:
            found = self.evaluate(seed, None if flat.ndim == 1 else len(flat))
            self.refuse_nonfinite(found.losses, raws)
            self.refuse_constant(found.losses)
            return found, torch.autograd.grad(found.losses.sum(), flat)[0]

        found, gradient = self.at(raws, differentiated)
        if is_nonfinite(gradient):
            wrong = ~gradient.isfinite().reshape(-1, gradient.shape[-1]).all(0)
            raise nonfinite_gradient(self.space.labels[int(wrong.nonzero()[0])])
        return found, gradient

    @staticmethod
    def refuse_constant(losses: Tensor) -> None:
        """Raise a `ValueError` for losses that torch cannot differentiate."""
        if not losses.requires_grad:
            raise ValueError("the loss has no gradient: predict and objective must not leave torch, nor detach.")

    def values(self) -> dict[str, Tensor]:
        """The parameters by name, in natural units."""
        return {leaf.name: leaf.value().detach().clone() for leaf in self.space.leaves}

    def _simulator(self, candidates: int | None) -> Simulator:
        return self.sim.asked(RunOptions(often=True, candidates=candidates or 1))

    def _evaluated(self, prediction: Any, target: Any, candidates: int | None) -> Evaluation:
        objective, compared = self.objective, (prediction,) if target is None else (prediction, target)
        composed = isinstance(objective, Objective)
        found = objective.terms(*compared) if composed else {"objective": objective(*compared)}
        terms = {name: self._per_candidate(term, candidates) for name, term in found.items()}
        losses = objective.total(terms) if composed else terms["objective"]
        if self.priors:
            terms["prior"] = self._prior(candidates)
            losses = losses + terms["prior"]
        return Evaluation(losses, prediction, terms)

    def _prior(self, candidates: int | None) -> Tensor:
        """−log p of the parameters, in natural units."""
        each = [prior.log_prob(self._by_name[name].value()) for name, prior in self.priors.items()]
        first, *others = [p.sum() if candidates is None else p.reshape(candidates, -1).sum(1) for p in each]
        return -sum(others, start=first)

    @staticmethod
    def _per_candidate(loss: Any, candidates: int | None) -> Tensor:
        if not isinstance(loss, Tensor):
            raise TypeError(f"the objective must return a tensor, got {type(loss).__name__}.")
        if candidates is None:
            return loss.mean()
        if not loss.ndim or len(loss) != candidates:
            raise ValueError(
                f"the objective must return one loss for each of the {candidates} candidates, the first batch axis of "
                f"the prediction, (T, {candidates}, …, N); got shape {tuple(loss.shape)}. Reduce the last axes only."
            )
        return loss.reshape(candidates, -1).mean(1)

    def refuse_nonfinite(self, losses: Tensor, raws: Raws) -> None:
        """Raise a `NonFiniteError` where a loss is not finite, naming the parameters there."""
        wrong = ~losses.detach().isfinite()
        if not bool(wrong.any()):
            return
        first = int(wrong.nonzero()[0]) if losses.ndim else 0
        raise self.nonfinite(losses, raws, first, f" of candidate {first}" if losses.ndim else "")

    def nonfinite(self, losses: Tensor, raws: Raws, k: int, which: str = "") -> NonFiniteError:
        """The error for the loss of the `k`-th candidate, naming the parameters there."""
        one = {path: raw[k] for path, raw in raws.items()} if losses.ndim else raws
        at, loss = listed(self.at(one, self.values)), losses.detach().flatten()[k].item()
        return NonFiniteError(f"the loss{which} is {loss} at {at}: try other bounds, a smaller dt or a shorter run.")


def listed(params: Mapping[str, Tensor]) -> str:
    """Parameters by name, those of several numbers by the least and the largest."""
    return ", ".join(f"{name}={_brief(value)}" for name, value in params.items())


def _brief(value: Tensor) -> str:
    if value.numel() == 1:
        return f"{value.item():.4g}"
    return f"{value.min().item():.4g} to {value.max().item():.4g} {tuple(value.shape)}"


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Runs without a seed take theirs from torch's default generator: seeded here, and as before afterwards."""
    with torch.random.fork_rng(devices=()):
        torch.default_generator.manual_seed(seed)
        yield


def _output(target: Any, window: int | None) -> Callable[..., Any]:
    """What a fit predicts when not told otherwise: the output of the model, a row for each of the target."""
    if not isinstance(target, Tensor) or target.ndim < 2:
        raise ValueError("give predict=, a function of the simulator, unless the target is a series (T, *b, N).")

    def output(sim: Simulator, x0: Any = None) -> Any:
        found = sim.run((window or len(target)) * sim.dt, monitors=["output"], x0=x0)
        return found["output"] if window is None else (found["output"], found.state)

    return output


def _windows(target: Any, window: int) -> tuple[Tensor, ...]:
    if not isinstance(target, Tensor) or target.ndim < 2 or len(target) % window:
        found = f"shape {tuple(target.shape)}" if isinstance(target, Tensor) else type(target).__name__
        raise ValueError(f"window={window} needs a target (T, *b, N) whose T is a multiple of it, got {found}.")
    return target.split(window)


def _refuse_nonfinite(label: str, target: Any) -> None:
    """Raise a `ValueError` for a target, or one of several, that is not finite."""
    if isinstance(target, Mapping):
        for name, value in target.items():
            _refuse_nonfinite(f"{label}[{name!r}]", value)
    if isinstance(target, Tensor) and not bool((fine := target.isfinite()).all()):
        raise ValueError(
            f"{label} must be finite, got {report(target, ~fine)}: leave such samples out of what is compared."
        )
