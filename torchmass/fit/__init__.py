"""Fitting: searches for the free parameters of a simulation that make what it predicts most like a target."""

from torchmass.fit.fitter import BACKENDS as BACKENDS
from torchmass.fit.fitter import Fitter as Fitter
from torchmass.fit.gradient import Gradient as Gradient
from torchmass.fit.identifiability import Identifiability as Identifiability
from torchmass.fit.identifiability import identifiability as identifiability
from torchmass.fit.journal import FitStep as FitStep
from torchmass.fit.likelihood import GaussianLikelihood as GaussianLikelihood
from torchmass.fit.posterior import Posterior as Posterior
from torchmass.fit.result import FitResult as FitResult
from torchmass.fit.scipy import Scipy as Scipy
from torchmass.fit.simulations import Simulations as Simulations
from torchmass.fit.simulations import simulator_for_sbi as simulator_for_sbi
from torchmass.fit.strategies import CMA as CMA
from torchmass.fit.strategies import Nevergrad as Nevergrad
from torchmass.fit.strategies import Optuna as Optuna
