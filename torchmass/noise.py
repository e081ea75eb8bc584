"""Noise processes that drive a state or an input: `noise_<state>=WhiteNoise(0.02)`."""

from collections.abc import Callable
from typing import Any

from torchmass.bounds import NONNEGATIVE, POSITIVE
from torchmass.declare import Param
from torchmass.parametrised import Parametrised


class WhiteNoise(Parametrised):
    r"""Gaussian white noise of strength σ per √ms, independent for every node and simulation.

    On a state, \(dx = f\,dt + \sigma\,dW\): each step adds \(\sigma\sqrt{dt}\,\xi\) with standard normal ξ, spread
    evenly over the step, so that `euler` is Euler–Maruyama and `heun` the stochastic Heun method (for
    additive noise Itô and Stratonovich agree). On an input, the input carries \(\sigma\,\xi/\sqrt{dt}\), held over
    the step. The variance it causes does not depend on dt.

    With `g`, the noise of a state is multiplicative: \(dx = f\,dt + \sigma\,g(s)\,dW\). `g=lambda s: s.x` is a function
    of the named tuple of all states of the model, elementwise over nodes like `derivative`; it is evaluated at every
    stage, which may lie a little outside the bounds of a state. `heun`, `midpoint` and `rk4` then converge to the
    Stratonovich solution with strong order 1 (½ where several noises do not commute), `euler` and `exp_euler`, whose
    only stage is the start of a step, to the Itô solution with order ½. The Stratonovich equation with f is the Itô
    equation with \(f + \tfrac12\sigma^2 g\,\partial g/\partial x\). Numbers in `g` are constants: it has no parameters
    of its own, to be freed or fitted.

    `sigma` is a number, (N,), (B, 1) or (B, N), ≥ 0, in units of what it drives per √ms (divided by those of `g`); it
    can be freed. The draws are a pure function of (seed, step, simulation, node, what is driven).

    Source: Kloeden & Platen 1992, doi:10.1007/978-3-662-12616-5; for `g` also Rümelin 1982, doi:10.1137/0719041.
    """

    sigma = Param(1.0, "per √ms", "Strength.", bounds=NONNEGATIVE)

    def __init__(self, sigma: Any = sigma.default, g: Callable[[Any], Any] | None = None) -> None:
        super().__init__(sigma=sigma)
        if g is not None and not callable(g):
            raise TypeError(f"WhiteNoise.g must be a function of the states, as lambda s: s.x, got {type(g).__name__}.")
        self.g = g

    def extra_repr(self) -> str:
        """The strength, and the name of g."""
        g = None if self.g is None else f"g={getattr(self.g, '__name__', self.g)}"
        return ", ".join(filter(None, [super().extra_repr(), g]))


class OUProcess(Parametrised):
    r"""An Ornstein–Uhlenbeck process η: coloured noise, independent for every node and simulation.

    .. math:: d\eta = -\frac{\eta}{\tau}\,dt + \sigma\sqrt{2/\tau}\,dW

    Its correlation is \(\sigma^2 e^{-|t|/\tau}\): σ is its stationary standard deviation, which dt and τ leave alone.
    On an input η is added to the input; on a state, \(dx = (f + \eta)\,dt\); held over each step. Whatever the method,
    \(\eta_{n+1} = e^{-dt/\tau}\eta_n + \sigma\sqrt{1 - e^{-2dt/\tau}}\,\xi_n\), which is exact for any dt.

    η is one more state of the model, named `noise_<what it drives>`: it can be monitored, `x0` may set it, and
    `r.state` carries it. It starts from its stationary distribution, drawn with the seed of the run.

    `sigma` ≥ 0, in units of the input or of the state per ms, and `tau` > 0, in ms, are numbers, (N,), (B, 1) or
    (B, N); both can be freed. The draws are a pure function of (seed, step, simulation, node, what is driven).

    Source: Uhlenbeck & Ornstein 1930, doi:10.1103/PhysRev.36.823; the update: Gillespie 1996,
    doi:10.1103/PhysRevE.54.2084.
    """

    sigma = Param(1.0, "", "Stationary standard deviation.", bounds=NONNEGATIVE)
    tau = Param(10.0, "ms", "Time constant.", bounds=POSITIVE)

    def __init__(self, sigma: Any = sigma.default, tau: Any = tau.default) -> None:
        super().__init__(sigma=sigma, tau=tau)


Noise = WhiteNoise | OUProcess
