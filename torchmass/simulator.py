"""Simulator: unrolls a model over time, the only loop there is."""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor, nn

from torchmass.accuracy import DtCheck, relative_difference
from torchmass.history import apart, checked, remembered
from torchmass.history import halved as halved_histories
from torchmass.inputs import lay_out, rows_of
from torchmass.integrators import INTEGRATORS, MAP
from torchmass.kernels import adaptive, compiled, eager, fused
from torchmass.kernels.choice import choose
from torchmass.kernels.explain import Explanation, explain
from torchmass.kernels.finite import refuse_nonfinite
from torchmass.kernels.plan import Outcome, Plan, check_gradient
from torchmass.monitors import quantities, resolve
from torchmass.naming import lookup, refuse
from torchmass.observed import Watch, watching
from torchmass.result import Result
from torchmass.run_options import SINGLE, RunOptions
from torchmass.run_state import RunState
from torchmass.start import batch_axes, origin, place
from torchmass.stretches import in_stretches, length_of
from torchmass.system import System
from torchmass.undefined import tolerance, tolerant, tolerated
from torchmass.values import as_value, check_value, whole, whole_steps

BACKENDS: Mapping[str, Callable[[Plan], Outcome]] = {
    "eager": eager.run,
    "compile": compiled.run,
    "fused": fused.run,
    "triton": fused.run_triton,
}


