"""The BOLD signal of the balloon model."""

from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Self

from torch import Tensor

from torchmass.bounds import POSITIVE, Bounds
from torchmass.declare import Input, Param, State, declared
from torchmass.dynamics import Dynamics, batch_shape
from torchmass.kernels import eager, fused
from torchmass.kernels.choice import choose
from torchmass.kernels.finite import NonFiniteError
from torchmass.kernels.plan import OutputMonitor, Plan
from torchmass.naming import lookup
from torchmass.observe.observer import Carry, counted, taken
from torchmass.observe.repetition import Scanned, checked_tr
from torchmass.run_options import SINGLE
from torchmass.undefined import tolerated
from torchmass.values import is_nonfinite

FRACTION = Bounds(0.0, 1.0, strict=True)


def _percentages(p: Any) -> tuple[Any, Any, Any]:
    return 7 * p.rho, 2.0, 2 * p.rho - 0.2


def _revised(p: Any) -> tuple[Any, Any, Any]:
    return 4.3e-3 * p.theta0 * p.rho * p.TE, 1e-3 * p.epsilon * p.r0 * p.rho * p.TE, 1 - p.epsilon


def _readout(weights: Callable[[Any], tuple[Any, Any, Any]]) -> Callable[[Any, Any], Tensor]:
    def readout(s: Any, p: Any) -> Tensor:
        k1, k2, k3 = weights(p)
        return p.V0 * (k1 * (1 - s.q) + k2 * (1 - s.q / s.v) + k3 * (1 - s.v))

    return readout


class Readout(NamedTuple):
    """How the volume and the deoxyhaemoglobin are seen, and the parameters that only some readouts have."""

    signal: Callable[[Any, Any], Tensor]
    own: frozenset[str] = frozenset()


_FRISTON = Readout(_readout(_percentages))
REVISED = frozenset({"epsilon", "theta0", "r0", "TE"})
READOUTS: Mapping[str, Readout] = MappingProxyType(
    {
        "friston2003": _FRISTON,
        "friston2000": _FRISTON,
        "stephan2007": Readout(_readout(_revised), REVISED),
    }
)


