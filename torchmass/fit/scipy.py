"""The minimisers of scipy, with the exact gradient of the run where they take one."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from torchmass.fit.checkpoint import digest
from torchmass.fit.journal import Journal
from torchmass.fit.problem import Problem
from torchmass.naming import lookup
from torchmass.packages import require

TAKES_GRADIENT = {
    **dict.fromkeys(("L-BFGS-B", "BFGS", "CG", "SLSQP", "trust-constr"), True),
    **dict.fromkeys(("Nelder-Mead", "Powell"), False),
}


class Scipy:
    """`scipy.optimize.minimize` by a `method` in `TAKES_GRADIENT`, in the raw numbers, in units of `Space.scales`.

    A step is an iteration of scipy, which may evaluate the loss often; `options` are the method's, as `gtol=1e-9`. It
    ends when scipy has converged. A checkpoint holds every evaluation; a fit that goes on takes them from there.
    """

    def __init__(self, method: str = "L-BFGS-B", **options: Any) -> None:
        lookup("scipy", "method", method, TAKES_GRADIENT)
        self.method, self.options = method, options

    def __repr__(self) -> str:
        return f"Scipy({self.method!r}, {self.options})"

    def run(self, problem: Problem, journal: Journal) -> None:
        """Minimise until scipy has converged or the journal says that it is over."""
        optimize = require("scipy.optimize", "Scipy", "fit")
        kept = journal.checkpoint.load() or {"step": 0, "known": [], "asked": []}
        evaluations = _Evaluations(problem, journal, TAKES_GRADIENT[self.method], kept["known"], kept["asked"])
        journal.told = kept["step"]
        steps = journal.steps(lambda: {"known": torch.stack(evaluations.known), "asked": evaluations.asked})

        def callback(*_: Any) -> None:
            if next(steps, None) is None:
                raise _Over

        options = {"maxiter": journal.n_steps + 1, **self.options}
        arguments = {"method": self.method, "callback": callback, "options": options}
        try:
            callback()
            optimize.minimize(evaluations, evaluations.start, jac=evaluations.gradient or None, **arguments)
        except _Over:
            return
        journal.stopped = True  # it has converged; what was evaluated since the last iteration is a step of its own
        if journal.losses is not None:
            next(steps, None)
        steps.close()


class _Over(Exception):  # noqa: N818, it is no error
    """The journal has no more steps."""


class _Evaluations:
    """The loss as scipy calls it: known ones, (1 + K + n,) each with its terms and the gradient, then new ones."""

    def __init__(
        self, problem: Problem, journal: Journal, gradient: bool, known: Iterable[Tensor], asked: Iterable[str]
    ) -> None:
        self.problem, self.journal, self.gradient = problem, journal, gradient
        self.known, self.asked, self.count = list(known), list(asked), 0
        self.here, self.scales = problem.space.flat(problem.space.present()), problem.space.scales()
        self.start = torch.ones(len(self.here), dtype=torch.float64).numpy()  # simplex methods step by 5 % of it

    def __call__(self, x: Any) -> Any:
        flat = self.here + self.scales * (self.here.new_tensor(x) - 1)
        if self.count == len(self.known):
            self.known.append(self._new(flat))
            self.asked.append(digest(flat))
        self.journal.checkpoint.same(self.asked[self.count], digest(flat))
        table, found = self.known[self.count].tensor_split([1 + len(self.problem.term_names)])
        loss = table[0]
        self.count += 1
        self.journal.record(table[:, None], flat[None])
        return (loss.item(), (found * self.scales).double().cpu().numpy()) if self.gradient else loss.item()

    def _new(self, flat: Tensor) -> Tensor:
        if self.gradient:
            found, gradient = self.problem.gradient(flat, self.journal.seed)
            return torch.cat((found.table[:, 0], gradient))
        with torch.no_grad():
            found = self.problem.evaluated(flat, self.journal.seed)
        self.problem.refuse_nonfinite(found.losses, self.problem.space.split(flat))
        return found.table[:, 0]
