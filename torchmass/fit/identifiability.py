"""What a fit knows about its parameters: standard errors, correlations and the directions it hardly knows."""

from dataclasses import dataclass

import torch
from torch import Tensor

from torchmass.fit.problem import Problem
from torchmass.fit.result import FitResult

SHOWN = 4  # components of a direction


@dataclass(frozen=True, repr=False)
class Identifiability:
    """The Laplace approximation of n fitted numbers, in the order of `labels`.

    `estimates` and `standard_errors` (n,), `covariance` and `correlation` (n, n) are in natural units. A number that
    the loss does not determine (by less than 5e-7 of the largest curvature, 2e-3 in float32) has an infinite standard
    error; its correlations are 0. `eigenvalues` (n,), ascending,
    and the columns of `directions` (n, n) are those of the Hessian in the coordinates of the fit: the logarithm of a
    parameter with one bound, the logit of one with two, and in units of its own size one without. `remaining` is what
    the loss would still fall by, in one Newton step: well below 1 where the fit has converged.
    """

    labels: list[str]
    estimates: Tensor
    standard_errors: Tensor
    covariance: Tensor
    correlation: Tensor
    eigenvalues: Tensor
    directions: Tensor
    remaining: float

    def sloppy(self, below: float = 1e-3) -> list[dict[str, float]]:
        """The directions whose eigenvalue is less than `below` times the largest, as components by label."""
        few = self.eigenvalues < below * self.eigenvalues[-1]
        return [dict(zip(self.labels, v.tolist(), strict=True)) for v in self.directions.T[few]]

    def __repr__(self) -> str:
        width = max(map(len, self.labels))
        pairs = zip(self.labels, self.estimates.tolist(), self.standard_errors.tolist(), strict=True)
        rows = [f"{label.ljust(width)}  {value:.4g} ± {error:.2g}" for label, value, error in pairs]
        ratio, sloppiest = self.eigenvalues[0] / self.eigenvalues[-1], self.directions[:, 0]
        largest = sloppiest.abs().argsort(descending=True)[:SHOWN].tolist()
        direction = " ".join(f"{sloppiest[k].item():+.2f} {self.labels[k]}" for k in largest)
        rows.append(f"least certain: {direction} (eigenvalue {ratio.item():.1e} of the largest)")
        return "\n".join([*rows, f"the loss would still fall by {self.remaining:.1e}"])


def identifiability(fit: FitResult, *, batch: int = 64) -> Identifiability:
    r"""Standard errors, correlations and sloppy directions of a fit whose loss is a negative log-likelihood.

    With the Hessian H of the loss at the best parameters (the observed Fisher information, with priors the precision of
    Laplace's approximation to the posterior), their covariance is \(J H^{-1} J^\top\), where J leads from the fit's
    coordinates to natural units. H is the central difference of exact gradients, since those of the fused loop have no
    derivative of their own: 2n runs, `batch` of them at a time, with the noise of the fit.

    A loss that is no log-likelihood, such as a mean square, has directions but no meaningful errors; the gradients of
    windows end at their borders, and so does what they say. Raises `ValueError` where H is not that of a minimum: the
    fit must go on.

    Source: Gutenkunst et al. 2007, doi:10.1371/journal.pcbi.0030189, for sloppy directions.
    """
    problem, here = fit.problem, fit.raw
    scales = problem.space.scales()
    _, gradient = problem.gradient(here, fit.seed)
    slope = _slope(problem, here)
    hessian = _hessian(problem, here, scales, fit.seed, batch)  # in units of `scales`
    eigenvalues, directions = torch.linalg.eigh(hessian)
    least = torch.finfo(here.dtype).eps ** 0.4 * eigenvalues[-1].abs()  # below is what differences leave: 5e-7
    if not bool(eigenvalues[-1] > 0) or bool(eigenvalues[0] < -least):
        raise ValueError(
            f"the best parameters are no minimum: the loss curves downwards (eigenvalue {eigenvalues[0].item():.2g}). "
            "Fit on, with more steps or another backend."
        )
    known = eigenvalues > least
    inverse = torch.where(known, 1 / torch.where(known, eigenvalues, 1.0), 0.0)
    covariance = (directions * inverse) @ directions.T * torch.outer(slope * scales, slope * scales)
    unknown = (directions.square() * ~known).sum(1) > 1e-6
    errors = covariance.diagonal().sqrt()
    correlation = covariance / torch.outer(errors, errors)
    return Identifiability(
        labels=problem.space.labels,
        estimates=problem.space.natural(here),
        standard_errors=torch.where(unknown, torch.inf, errors),
        covariance=covariance,
        correlation=torch.where(unknown[:, None] | unknown, torch.eye(len(here)).to(here), correlation),
        eigenvalues=eigenvalues,
        directions=directions,
        remaining=((directions.T @ (gradient * scales)).square() * inverse).sum().item() / 2,
    )


def _slope(problem: Problem, here: Tensor) -> Tensor:
    """The derivative of each number in natural units with respect to the raw one, (n,)."""
    moving = here.clone().requires_grad_()
    (found,) = torch.autograd.grad(problem.space.natural(moving).sum(), moving)
    return found


def _hessian(problem: Problem, here: Tensor, scales: Tensor, seed: int, batch: int) -> Tensor:
    """The second derivatives of the loss in raw numbers in units of `scales`, (n, n)."""
    size, step = len(here), torch.finfo(here.dtype).eps ** (1 / 3)
    moves = step * torch.diag(scales)
    places = torch.cat((here + moves, here - moves))  # (2n, n)
    if problem.space.takes_batches:
        found = torch.cat([problem.gradient(some, seed)[1] for some in places.split(batch)])
    else:
        found = torch.stack([problem.gradient(one, seed)[1] for one in places])
    rows = (found[:size] - found[size:]) * scales / (2 * step)
    return (rows + rows.T) / 2
