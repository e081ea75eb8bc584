"""The kinds of coupling, by the names that `Network` takes."""

from collections.abc import Mapping
from types import MappingProxyType

from torchmass.coupling import Coupling
from torchmass.couplings.laplacian import RandomWalkLaplacianCoupling as RandomWalkLaplacianCoupling
from torchmass.couplings.laplacian import SymmetricLaplacianCoupling as SymmetricLaplacianCoupling
from torchmass.couplings.linear import AdditiveCoupling as AdditiveCoupling
from torchmass.couplings.linear import DiffusiveCoupling as DiffusiveCoupling
from torchmass.couplings.sigmoidal import SigmoidalCoupling as SigmoidalCoupling
from torchmass.couplings.sigmoidal import SigmoidalJansenRitCoupling as SigmoidalJansenRitCoupling
from torchmass.couplings.sigmoidal import TanhCoupling as TanhCoupling
from torchmass.couplings.sine import SineCoupling as SineCoupling
from torchmass.couplings.tvb import TVBPreSigmoidalCoupling as TVBPreSigmoidalCoupling
from torchmass.couplings.tvb import TVBSigmoidalCoupling as TVBSigmoidalCoupling
from torchmass.couplings.tvb import TVBTanhCoupling as TVBTanhCoupling

COUPLINGS: Mapping[str, type[Coupling]] = MappingProxyType(
    {
        "diffusive": DiffusiveCoupling,
        "additive": AdditiveCoupling,
        "laplacian_rw": RandomWalkLaplacianCoupling,
        "laplacian_sym": SymmetricLaplacianCoupling,
        "sigmoidal": SigmoidalCoupling,
        "tanh": TanhCoupling,
        "sigmoidal_jansen_rit": SigmoidalJansenRitCoupling,
        "sine": SineCoupling,
        "tvb_tanh": TVBTanhCoupling,
        "tvb_sigmoidal": TVBSigmoidalCoupling,
        "tvb_pre_sigmoidal": TVBPreSigmoidalCoupling,
    }
)
# what others call them: linear and difference couplings of The Virtual Brain, brainmass's Laplacian without a norm
ALIASES: Mapping[str, str] = MappingProxyType(
    {"tvb_linear": "additive", "tvb_difference": "diffusive", "laplacian": "diffusive"}
)
