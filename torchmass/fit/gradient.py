"""Gradient descent: any `torch.optim`, several starts at once, and recordings window by window."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from torchmass.fit.journal import Journal
from torchmass.fit.problem import Problem
from torchmass.kernels.finite import nonfinite_gradient
from torchmass.naming import lookup
from torchmass.undefined import tolerant
from torchmass.values import whole

ELEMENTWISE = tuple(  # in which every number has a descent of its own, so that starts in one batch do not meet
    getattr(torch.optim, name)
    for name in ("Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD")
)


class Gradient:
    """Descends along the gradient of the loss with an optimiser of `torch.optim`, Adam by default.

    `options` are those of the optimiser, as `lr=0.05`; it moves the unconstrained `raw` values, in which a bounded
    parameter is a logarithm or a logit. `rates` are learning rates of single parameters, by name. `schedule` makes a
    learning-rate schedule from the optimiser: `lambda o: CosineAnnealingLR(o, 200)`. `clip` shortens the gradient of
    each start to this norm. A step of an optimiser that searches along lines, as LBFGS, may evaluate the loss often.

    `restarts=R` descends from R starts in one batch, as R fits would: the present parameters, and others drawn with the
    seed of the fit, uniform within bounds that have two ends. The optimiser must treat each number by itself, as Adam.
    A start whose run diverges, or whose loss or gradient is not finite, has failed: the others go on, its losses are
    infinite from there on, and the `failures` of the result say what it met. Only when all have failed, the fit ends.
    """

    def __init__(
        self,
        optimiser: Callable[..., Optimizer] = torch.optim.Adam,
        *,
        rates: Mapping[str, float] | None = None,
        schedule: Callable[[Optimizer], LRScheduler] | None = None,
        clip: float | None = None,
        restarts: int = 1,
        **options: Any,
    ) -> None:
        if clip is not None and not clip > 0:
            raise ValueError(f"clip must be > 0, got {clip}.")
        self.optimiser, self.rates, self.schedule = optimiser, dict(rates or {}), schedule
        self.clip, self.restarts = clip, whole("restarts", restarts)
        self.options = options or ({"lr": 0.05} if optimiser is torch.optim.Adam else {})
        if restarts > 1 and optimiser not in ELEMENTWISE:
            names = ", ".join(cls.__name__ for cls in ELEMENTWISE)
            raise ValueError(f"restarts need an optimiser that treats each number by itself: {names}.")

    def __repr__(self) -> str:
        parts = {"rates": self.rates, "clip": self.clip, "restarts": self.restarts}
        told = ", ".join(f"{name}={value}" for name, value in (parts | self.options).items())
        return f"Gradient({getattr(self.optimiser, '__name__', 'optimiser')}, {told})"

    def run(self, problem: Problem, journal: Journal) -> None:
        """Descend until the journal says that it is over."""
        Descent(self, problem, journal).run()


class Descent:
    """One run of a `Gradient`: the values that move, their optimiser, and the step that moves them."""

    def __init__(self, how: Gradient, problem: Problem, journal: Journal) -> None:
        self.how, self.problem, self.journal, space = how, problem, journal, problem.space
        self.starts = None if how.restarts == 1 else how.restarts
        flat = space.flat(space.present())
        raws = space.split(flat if self.starts is None else space.draw(how.restarts, journal.first_seed))
        self.raws = {path: raw.clone().requires_grad_() for path, raw in raws.items()}
        self.by_name = {leaf.name: self.raws[leaf.path] for leaf in space.leaves}
        for name in how.rates:
            lookup("the fit", "free parameter", name, self.by_name)
        groups = [
            {"params": [raw], **({"lr": how.rates[name]} if name in how.rates else {})}
            for name, raw in self.by_name.items()
        ]
        self.optimiser = how.optimiser(groups if how.rates else list(self.raws.values()), **how.options)
        self.schedule = None if how.schedule is None else how.schedule(self.optimiser)

    def run(self) -> None:
        """Steps until the journal says that it is over, from where a checkpoint left it."""
        if kept := self.journal.checkpoint.load():
            self._load(kept)
        move = self._follow if self.problem.windows is None else self._pass
        for _ in self.journal.steps(self._progress):
            with tolerant(self.starts is not None):
                move()
            if isinstance(self.schedule, ReduceLROnPlateau):
                assert self.journal.losses is not None
                self.schedule.step(self.journal.losses.min().item())
            elif self.schedule is not None:
                self.schedule.step()

    def _follow(self) -> None:
        """One step of the optimiser, along the gradient of the loss."""

        def differentiated() -> float:
            losses = self._losses()
            self._differentiate(losses)
            return losses.sum().item()

        self.optimiser.step(lambda: self.problem.at(self.raws, differentiated))

    def _pass(self) -> None:
        """One step of the optimiser for each window, from the state in which the one before ended."""
        assert self.problem.windows is not None
        with torch.no_grad():
            self.problem.at(self.raws, self._losses)
        state = None
        for target in self.problem.windows:
            ends: list[Any] = []

            def differentiated(target: Tensor = target, x0: Any = state, ends: list[Any] = ends) -> float:
                found = self.problem.evaluate_window(self.journal.seed, self.starts, target, x0)
                ends.append(found.state)
                self._differentiate(found.losses)
                return found.losses.sum().item()

            self.optimiser.step(lambda run=differentiated: self.problem.at(self.raws, run))
            state = ends[0]

    def _losses(self) -> Tensor:
        """The losses of the parameters, recorded."""
        found = self.problem.evaluate(self.journal.seed, self.starts)
        self.journal.record(found.table, self.problem.space.flat(self.raws, self.starts or 1))
        return found.losses

    def _differentiate(self, losses: Tensor) -> None:
        """The gradients of losses into the `.grad` of the values, checked and clipped; of starts that failed, 0."""
        self.problem.refuse_constant(losses)
        self.optimiser.zero_grad()
        for k in self._broken(losses.detach()):
            self.journal.fail(k, self.problem.nonfinite(losses, self.raws, k))
        losses.reshape(-1)[self.journal.going].sum().backward()
        for name, raw in self.by_name.items():
            if raw.grad is None and self.problem.windows is None:  # the start matters in the first window only
                raise ValueError(f"the loss does not depend on {name}: fix({name!r}) it, or predict with it.")
            for k in [] if raw.grad is None else self._broken(raw.grad):
                self.journal.fail(k, nonfinite_gradient(name))
        gradients = [raw.grad for raw in self.raws.values() if raw.grad is not None]
        if self.journal.failures:
            for gradient in gradients:
                gradient[~self.journal.going] = 0.0
        if self.how.clip is not None:
            self._shorten(gradients, self.how.clip)

    def _broken(self, values: Tensor) -> list[int]:
        """The starts of which some value is not finite."""
        return (~values.reshape(self.starts or 1, -1).isfinite().all(1)).nonzero().flatten().tolist()

    def _shorten(self, gradients: Sequence[Tensor], clip: float) -> None:
        """Scale the gradients of each start, together, to a norm of at most `clip`."""
        rows = [g.reshape(self.starts or 1, -1) for g in gradients]
        factors = (clip / torch.cat(rows, 1).norm(dim=1)).clamp(max=1)  # (R,); a norm of 0 has no limit
        for gradient in gradients:
            gradient.mul_(factors.reshape(-1, *[1] * (gradient.ndim - 1)) if self.starts else factors[0])

    def _progress(self) -> dict[str, Any]:
        schedule = {} if self.schedule is None else {"schedule": self.schedule.state_dict()}
        values = {path: raw.detach() for path, raw in self.raws.items()}
        return {
            "raws": values,
            "optimiser": self.optimiser.state_dict(),
            "journal": self.journal.state_dict(),
            **schedule,
        }

    def _load(self, kept: Mapping[str, Any]) -> None:
        with torch.no_grad():
            for path, raw in self.raws.items():
                raw.copy_(kept["raws"][path])
        self.optimiser.load_state_dict(kept["optimiser"])
        if self.schedule is not None:
            self.schedule.load_state_dict(kept["schedule"])
        self.journal.load_state_dict(kept["journal"])
