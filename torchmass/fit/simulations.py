"""Simulations at parameters drawn from a prior, as simulation-based inference takes them: theta (B, D) to x (B, F)."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Uniform
from torch.func import functional_call

from torchmass.fit.problem import seeded
from torchmass.fit.space import Space
from torchmass.packages import require
from torchmass.progress import drawn
from torchmass.run_options import RunOptions
from torchmass.simulator import Simulator
from torchmass.undefined import tolerant
from torchmass.values import checked_seed, report, whole

Summary = Callable[[Simulator], Tensor]


class Simulations:
    """What `simulator_for_sbi` returns: a function of parameters, and their `prior`.

    `labels` names the D columns of theta, in natural units: `a`, `w[0]`, `w[1]`, ….
    """

    def __init__(
        self,
        sim: Simulator,
        params: Sequence[str] | Mapping[str, Distribution],
        summary: Summary,
        *,
        parts: Sequence[nn.Module] = (),
        chunk: int = 128,
    ) -> None:
        self._summarised = _Summarised(sim, summary, parts)
        self.params, self.chunk = params, whole("chunk", chunk)
        self.space = Space(self._summarised, batch_rank=0, names=list(params))
        self.labels = self.space.labels

    @property
    def prior(self) -> Distribution:
        """What theta is drawn from: the distributions given, or uniform between the bounds of each parameter.

        Raises `ValueError` where neither is there, `ImportError` where several were given and sbi is missing.
        """
        if isinstance(self.params, Mapping):
            priors = zip(self.space.leaves, self.params.values(), strict=True)
            each = [p if p.event_shape else Independent(p.expand((leaf.size,)), 1) for leaf, p in priors]
            if len(each) == 1:
                return each[0]
            return require("sbi.utils", "a prior of several distributions", "sbi").MultipleIndependent(each)
        low, high = self.space.limits()
        if bool((wrong := ~(low.isfinite() & high.isfinite())).any()):
            label = self.labels[int(wrong.nonzero()[0])]
            raise ValueError(
                f"{label} has no two bounds to be uniform between: free it as free({label}=(low, high)), or give its "
                f"prior, params={{{label!r}: torch.distributions…}}."
            )
        return Independent(Uniform(low.float(), high.float()), 1)

    @torch.no_grad()
    def __call__(
        self, theta: Tensor, *, seed: int | None = None, first_simulation: int = 0, progress: bool = False
    ) -> Tensor:
        """The summary (B, F) of a simulation for each row of theta (B, D), float32 for sbi; NaN where one diverges.

        Row i draws the noise of simulation `first_simulation + i` of `seed`, whatever the rows around it and however
        many run at once; without `seed`, of a seed from torch's default generator, which `torch.manual_seed` and the
        `seed=` of `simulate_for_sbi` govern. What the summary draws itself, as errors of measurement by `randn_like`,
        depends on the seed too, and on `chunk`. Raises `ValueError` for another shape and for values out of bounds.
        """
        theta = torch.as_tensor(theta)
        natural = self._checked(theta)
        seed = int(torch.randint(2**63 - 1, ())) if seed is None else checked_seed("seed", seed)
        found: list[Tensor] = []
        with drawn(len(theta), "simulations") if progress else nullcontext() as bar:
            for rows in natural.split(self.chunk):
                first = first_simulation + sum(map(len, found))
                raws = self.space.split(self.space.raw(rows))
                found.append(functional_call(self._summarised, raws, (seed, first, len(rows))))
                if bar is not None:
                    bar.update(len(rows))
        return torch.cat(found).float()

    def _checked(self, theta: Tensor) -> Tensor:
        if theta.ndim != 2 or theta.shape[1] != len(self.labels) or not len(theta):
            names = ", ".join(self.labels)
            raise ValueError(f"theta must be (B, {len(self.labels)}) with columns {names}, got {tuple(theta.shape)}.")
        natural, (low, high) = theta.to(self.space.like), self.space.limits()
        low, high = low.to(theta.dtype).to(low), high.to(theta.dtype).to(high)  # as a prior of that dtype has them
        for label, values, least, most in zip(self.labels, natural.T, low, high, strict=True):
            if bool((wrong := ~((values >= least) & (values <= most))).any()):
                raise ValueError(f"{label} must be in [{least:g}, {most:g}], got {report(values, wrong)}.")
        return natural

    def __repr__(self) -> str:
        return f"Simulations({', '.join(self.labels)}; chunk={self.chunk})"


def simulator_for_sbi(
    sim: Simulator,
    params: Sequence[str] | Mapping[str, Distribution],
    summary: Summary,
    *,
    parts: Sequence[nn.Module] = (),
    chunk: int = 128,
) -> Simulations:
    """A function of a batch of parameters, theta (B, D), to summaries of their simulations, x (B, F), for sbi.

    `params` names free parameters of `sim` (or of `parts`, further modules that `summary` uses), in the order of the
    columns of theta, in natural units. As a dict it gives their priors, any `torch.distributions`; else `.prior` is
    uniform between the bounds of each. What is not named keeps its value.

    `summary(sim)` runs the simulator it is given, whose series are (T, B, N), and returns (B, …), flattened to (B, F):
    `lambda sim: sim.run(2000.0, observe=[tm.Covariance()])["covariance"]`. What observers see is never stored, so that
    10,000 long simulations fit into memory; `chunk` simulations run at once. A simulation whose summary is not finite,
    as it has diverged, or not defined, as where an objective finds no peak, gives a row of NaN, which sbi leaves out.

        simulate = tm.simulator_for_sbi(sim, ["k"], summary)
        theta = simulate.prior.sample((10_000,))
        posterior = sbi.inference.NPE(simulate.prior).append_simulations(theta, simulate(theta)).train()…

    With `simulate_for_sbi` pass `simulation_batch_size=None`; its default is one simulation at a time. Raises
    `TypeError` for a name that is not free.
    """
    return Simulations(sim, params, summary, parts=parts, chunk=chunk)


class _Summarised(nn.Module):
    """The summary of a batch of simulations, as a pure function of their parameters, seed and first index."""

    def __init__(self, sim: Simulator, summary: Summary, parts: Sequence[nn.Module]) -> None:
        super().__init__()
        self.sim, self.parts, self.summary = sim, nn.ModuleList(parts), summary

    def forward(self, seed: int, first: int, count: int) -> Tensor:
        asked = RunOptions(often=True, first_simulation=first, seeds=torch.Generator().manual_seed(seed))
        # what the summary draws itself is not the same in every chunk
        with seeded(hash((seed, first)) % 2**63), tolerant():
            x = self.summary(self.sim.asked(asked))
        if not isinstance(x, Tensor):
            raise TypeError(f"the summary must return a tensor, got {type(x).__name__}.")
        if not x.ndim or len(x) != count:
            raise ValueError(
                f"the summary must return a row for each of the {count} simulations, (B, …), the axis after time of "
                f"their series (T, B, N); got shape {tuple(x.shape)}."
            )
        x = x.reshape(count, -1)
        return x.masked_fill(~x.isfinite().all(1, keepdim=True), torch.nan)
