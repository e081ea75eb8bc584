"""Posterior: the probability of the parameters of a fit given its target, for samplers that follow gradients."""

from collections.abc import Mapping

import torch
from torch import Tensor

from torchmass.fit.fitter import Fitter
from torchmass.fit.space import Space
from torchmass.kernels.finite import NonFiniteError
from torchmass.undefined import tolerant


class Posterior:
    r"""The posterior density of the n free numbers of a fit whose objective is −log p(target | parameters).

    It is a density over the unconstrained `raw`, on all of which samplers may move:

    .. math:: \log p(\mathrm{raw}) = \log p(\mathrm{target} \mid \theta) + \log p(\theta)
              + \sum_i \log\left|\frac{d\theta_i}{d\,\mathrm{raw}_i}\right|, \qquad \theta = \theta(\mathrm{raw})

    up to a constant. The last term, the Jacobian, is what makes `natural` of samples of raw samples of the posterior
    over natural units, in which the priors of the `Fitter` are; a parameter without a prior has a flat one between its
    bounds, improper where there is an end missing. (A fit leaves the term out: its maximum is that over natural units.)

    Every run that `predict` makes has the noise of `seed`: the density is that given this noise. For the density of a
    noisy model the objective must average over it, as the likelihood of a linearised network does.

    Any sampler that takes a function of one tensor will do; for Pyro's NUTS (`pip install 'torchmass[pyro]'`):

        posterior = tm.Posterior(fitter)
        nuts = NUTS(potential_fn=posterior.potential)
        mcmc = MCMC(nuts, num_samples=500, warmup_steps=200, initial_params={"raw": posterior.start})
        mcmc.run()
        samples = posterior.natural(mcmc.get_samples()["raw"])  # (500, n), columns posterior.labels

    Source: Hoffman & Gelman 2014, The No-U-Turn Sampler, J. Mach. Learn. Res. 15:1593.
    """

    def __init__(self, fitter: Fitter, seed: int = 0) -> None:
        if fitter.problem.windows is not None:
            raise ValueError("a posterior is that of a whole recording: make the Fitter without window=.")
        self.problem, self.seed = fitter.problem, seed

    @property
    def space(self) -> Space:
        """The parameters, by name, in natural units and as raw."""
        return self.problem.space

    @property
    def labels(self) -> list[str]:
        """The name of each of the n numbers."""
        return self.space.labels

    @property
    def start(self) -> Tensor:
        """The present parameters, raw (n,)."""
        return self.space.flat(self.space.present())

    def natural(self, raw: Tensor) -> Tensor:
        """The n numbers in natural units, (n,) or (C, n)."""
        return self.space.natural(raw)

    def log_prob(self, raw: Tensor) -> Tensor:
        """log p of n raw numbers, (n,) to a number, or of C candidates, (C, n) to (C,), which run as one batch.

        Differentiable once. Raises `NonFiniteError` where a run diverges.
        """
        return self._jacobian(raw) - self.problem.losses(raw, self.seed)

    def potential(self, params: Mapping[str, Tensor]) -> Tensor:
        """−log p of `params["raw"]`, (n,), with its gradient; infinite, with none, where it is not defined or diverges.

        That is how samplers want it: a step that ends there is refused.
        """
        raw = params["raw"]
        with torch.enable_grad():
            here = raw.detach().requires_grad_()
            try:
                with tolerant():
                    found, gradient = self.problem.gradient(here, self.seed)
            except NonFiniteError:
                return raw.sum() * 0 + torch.inf
            jacobian = self._jacobian(here)
            slope = gradient - torch.autograd.grad(jacobian, here)[0] if jacobian.requires_grad else gradient
        # as the gradient is known already, and is checked, the value is a plane with this slope
        return (found.losses - jacobian).detach() + ((raw - raw.detach()) * slope).sum()

    def _jacobian(self, raw: Tensor) -> Tensor:
        """The logarithm of the determinant of the derivative of natural units by raw, () or (C,)."""
        leaves, found = self.space.leaves, raw.new_zeros(raw.shape[:-1])
        for leaf, part in zip(leaves, raw.split([leaf.size for leaf in leaves], -1), strict=True):
            found = found + leaf.transform.log_abs_det_jacobian(part, leaf.transform(part)).sum(-1)
        return found
