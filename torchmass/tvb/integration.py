"""Schemes, noise and boundaries of The Virtual Brain."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from torchmass.naming import lookup
from torchmass.noise import Noise, OUProcess, WhiteNoise
from torchmass.tvb.models import Match
from torchmass.tvb.reading import exact, given

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "EulerDeterministic": "euler",
        "EulerStochastic": "euler",
        "HeunDeterministic": "heun",
        "HeunStochastic": "heun",
        "RungeKutta4thOrderDeterministic": "rk4",
    }
)
UNBOUNDED = 1e300  # The Virtual Brain writes the largest number where there is no bound


def method(integrator: Any) -> str:
    """The name of the scheme."""
    return lookup("torchmass", "integrator of The Virtual Brain's", type(integrator).__name__, METHODS)


def noise(integrator: Any, match: Match, nodes: int) -> dict[str, Noise]:
    """The process on every state that has one.

    An `nsig` D is σ = √(2D) per √ms; with a correlation time τ it is a process of deviation √(2D/τ).
    """
    if not type(integrator).__name__.endswith("Stochastic"):
        return {}
    process, names = integrator.noise, [*match.states, *match.idle]
    if type(process).__name__ != "Additive":
        raise ValueError(
            f"{type(process).__name__} noise is not translated: The Virtual Brain evaluates its g(x) once a step, "
            "torchmass at every stage. Take Additive, or attach tm.WhiteNoise(sigma, g=...) to the network."
        )
    strengths = exact(process.nsig)
    strengths = strengths[..., 0] if strengths.ndim == 3 else strengths
    sigmas = torch.sqrt(2 * strengths).expand(len(names), nodes)
    if bool(sigmas[len(match.states) :].any()):
        raise ValueError(
            f"noise on {', '.join(match.idle)} is not translated: set nsig to 0 there, and give the node's input a "
            "process, as noise_E_inp=tm.OUProcess(...)."
        )
    tau = float(process.ntau)
    found = {}
    for sigma, (state, unit) in zip(sigmas, match.states.items(), strict=False):
        if bool(sigma.any()):
            own = _alike(sigma * unit)
            found[state] = OUProcess(given(own / math.sqrt(tau)), tau) if tau > 0 else WhiteNoise(given(own))
    return found


def _alike(values: Tensor) -> Tensor:
    """One number where all are the same."""
    return values[0] if bool((values == values[0]).all()) else values


def refuse_boundaries(integrator: Any, match: Match) -> None:
    """Raise a `ValueError` unless states are kept within the bounds that ours have."""
    if integrator.clamped_state_variable_values is not None:
        raise ValueError("clamped states are not translated: make the derivative of that state 0, or leave it out.")
    found = dict.fromkeys(match.states, (-math.inf, math.inf))
    if integrator.state_variable_boundaries is not None:
        names, limits = list(match.states), exact(integrator.state_variable_boundaries).tolist()
        for place, ends in zip(integrator.bounded_state_variable_indices, limits, strict=True):
            low, high = (math.copysign(math.inf, end) if abs(end) > UNBOUNDED else end for end in ends)
            found[names[place]] = low * match.states[names[place]], high * match.states[names[place]]
    for state, (low, high) in found.items():
        bounds = match.node.state_declarations[state].bounds
        if (low, high) != (bounds.low, bounds.high):
            raise ValueError(
                f"{match.node.__name__} keeps {state} within [{bounds.low:g}, {bounds.high:g}], this model within "
                f"[{low:g}, {high:g}] in the same units: give state_variable_boundaries the former and configure anew."
            )