class Simulator(nn.Module):
    """Runs a model or a network with a fixed step of `dt` ms.

    `method` is one of `euler`, `heun` (the default), `midpoint`, `rk4`, `exp_euler`, or an adaptive torchdiffeq solver
    such as `dopri5` for models without noise, whose accuracy is `rtol` and `atol` and whose gradient is the continuous
    adjoint with `adjoint=True`; then `dt` is only the grid on which inputs are held and rows recorded. Of a model that
    is a map, with a step of its own, it is `map`.
    `history` is what coupled nodes sent before a run that does not say, `{"history_x": …}` as in its `x0`.
    `backend` is `auto` (`fused` wherever it applies, else `eager`; `explain` says which and why), `eager`, `compile`
    (each step through `torch.compile`), `fused` (the whole loop in one generated kernel, with first derivatives; of
    networks without `gradient="forward"` and torch.func) or `triton` (the kernel that `fused` is on a GPU). Raises
    `ValueError` for an unknown method or backend and for `dt ≤ 0`.
    """

    def __init__(
        self,
        model: System,
        dt: float,
        method: str | None = None,
        backend: str = "auto",
        *,
        adjoint: bool = False,
        rtol: float | None = None,
        atol: float | None = None,
        history: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(model, System):
            raise TypeError(f"Simulator needs a model or a Network, got {type(model).__name__}.")
        if not 0 < dt < float("inf"):
            raise ValueError(f"dt must be > 0 ms and finite, got {dt}.")
        solvers = () if MAP in model.methods else adaptive.METHODS
        method = model.stepped_by(method, solvers)
        if backend != "auto":
            lookup("torchmass", "backend", backend, BACKENDS)
        if method not in solvers and (adjoint or rtol or atol):
            raise ValueError(f"adjoint, rtol and atol are for adaptive methods such as 'dopri5', not {method!r}.")
        if method in solvers and backend in BACKENDS and backend != "eager":
            raise ValueError(f"backend={backend!r} is for fixed steps; {method!r} runs in torchdiffeq.")
        self.model, self.dt, self.method, self.backend = model, float(dt), method, backend
        self.adjoint, self.rtol, self.atol = adjoint, rtol, atol
        self.options = SINGLE
        starts, pasts = apart(history or {})
        if starts:
            refuse("history=", "source", next(iter(starts)), (f"history_{state}" for state in model.states))
        for name, rows in pasts.items():
            self.register_buffer(name, as_value(name, rows, model.like), persistent=False)  # follows .to(...)

    def asked(self, options: RunOptions) -> Self:
        """A simulator of the same model, of every run of which so much is asked; this one stays as it is."""
        found = copy(self)
        found.options = options
        return found

    def forward(self, duration: float | None, **options: Any) -> Result:
        """The same as `run`, so that `torch.func.functional_call` reaches it."""
        return self.run(duration, **options)

    def run(
        self,
        duration: float | None,
        *,
        monitors: Any = None,
        inputs: Any = None,
        transient: float = 0.0,
        sample_every: int = 1,
        batch_size: int | None = None,
        x0: Mapping[str, Any] | None = None,
        seed: int | None = None,
        first_simulation: int = 0,
        allow_nonfinite: bool = False,
        checkpoint: int | str = "none",
        grad_horizon: int | None = None,
        gradient: str = "reverse",
        observe: Any = None,
        progress: bool = False,
    ) -> Result:
        """Integrate for `duration` ms and record what follows the first `transient` ms, every `sample_every`-th step.

        Without a duration the run has a step for each row of `inputs`, a tensor or a dict of them.
        `monitors`: None (all states), a list of state names (and `"output"`, the model's output), a callable of the
        states at one time (recorded as `"output"`), or a dict of names to either. `inputs`: a number or a tensor with
        time leading over the whole run for the coupling port, a callable `f(i, t)` called once per step before the
        run, one of `tm.stimuli`, or a dict of these by input; held over each step. `x0` starts states elsewhere than at
        `init_<state>`; a result's `.state` continues its run, bit for bit. Series are `(T, *b, N)`; `batch_size` adds a
        batch axis.

        Without `seed`, a run that draws random numbers takes one from torch's default generator and keeps it as
        `.seed`. Simulation i of a batch draws as simulation `first_simulation + i`. Raises `NonFiniteError` when a
        state leaves the finite numbers, naming the step, unless `allow_nonfinite`.

        The gradient: `checkpoint="sqrt"` keeps about √steps states on the way and computes the others again, `k` every
        k-th (`"none"`: what is fastest); `grad_horizon=k` cuts the gradient carried back by the states after every k
        steps (truncated backpropagation); `gradient="forward"` carries it forward with the states instead, for up to 8
        starts and parameters, in memory that does not grow with the steps.

        `observe`: an observer, a list of observers or a dict of names to them, which see the run while it goes on, the
        model's output or what `.of(…)` says; what they see is not stored, and `monitors` is then empty where not given.
        Their rows are `r["bold"]` and so on, with `r.times("bold")`; a result's `.state` continues them as well.

        `progress=True` shows a bar, for fixed steps, and runs in a hundred stretches with the same result.
        """
        plan = self._planned(
            duration,
            monitors=() if monitors is None and observe is not None else monitors,
            inputs=inputs,
            transient=transient,
            sample_every=sample_every,
            batch_size=batch_size,
            x0=x0,
            seed=seed,
            first_simulation=first_simulation,
            checkpoint=checkpoint,
            grad_horizon=grad_horizon,
            gradient=gradient,
        )
        before = x0.observed if isinstance(x0, RunState) else {}
        plan, watches = (plan, {}) if observe is None else watching(plan, observe, before)
        runs, gradients = tolerance()
        with tolerant(allow_nonfinite or runs, gradients):
            return self._compute(plan, watches, progress)

    def explain(self, duration: float | None, **options: Any) -> Explanation:
        """What `run(duration, **options)` would be computed with and why, and the memory it would take; prints itself.

        Nothing is run or built. Raises `ValueError` for an adaptive method, which torchdiffeq runs.
        """
        if self.method in adaptive.METHODS:
            raise ValueError(f"{self.method!r} runs in torchdiffeq, with steps of its own: there is nothing to choose.")
        for unseen in ("allow_nonfinite", "observe", "progress"):
            options.pop(unseen, None)
        with torch.random.fork_rng(devices=()):  # a run without a seed takes one, this takes none
            return explain(self._planned(duration, **options), self.backend)

    def _planned(
        self,
        duration: float | None,
        *,
        transient: float = 0.0,
        sample_every: int = 1,
        checkpoint: int | str = "none",
        grad_horizon: int | None = None,
        gradient: str = "reverse",
        **options: Any,
    ) -> Plan:
        every = whole("sample_every, in steps,", sample_every)
        steps = rows_of(options.get("inputs")) if duration is None else self._steps("duration", duration)
        skipped = self._steps("transient", transient)
        if steps < 1 or skipped >= steps:
            raise ValueError(f"the run ({steps * self.dt} ms) must be longer than its transient ({transient} ms).")
        check_gradient(checkpoint, grad_horizon, gradient)
        gradients = {"checkpoint": checkpoint, "grad_horizon": grad_horizon or 0, "gradient": gradient}
        return self._plan(steps, **options, transient=skipped, every=every, **gradients)

    def check_dt(self, duration: float, *, inputs: Any = None, x0: Any = None, tolerance: float = 0.01) -> DtCheck:
        """Whether dt is small enough: compares a run with one at dt/2, without noise; prints as a sentence.

        `tolerance` is the largest difference allowed, relative to the largest magnitude of each state. The inputs of
        both runs are held over the same steps. Without noise a node at rest stays there: check a fitted model again.
        Raises `ValueError` for an adaptive method and for a map, which have no step to check.
        """
        if self.method not in INTEGRATORS:
            own = "is the model's own step, of which dt is a part"
            why = own if self.method == MAP else "chooses its own steps; tighten rtol and atol instead"
            raise ValueError(f"{self.method!r} {why}.")
        with torch.no_grad():
            seed = None if isinstance(x0, RunState) else 0
            plan = self._plan(self._steps("duration", duration), x0=x0, seed=seed, inputs=inputs)
            quiet = replace(plan, dynamics=replace(plan.dynamics, drives=()))
            halved = tuple(u if u is None or u.shape[0] == 1 else u.repeat_interleave(2, 0) for u in quiet.inputs)
            past = halved_histories(quiet.dynamics, self.dt, quiet.x0, quiet.histories)
            twice = {"steps": 2 * quiet.steps, "transient": 1, "every": 2}
            fine = replace(quiet, dt=self.dt / 2, inputs=halved, histories=past, **twice)
            coarse_series, fine_series = eager.run(quiet).series, eager.run(fine).series
        differences = {name: relative_difference(coarse_series[name], fine_series[name]) for name in plan.names}
        order = INTEGRATORS[self.method].order
        return DtCheck(self.dt, order, tolerance, duration, differences, bool(plan.dynamics.drives))

    def _steps(self, label: str, ms: float) -> int:
        return whole_steps(label, ms, self.dt)

    def _plan(
        self,
        steps: int,
        *,
        x0: Mapping[str, Any] | None = None,
        seed: int | None = None,
        first_simulation: int = 0,
        inputs: Any = None,
        batch_size: int | None = None,
        monitors: Any = None,
        **recorded: Any,
    ) -> Plan:
        model, dynamics = self.model, self.model.dynamics()
        states, histories = apart({**self._buffers, **(x0 or {})})
        starts = model.starts() | model.spread(_given(model, states, isinstance(x0, RunState)))
        histories = model.spread(checked(dynamics, self.dt, histories, model.size_of, model.like))
        first = first_simulation or self.options.first_simulation
        seed, first_step, first = origin(dynamics, starts, x0, seed, first, self.dt, self.options.seeds)
        laid_out = lay_out(model, inputs, first_step, steps, self.dt)
        driven = (*(u for u in laid_out if u is not None), *histories.values())
        shape = (*batch_axes(dynamics, starts, driven, batch_size), model.in_size)
        x = place(starts, shape, seed, first, model.like, self.options.candidates)
        return Plan(
            dynamics=dynamics,
            method=self.method,
            dt=self.dt,
            steps=steps,
            names=dynamics.names,
            columns=model.columns,
            x0=x,
            histories=tuple(remembered(dynamics, self.dt, x, histories).values()),
            inputs=laid_out,
            monitors=resolve(monitors, dynamics.names, dynamics),
            seed=seed,
            first_step=first_step,
            first_simulation=first,
            options=self.options,
            **recorded,
        )

    def _compute(self, plan: Plan, watches: Mapping[str, Watch], progress: bool) -> Result:
        if self.method not in adaptive.METHODS:
            backend = choose(plan, self.backend).backend
            run, length = BACKENDS[backend], length_of(plan, observed=bool(watches), bar=progress)
            label = self.model.label if progress else None
            if watches or length < plan.steps:
                found, watches = in_stretches(plan, run, length, watches, label=label)
            else:
                found = run(plan)
        else:
            if watches:
                raise ValueError(f"observe= is for fixed steps; {self.method!r} has none: give observers the series.")
            backend = "torchdiffeq"
            found = adaptive.run(plan, self.adjoint, self.rtol, self.atol)
        if not found.finite and not tolerated():
            refuse_nonfinite(plan, found.series, found.ends)
        series = found.series | {name: watch.found() for name, watch in watches.items()}
        return Result(
            series,
            plan.times,
            self._end(plan, found, watches),
            plan.seed,
            backend,
            plan.method,
            partial(quantities, self.model, plan.monitors, {n: (w.series, w.quantity) for n, w in watches.items()}),
            self.model.labels,
            {name: watch.times(plan) for name, watch in watches.items()},
        )

    def _end(self, plan: Plan, found: Outcome, watches: Mapping[str, Watch]) -> RunState:
        states, step = dict(zip(plan.names, found.ends, strict=True)), plan.first_step + plan.steps
        sources = map(plan.dynamics.source_name, plan.dynamics.sources)
        states |= zip(sources, found.histories, strict=True)
        seed, first = plan.seed, plan.first_simulation
        observed = {name: watch.memory(plan) for name, watch in watches.items()}
        return RunState(self.model.own(states), observed, seed=seed, step=step, dt=plan.dt, first_simulation=first)

    def extra_repr(self) -> str:
        """Step, method and backend."""
        return f"dt={self.dt:g} ms, method={self.method!r}, backend={self.backend!r}"


def _given(model: System, x0: Mapping[str, Any], continues: bool) -> dict[str, Tensor]:
    """The states that a run is told to start from, checked like `init_<state>` unless they continue a run."""
    given = model.checked_state(x0)
    if not continues:
        for name, value in given.items():
            check_value(f"x0[{name!r}]", value, model.states[name].as_param(), model.size_of(name))
    return given
