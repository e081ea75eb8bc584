"""The couplings of The Virtual Brain, as ours between a state in our units and an input in ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import Tensor

from torchmass.coupling import Coupling
from torchmass.couplings import (
    AdditiveCoupling,
    DiffusiveCoupling,
    SigmoidalJansenRitCoupling,
    SineCoupling,
    TVBSigmoidalCoupling,
    TVBTanhCoupling,
)
from torchmass.naming import lookup
from torchmass.tvb.models import Match
from torchmass.tvb.reading import Reader, exact, given

Built = tuple[type[Coupling], dict[str, Any]]


@dataclass(frozen=True)
class Route:
    """From one of `coupled` states, of which theirs is `unit` of ours, to an input that is `gain` times theirs."""

    gain: Tensor | float
    unit: float
    coupled: int


def linear(c: Reader, way: Route) -> Built:
    """Also theirs that only scales."""
    return AdditiveCoupling, {"k": way.gain * c.a / way.unit, "b": way.gain * c.b}


def scaling(c: Reader, way: Route) -> Built:
    """The linear one without b."""
    return AdditiveCoupling, {"k": way.gain * c.a / way.unit}


def difference(c: Reader, way: Route) -> Built:
    """The signal less the node's own."""
    return DiffusiveCoupling, {"k": way.gain * c.a / way.unit}


def hyperbolic_tangent(c: Reader, way: Route) -> Built:
    """A saturated signal."""
    values = {"a": c.a, "b": c.b / way.unit, "midpoint": c.midpoint, "sigma": c.sigma}
    return TVBTanhCoupling, values | {"k": way.gain}


def sigmoidal(c: Reader, way: Route) -> Built:
    """A saturated sum, whose unit is that of the signal."""
    values = {"cmin": c.cmin, "cmax": c.cmax, "a": c.a, "midpoint": way.unit * c.midpoint, "sigma": way.unit * c.sigma}
    return TVBSigmoidalCoupling, values | {"k": way.gain}


def sigmoidal_jansen_rit(c: Reader, way: Route) -> Built:
    """The rate of both coupled states' difference."""
    values = {"cmin": c.cmin, "cmax": c.cmax, "midpoint": c.midpoint, "r": c.r}
    return SigmoidalJansenRitCoupling, values | {"k": way.gain * c.a}


def kuramoto(c: Reader, way: Route) -> Built:
    """Theirs is said to divide by the number of nodes, and divides by that of coupled states."""
    if way.unit != 1:
        raise ValueError("Kuramoto's coupling takes the sine of a rate, in kHz; couple that model by another.")
    return SineCoupling, {"k": way.gain * c.a / way.coupled}


COUPLINGS: Mapping[str, Callable[[Reader, Route], Built]] = MappingProxyType(
    {
        "Linear": linear,
        "Scaling": scaling,
        "Difference": difference,
        "HyperbolicTangent": hyperbolic_tangent,
        "Sigmoidal": sigmoidal,
        "SigmoidalJansenRit": sigmoidal_jansen_rit,
        "Kuramoto": kuramoto,
    }
)


def couplings(coupling: Any, match: Match, m: Reader, weights: Any, timing: Mapping[str, Any]) -> dict[str, Coupling]:
    """Ours, by the state that each reads; those that could add nothing are left out, unless none remains."""
    kind = type(coupling).__name__
    _refuse_different(kind)
    build, c = lookup("torchmass", "coupling of The Virtual Brain's", kind, COUPLINGS), Reader(coupling, 1)
    if match.positive:
        _refuse_negative(kind, c, weights)
    ends, gains, found = _ends(kind, match), match.gains(m), {}
    acting = [source for source in ends if bool(exact(gains.get(source, 1.0)).any())]
    for source in acting or list(ends)[:1]:
        cls, values = build(c, Route(gains.get(source, 1.0), match.states.get(source, 1.0), len(match.ends)))
        values = {name: given(value) for name, value in values.items()}
        fixed = {"source": source, "target": ends[source], "interpolation": "nearest", "hold": True}
        found[source] = cls(given(weights), like=given(0.0), **fixed, **values, **timing)
    return found


def _ends(kind: str, match: Match) -> dict[str, str]:
    """What is read, and the input that it enters."""
    if kind != "SigmoidalJansenRit":
        return {source: target for source, target in match.ends.items() if target}
    if "Mv" not in match.states:
        raise ValueError(
            "SigmoidalJansenRit sends the difference of two states, which is the output of JansenRit alone; couple "
            f"{match.node.__name__} by another."
        )
    return {"output": match.ends["E"]}


def _refuse_different(kind: str) -> None:
    if kind == "PreSigmoidal":
        raise ValueError(
            "PreSigmoidal of The Virtual Brain 2.10 does not compute its own equation: a region receives its own "
            "signal, times a sum of weights. Build the network with tm.TVBPreSigmoidalCoupling, which is the equation."
        )


def _refuse_negative(kind: str, c: Reader, weights: Any) -> None:
    linear = kind in ("Linear", "Scaling") and bool(c.a >= 0) and bool(given(weights).ge(0).all())
    if not linear or (kind == "Linear" and bool(c.b < 0)):
        raise ValueError(
            "Zerlaut's model holds what arrives at 0 before it adds external input, and ours after that: it is "
            "translated with the couplings Linear and Scaling where a, b and all weights are ≥ 0."
        )
