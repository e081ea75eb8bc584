"""A simulator of The Virtual Brain, made one of ours."""

from typing import Any

from torchmass.naming import lookup
from torchmass.network import Network
from torchmass.simulator import Simulator
from torchmass.tvb.connections import history, timing
from torchmass.tvb.couplings import couplings
from torchmass.tvb.integration import method, noise, refuse_boundaries
from torchmass.tvb.models import DIFFERENT, MODELS, Match
from torchmass.tvb.reading import Reader, exact, given

PARTS = ("model", "connectivity", "coupling", "integrator", "monitors", "surface", "stimulus", "history")


def from_tvb(simulator: Any) -> Simulator:
    r"""A configured `Simulator` of The Virtual Brain as one of ours, whose `model` is the `Network`.

    It makes the same steps: `from_tvb(theirs).run(100.0)` is what `theirs.run(simulation_length=100.0)` goes through,
    state by state, from where theirs is now. The package tvb-library is not needed: objects are read by attribute and
    known by the name of their class, as they are in version 2.10. Values take torch's default dtype.

    Models: Generic2dOscillator, Kuramoto, SupHopf, Linear, WilsonCowan, JansenRit, ReducedWongWang,
    ReducedWongWangExcInh, DecoBalancedExcInh, MontbrioPazoRoxin, CoombesByrne, CoombesByrne2D, LarterBreakspear,
    Epileptor and ZerlautAdaptationFirstOrder, whose states and parameters get our names and units (rates in Hz);
    parameters that do not act there are left out. Couplings: Linear, Scaling, Difference, HyperbolicTangent, Sigmoidal,
    SigmoidalJansenRit and Kuramoto, of each coupled state, evaluated once a step (`hold=True`). Euler, Heun and
    Runge–Kutta 4; additive noise, \(\sigma = \sqrt{2\,\mathrm{nsig}}\), or an `OUProcess` with `ntau`. Tract lengths
    and the connectivity's speed (`conduction_speed` of the simulator does nothing there), as delays in whole steps;
    what was sent before now; region labels; parameters of each region.

    One thing differs: where a state passes a bound within a step, The Virtual Brain also clamps the stages of the
    scheme, ours the end of the step.

    Raises `TypeError` for what is no such simulator, and `ValueError` for what is not translated: other models,
    couplings, integrators and boundaries, multiplicative noise, surfaces, stimuli, and monitors other than Raw.
    """
    for part in PARTS:
        if part not in dir(simulator):
            raise TypeError(
                f"from_tvb needs a configured Simulator of The Virtual Brain; {type(simulator).__name__} has no {part}."
            )
    if simulator.history is None:
        raise ValueError("this simulator of The Virtual Brain is not configured: call its configure() first.")
    match, integrator, connectivity = _match(simulator.model), simulator.integrator, simulator.connectivity
    _refuse_other_parts(simulator)
    refuse_boundaries(integrator, match)
    weights = exact(connectivity.weights)
    nodes, dt, m = len(weights), float(integrator.dt), Reader(simulator.model, len(weights))
    values = {name: given(value) for name, value in match.values(m).items()}
    node = match.node(nodes, **values, **_starts(simulator, match))
    parts = couplings(simulator.coupling, match, m, weights, timing(connectivity, dt))
    late = bool(exact(connectivity.idelays).any())
    network = Network(
        node,
        coupling=parts if len(parts) > 1 else next(iter(parts.values())),
        noise=noise(integrator, match, nodes),
        labels=[str(label) for label in connectivity.region_labels],
    )
    past = history(simulator, match, parts) if late else None
    return Simulator(network, dt, method(integrator), history=past)


def _match(model: Any) -> Match:
    """Our model, whose states and coupled states must be theirs."""
    kind = type(model).__name__
    if kind in DIFFERENT:
        raise ValueError(f"{kind} is not translated: {DIFFERENT[kind]}. Build the network of it by hand.")
    match = lookup("torchmass", "model of The Virtual Brain's", kind, MODELS)
    coupled = [list(match.states)[place] for place in model.cvar]
    if coupled != list(match.ends):
        raise ValueError(
            f"{kind} couples {', '.join(match.ends)}, by our names, and this one {', '.join(coupled)}: set its cvar to "
            "that of its class, or build the network by hand."
        )
    return match


def _starts(simulator: Any, match: Match) -> dict[str, Any]:
    """Where every state is now, in our units."""
    states = exact(simulator.current_state)[..., 0]  # (states, N)
    if bool(states[len(match.states) :].any()):
        raise ValueError(f"{', '.join(match.idle)} must rest at 0, as it does unless it starts elsewhere or has noise.")
    now = zip(match.states.items(), states, strict=False)
    return {f"init_{state}": given(row * unit) for (state, unit), row in now}


def _refuse_other_parts(simulator: Any) -> None:
    if simulator.surface is not None:
        raise ValueError("a surface is not translated: simulate the regions, with surface=None.")
    if simulator.stimulus is not None:
        raise ValueError(
            "a stimulus is not translated: configure the simulator with stimulus=None and give a run inputs=, such as "
            "one of tm.stimuli."
        )
    names = [type(monitor).__name__ for monitor in simulator.monitors]
    if others := [name for name in names if name != "Raw"]:
        raise ValueError(
            f"monitors are not translated, and there is {', '.join(others)}: configure the simulator with "
            "monitors=(Raw(),), and say what a run records by monitors= and sample_every=."
        )
