"""The Wilson–Cowan model whose populations hear of each other, and of themselves, late."""

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from torchmass.coupling import Coupling
from torchmass.couplings import AdditiveCoupling
from torchmass.declare import Input
from torchmass.models.wilson_cowan import Responses, Weighted, WilsonCowanStep, refractory
from torchmass.network import Network
from torchmass.owners import Owner
from torchmass.values import as_value, check_shape

PATHS = ("EE", "EI", "IE", "II")  # to the first from the second


class DelayedRates(Weighted):
    r"""Wilson–Cowan of which what arrives from each population is an input, with a name as that of its weight.

    .. math::
        \tau_E\dot r_E = -r_E + (1 - r\,r_E)\,F_E(w_{EE}EE - w_{EI}EI + P + I_E), \qquad
        \tau_I\dot r_I = -r_I + (1 - r\,r_I)\,F_I(w_{IE}IE - w_{II}II + Q + I_I)
    """

    use_case = "Active fractions, of WilsonCowanDelayedStep"

    r = WilsonCowanStep.r
    EE = Input("", "Active fraction of E that arrives at E.")
    EI = Input("", "Active fraction of I that arrives at E.")
    IE = Input("", "Active fraction of E that arrives at I.")
    II = Input("", "Active fraction of I that arrives at I.")

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> Any:
        to_E = p.wEE * u.EE - p.wEI * u.EI + p.P + u.rE_inp
        to_I = p.wIE * u.IE - p.wII * u.II + p.Q + u.rI_inp
        F_E, F_I = Responses.fired(p, to_E, to_I)
        return refractory(s.rE, F_E, p.r, p.tau_E), refractory(s.rI, F_I, p.r, p.tau_I)


class WilsonCowanDelayedStep(Network):
    r"""Wilson–Cowan whose populations hear of each other, and of themselves, late.

    .. math::
        \tau_E\dot r_E &= -r_E + (1 - r\,r_E)\,F_E(w_{EE}r_E(t - d_{EE}) - w_{EI}r_I(t - d_{EI}) + P + I_E) \\
        \tau_I\dot r_I &= -r_I + (1 - r\,r_I)\,F_I(w_{IE}r_E(t - d_{IE}) - w_{II}r_I(t - d_{II}) + Q + I_I)

    A `Network` of `in_size` nodes that reach only themselves, through the couplings "EE", "EI", "IE" and "II". The
    delays d to X from Y, `delay_XY` in ms, are a number, (N,), (B, 1) or (B, N), and trainable, `free("delay_EE")`;
    all other values are those of `WilsonCowanStep`, and without delays so is the model. `coupling` is a dict of
    further couplings, between the nodes: `{"between": tm.AdditiveCoupling(W, k=0.5)}` from `rE` to `rE_inp`.

    Raises `TypeError` for an unknown name and `ValueError` for a wrong value or shape.

    Source: Wilson & Cowan 1972, Biophys. J. 12:1, doi:10.1016/S0006-3495(72)86068-5; delays: Coombes & Laing 2009,
    Delays in activity-based neural networks, Phil. Trans. R. Soc. A 367:1117, doi:10.1098/rsta.2008.0256.
    """

    category: ClassVar[str] = DelayedRates.category
    use_case: ClassVar[str] = "E-I rates with delays"
    more: ClassVar[bool] = True
    state_declarations = DelayedRates.state_declarations

    def __init__(
        self,
        in_size: int = 1,
        *,
        delay_EE: Any = 2.0,
        delay_EI: Any = 1.5,
        delay_IE: Any = 2.0,
        delay_II: Any = 1.5,
        coupling: Mapping[str, Coupling] | None = None,
        **values: Any,
    ) -> None:
        node = DelayedRates(in_size, **values)
        delays = zip(PATHS, (delay_EE, delay_EI, delay_IE, delay_II), strict=True)
        super().__init__(
            node, coupling={path: _late(node, path, delay) for path, delay in delays} | {**(coupling or {})}
        )

    def _owner(self, name: str) -> tuple[Owner, str]:
        return super()._owner(re.sub(f"^delay_({'|'.join(PATHS)})$", r"\1.delays", name))


def _late(node: DelayedRates, path: str, delay: Any) -> Coupling:
    """What brings each node its own rate, after its own delay."""
    lag, itself = as_value(f"delay_{path}", delay, node.like), torch.eye(node.in_size)
    check_shape(f"delay_{path}", lag, "node", node.in_size)
    delays = torch.diag_embed(lag.expand(*lag.shape[:-1], node.in_size)) if lag.ndim else lag
    return AdditiveCoupling(itself, mask=itself, source=f"r{path[1]}", target=path, delays=delays, like=node.like)
