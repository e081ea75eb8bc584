"""RecurrentMass: any model as a recurrent layer."""

from typing import Any

import torch
from torch import nn

from torchmass.model import NeuralMass
from torchmass.network import Network
from torchmass.nn.recurrent import Recurrent
from torchmass.simulator import Simulator
from torchmass.values import whole


class RecurrentMass(Recurrent):
    r"""`hidden_size` nodes of a model as a recurrent layer, with the interface of `nn.LSTM`.

    .. math::
        u_t = W_{in} x_t + b_{in}, \qquad \dot s = f(s, u_t + W h(s)), \qquad y_t = W_{out} h_t + b_{out}

    with f the equations of the model, h what it shows, `shown` (`"output"`, or a state), and h_t that at the end of
    sample t, which lasts `steps_per_sample` steps of `dt` ms (default: the model's `usual_dt`). `model` is a class of
    models, of which a node is made for each hidden unit, or an instance with `in_size=hidden_size` whose values, noise
    and starts are kept; `cell.free("Ae")` makes its parameters trainable. W, `[to, from]`, is trainable from the start
    and enters the input `target`, as the projection does (default: the model's port). Further keywords are those of
    `Network` (`delays`, in ms, `coupling="sigmoidal"`, `k=0.5`, …). A `Network`, or a class of them such as
    `KuramotoNetwork`, is taken as it is: its couplings are the recurrent part, trainable where it says.

    W, \(W_{in}\), \(W_{out}\) and biases start uniform in \(\pm 1/\sqrt n\), n = `hidden_size`, as those of `nn.RNN`.
    Without `output_size` there is no \(W_{out}\), and y is h. Shapes, states and errors are those of `Recurrent`.

    Raises `TypeError` for what is no model, and `ValueError` for a model of another size.
    """

    def __init__(
        self,
        model: Any,
        input_size: int,
        hidden_size: int,
        output_size: int | None = None,
        *,
        bias: bool = True,
        shown: str = "output",
        target: str | None = None,
        dt: float | None = None,
        steps_per_sample: int = 1,
        method: str | None = None,
        backend: str = "auto",
        batch_first: bool = False,
        return_state: bool = True,
        **coupling: Any,
    ) -> None:
        bound = whole("hidden_size", hidden_size) ** -0.5
        network = _network(model, hidden_size, bound, {"coupled_var": shown, "target": target, **coupling})
        if dt is None:
            dt = min(node.usual_dt for node in network.models.values())
        made = {"bias": bias, "device": network.like.device, "dtype": network.like.dtype}
        into = nn.Linear(whole("input_size", input_size), hidden_size, **made)
        out = (
            nn.Identity() if output_size is None else nn.Linear(hidden_size, whole("output_size", output_size), **made)
        )
        for values in (*into.parameters(), *out.parameters()):
            nn.init.uniform_(values, -bound, bound)
        super().__init__(
            into,
            Simulator(network, dt, method, backend),
            out,
            shown=shown,
            target=target,
            steps_per_sample=steps_per_sample,
            batch_first=batch_first,
            return_state=return_state,
        )


def _network(model: Any, hidden_size: int, bound: float, ends: dict[str, Any]) -> Network:
    """The nodes, with a recurrent matrix unless the network has its own couplings."""
    system = model(hidden_size) if isinstance(model, type) else model
    if not isinstance(system, NeuralMass | Network):
        raise TypeError(f"RecurrentMass needs a model, a Network, or a class of these, got {model!r}.")
    if system.in_size != hidden_size:
        raise ValueError(f"{system.label} has {system.in_size} nodes, the cell hidden_size={hidden_size}.")
    if isinstance(system, NeuralMass):
        like = system.like
        weights = torch.empty(hidden_size, hidden_size, dtype=like.dtype, device=like.device).uniform_(-bound, bound)
        return Network(system, weights, **{"coupling": "additive", **ends}).free("weights")
    if given := ends.keys() - {"coupled_var", "target"}:
        raise TypeError(f"{system.label} has couplings of its own; {', '.join(sorted(given))} cannot be given.")
    return system