class BOLDSignal(Scanned):
    r"""The BOLD signal that activity z evokes by way of blood flow: the balloon model, or Balloon–Windkessel.

    .. math::
        \dot s = z - \kappa s - \gamma(f - 1), \qquad \dot f = s, \qquad \tau\dot v = f - v^{1/\alpha}, \qquad
        \tau\dot q = \frac{f}{\rho}\left(1 - (1 - \rho)^{1/f}\right) - v^{1/\alpha}\,\frac{q}{v}

    .. math:: y = V_0\left[k_1(1 - q) + k_2(1 - q/v) + k_3(1 - v)\right]

    The flow f, the volume v and the deoxyhaemoglobin q are relative to rest, where y = 0; y is the change of the signal
    as a fraction of it (0.01 is 1 %). z counts as in the papers, whose time is in seconds: a constant z leads to
    f = 1 + z/0.41, whatever dt. Flow does not fall below 1 % of that at rest, where z < −0.41 would drive it.

    `readout` is `"friston2003"` or, printed alike in both papers, `"friston2000"`: k₁ = 7ρ, k₂ = 2, k₃ = 2ρ − 0.2;
    or `"stephan2007"`, the revised coefficients: k₁ = 4.3 ϑ₀ρTE, k₂ = ε r₀ρTE, k₃ = 1 − ε, with constants for 1.5 T.
    The parameters ε, ϑ₀, r₀ and TE belong to that one alone, and are refused with the others.

    (T, *b, N) sampled every dt ms gives one row per sample, the signal at the end of the step through which that sample
    is held, by Heun's method with step dt in the same generated loops as a model. `tr`, in ms and a multiple of
    dt, keeps the last row of every `tr`, and no others are stored. In stretches the rows are the same, to rounding;
    those of fewer than 200 samples are integrated step by step in Python.

    Raises `ValueError` for tr < 100, which is meant in seconds, and `NonFiniteError` where the states diverge.

    Source: Friston, Harrison & Penny 2003, Dynamic causal modelling, NeuroImage 19:1273,
    doi:10.1016/S1053-8119(03)00202-7; Friston, Mechelli, Turner & Price 2000, NeuroImage 12:466,
    doi:10.1006/nimg.2000.0630; Stephan, Weiskopf, Drysdale, Robinson & Friston 2007, Comparing hemodynamic models with
    DCM, NeuroImage 38:387, doi:10.1016/j.neuroimage.2007.07.040.
    """

    title = "bold"
    States: ClassVar[Any] = namedtuple("BOLDStates", "s f v q")
    Inputs: ClassVar[Any] = namedtuple("BOLDInputs", "z")

    s = State(0.0, "Hz", "Signal that dilates the vessels.", range=(-1, 1))
    f = State(1.0, "", "Inflow of blood.", range=(0.5, 3), bounds=Bounds(0.01))  # 1/f is in the equations
    v = State(1.0, "", "Volume of venous blood.", range=(0.5, 2))
    q = State(1.0, "", "Deoxyhaemoglobin.", range=(0.5, 2))

    kappa = Param(0.65e-3, "1/ms", "Decay of the signal.", bounds=POSITIVE)
    gamma = Param(0.41e-3, "1/ms", "Regulation of the signal by the flow.", bounds=POSITIVE)
    tau = Param(980.0, "ms", "Mean transit time of blood.", bounds=POSITIVE)
    alpha = Param(0.32, "", "Grubb's exponent: v = f^α in steady flow.", bounds=POSITIVE)
    rho = Param(0.34, "", "Fraction of oxygen extracted at rest.", bounds=FRACTION)
    V0 = Param(0.02, "", "Fraction of venous blood at rest.", bounds=POSITIVE)
    epsilon = Param(1.0, "", "Intra- to extravascular signal (stephan2007).", bounds=POSITIVE)
    theta0 = Param(40.3, "Hz", "Frequency offset at the surface of vessels (stephan2007).", bounds=POSITIVE)
    r0 = Param(25.0, "Hz", "Slope of the intravascular relaxation rate (stephan2007).", bounds=POSITIVE)
    TE = Param(40.0, "ms", "Echo time (stephan2007).", bounds=POSITIVE)

    z = Input("", "Neuronal activity.", port=True)

    def __init__(self, tr: float | None = None, readout: str = "friston2003", **values: Any) -> None:
        chosen = lookup("BOLDSignal", "readout", readout, READOUTS)
        super().__init__(**values)
        self.tr, self.readout, self._unread = checked_tr(tr), readout, REVISED - chosen.own
        self._refuse_unread(values)

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        """Time derivatives of the states, per ms."""
        outflow, extracted = s.v ** (1 / p.alpha), (1 - (1 - p.rho) ** (1 / s.f)) / p.rho
        ds = 1e-3 * u.z - p.kappa * s.s - p.gamma * (s.f - 1)
        df = 1e-3 * s.s
        dv = (s.f - outflow) / p.tau
        dq = (s.f * extracted - outflow * s.q / s.v) / p.tau
        return ds, df, dv, dq

    def dynamics(self) -> Dynamics:
        """The equations with the present values of the parameters, as a run takes them."""
        bounds = tuple(state.bounds for state in declared(type(self), State).values())
        signal = READOUTS[self.readout].signal
        return Dynamics(self.derivative, signal, self.States, self.Inputs, self.values(), bounds)

    def advance(self, carry: Carry | None, z: Tensor, dt: float) -> tuple[Carry, Tensor]:
        dynamics, every, before = self.dynamics(), self.samples(dt), taken(carry)
        x = self._rest(dynamics, z) if carry is None else carry[:-1]
        rows = x[0].new_empty(0, *x[0].shape)
        if len(z):
            plan = self._plan(dynamics, x, z, dt, every, before)
            run = fused.run if choose(plan, "auto").backend == "fused" else eager.run
            found = run(plan)
            x, rows = found.ends, found.series.get("signal", rows)
            if not found.finite and not tolerated() and any(map(is_nonfinite, (*x, rows))):
                raise NonFiniteError(
                    f"the blood flow of BOLDSignal diverges: its step, dt={dt:g} ms, or the activity z, "
                    f"{z.min():g} to {z.max():g}, is too large; z is of the order of 1."
                )
        return (*x, counted((before + len(z)) % every)), rows

    def _rest(self, dynamics: Dynamics, z: Tensor) -> tuple[Tensor, ...]:
        shape = (*batch_shape(dynamics, z.new_empty(z.shape[1:])), z.shape[-1])
        starts = [state.start for state in declared(type(self), State).values()]
        return tuple(z.new_full(shape, start) for start in starts)

    @staticmethod
    def _plan(dynamics: Dynamics, x: tuple[Tensor, ...], z: Tensor, dt: float, every: int, before: int) -> Plan:
        first = every - 1 - before
        return Plan(
            dynamics=dynamics,
            method="heun",
            dt=dt,
            steps=len(z),
            names=dynamics.names,
            x0=x,
            inputs=(z,),
            monitors={"signal": OutputMonitor(dynamics)} if first < len(z) else {},
            options=SINGLE,
            transient=first,
            every=every,
        )

    def free(self, *names: str, **bounds: tuple[float, float] | Bounds) -> Self:
        """Make parameters trainable; refuses those that the readout does not have. Returns self."""
        self._refuse_unread((*names, *bounds))
        return super().free(*names, **bounds)

    def assign(self, **values: Any) -> Self:
        """Give parameters new values; refuses those that the readout does not have. Returns self."""
        self._refuse_unread(values)
        return super().assign(**values)

    def _refuse_unread(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self._unread:
                raise ValueError(f"{name} is a parameter of the readout 'stephan2007', not of {self.readout!r}.")

    def extra_repr(self) -> str:
        """The repetition time, the readout, and what Parametrised shows."""
        tr = None if self.tr is None else f"tr={self.tr:g}"
        return ", ".join(filter(None, [tr, f"readout={self.readout!r}", super().extra_repr()]))
