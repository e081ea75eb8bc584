"""A layer of harmonic oscillators."""

from typing import Any, ClassVar

from torchmass.models import HORNStep
from torchmass.nn import RecurrentMass


class HORNSeqLayer(RecurrentMass):
    r"""A layer of n harmonic oscillators that hear of each other's velocities, with the interface of `nn.LSTM`.

    .. math::
        y_t &= y_{t-1} + h\,\big(\alpha \tanh(u_t + v x_{t-1}) - 2\gamma y_{t-1} - \omega^2 x_{t-1}\big), \qquad
        x_t = x_{t-1} + h\,y_t \\
        u_t &= W_{ih} s_t + b_{ih} + \frac{1}{\sqrt n}\,W_{hh}\,y_{t-1}

    A sequence s goes in, of `n_input` numbers a sample, and the amplitudes x of the `n_hidden` units come out; shapes,
    states, a dict of x and y, and errors are those of `tm.nn.Recurrent`. A sample lasts h = `dt`, 1 ms in the papers.
    With `delay` in ms, a number or (n, n) `[to, from]`, unit i hears y of `delay[i, j]` ms before the last sample of
    unit j. Further keywords are values of `HORNStep`, numbers or (n,), held for each unit:
    `layer.free("omega", "gamma", "alpha")` makes n of each trainable.

    \(W_{ih}\) starts as in `nn.Linear`, \(W_{hh}\) uniform in \(\pm 1/\sqrt n\), as in the authors' program
    (github.com/exilef/horn), whose 1/√n is the gain k of the coupling; its \(b_{hh}/\sqrt n\) is within \(b_{ih}\), and
    v is not scaled. `layer.assign(k=1.0)` switches the factor off.

    Source: Effenberger, Carvalho, Dubinin & Singer 2025, The functional role of oscillatory dynamics in neocortical
    circuits: a computational perspective, PNAS 122:e2412830122, doi:10.1073/pnas.2412830122.
    """

    category: ClassVar[str] = "network"
    use_case: ClassVar[str] = "Sequential HORN layer"
    more: ClassVar[bool] = False
    state_declarations = HORNStep.state_declarations

    def __init__(
        self,
        n_input: int,
        n_hidden: int,
        *,
        delay: Any = None,
        dt: float = 1.0,
        batch_first: bool = False,
        return_state: bool = True,
        **values: Any,
    ) -> None:
        node = HORNStep(n_hidden, **values)
        held = {name: node.value(name) for name in node.params}
        node.assign(**{name: value.expand(*value.shape[:-1], n_hidden) for name, value in held.items()})
        super().__init__(
            node,
            n_input,
            n_hidden,
            shown="x",
            dt=dt,
            batch_first=batch_first,
            return_state=return_state,
            coupled_var="y",
            k=n_hidden**-0.5,
            delays=delay,
        )
        self.input.reset_parameters()
