"""What a Simulator can run: declared states and inputs, a start, a vector field."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from torchmass.columns import Columns
from torchmass.declare import Input, State
from torchmass.dynamics import Dynamics, batch_shape, step
from torchmass.history import apart, checked, followed, remembered
from torchmass.integrators import INTEGRATORS, MAP, SCHEMES
from torchmass.kernels.draws import normals
from torchmass.naming import lookup, refuse
from torchmass.start import batch_axes, place
from torchmass.values import as_value, check_shape


class System(nn.Module):
    """A model or a network of them, with N nodes. States and inputs are `(*b, N)`, times ms."""

    in_size: int
    labels: tuple[str, ...] | None = None  # the names of the nodes
    output_unit: str | None = None  # of the output; None where it is not known
    methods: tuple[str, ...] = tuple(INTEGRATORS)  # that step it; the first is the default

    @property
    @abstractmethod
    def states(self) -> Mapping[str, State]:
        """The declared states, in order, then the processes that drive them with a memory."""

    @property
    @abstractmethod
    def inputs(self) -> Mapping[str, Input]:
        """The declared inputs, in order."""

    @abstractmethod
    def starts(self) -> dict[str, Tensor | Distribution]:
        """The start of every state: a value that broadcasts to (*b, N), or a distribution to draw it from."""

    @abstractmethod
    def dynamics(self) -> Dynamics:
        """The equations with the present values of everything they need."""

    @property
    def port(self) -> str | None:
        """The input where a network and inputs without a name enter."""
        return next((name for name, declaration in self.inputs.items() if declaration.port), None)

    @property
    def ports(self) -> tuple[str, ...]:
        """The inputs where inputs without a name enter."""
        return () if self.port is None else (self.port,)

    @property
    def columns(self) -> Mapping[str, Columns]:
        """Which nodes have a state or an input, of those that only some have."""
        return {}

    def size_of(self, name: str) -> int:
        """The number of nodes that have a state, an input or a history."""
        columns = self.columns
        return len(columns[name].nodes) if name in columns else self.in_size

    def own(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each of the values, (*b, N), of the nodes that have it, as users see it."""
        columns = self.columns
        return {name: columns[name].own(value) if name in columns else value for name, value in values.items()}

    def spread(self, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The opposite of `own`."""
        columns = self.columns
        return {name: columns[name].spread(value) if name in columns else value for name, value in values.items()}

    @property
    def label(self) -> str:
        """The name that errors use."""
        return type(self).__name__

    def initial_state(
        self,
        batch_size: int | None = None,
        *,
        seed: int | None = None,
        first_simulation: int = 0,
        dt: float | None = None,
    ) -> dict[str, Tensor]:
        """The start of every state, `(N,)` or `(batch_size, N)`, as a run with this seed draws it.

        Parameters that carry batch axes give theirs to the state. For steps of `dt` ms a network with delays also has
        `history_<source>`, the signal of the steps before, (H, *b, N), which is that of the start.
        """
        starts, dynamics = self.starts(), self.dynamics()
        shape = (*batch_axes(dynamics, starts, (), batch_size), self.in_size)
        x = place(starts, shape, seed, first_simulation, self.like)
        state = dict(zip(starts, x, strict=True)) | ({} if dt is None else remembered(dynamics, dt, x, {}))
        return self.own(state)

    def rhs(self, state: Mapping[str, Tensor], **inputs: Any) -> dict[str, Tensor]:
        """The time derivative of every declared state, per ms, each `(*b, N)`; couplings included, white noise not.

        An Ornstein–Uhlenbeck process has the value that `state` gives it, 0 where it gives none.
        """
        dynamics = self.dynamics()
        processes = dict.fromkeys(dynamics.names[len(dynamics.States._fields) :], self.like.new_zeros(()))
        x = self._state({**processes, **state})
        return self.own(
            dict(zip(dynamics.States._fields, dynamics.slopes(x, self.checked_inputs(inputs)), strict=True))
        )

    def forward(
        self,
        state: Mapping[str, Tensor],
        *,
        dt: float,
        method: str | None = None,
        seed: int | None = None,
        step_index: int = 0,
        **inputs: Any,
    ) -> dict[str, Tensor]:
        """One step of `dt` ms, as a pure function of the state, the inputs and the parameters.

        `method` is by default the first of `methods`: `heun`, or `map` for a model that is one.
        A model with noise needs `seed` and `step_index`: its draws are a function of both. Raises `TypeError`
        for an unknown state or input and `ValueError` for an unknown method, wrong shapes or `dt ≤ 0`.
        """
        if not dt > 0:
            raise ValueError(f"dt must be > 0 ms, got {dt}.")
        scheme = SCHEMES[self.stepped_by(method)]
        states, given = apart(state)
        x, u, dynamics = self._state(states), self.checked_inputs(inputs), self.dynamics()
        z = self._normals(dynamics, x, seed, step_index) if dynamics.drives else ()
        histories = self._histories(dynamics, dt, given)
        pasts = dynamics.remembered(dynamics.pasts(tuple(histories.values()), dt), x)
        later = step(dynamics, scheme, x, u, dt, z, pasts)
        return self.own(dict(zip(self.states, later, strict=True)) | followed(dynamics, histories, x))

    def stepped_by(self, method: str | None, solvers: Sequence[str] = ()) -> str:
        """The method asked for, by default the first of `methods`. Raises `ValueError` for one that does not fit."""
        if method not in (None, *self.methods, *solvers):
            label = f"{self.label}, which is a map," if MAP in self.methods else self.label
            refuse(label, "method", method, (*self.methods, *solvers))
        return method or self.methods[0]

    def _histories(self, dynamics: Dynamics, dt: float, given: Mapping[str, Any]) -> dict[str, Tensor]:
        for name in map(dynamics.source_name, dynamics.sources):
            if name not in given:
                raise ValueError(
                    f"{self.label} has delays: the state given needs {name}, the past of its signals; take it from "
                    f"initial_state(dt={dt:g}), or run in a Simulator."
                )
        return self.spread(checked(dynamics, dt, given, self.size_of, self.like))

    def _normals(self, dynamics: Dynamics, x: tuple[Tensor, ...], seed: int | None, at: int) -> list[Tensor]:
        if seed is None:
            raise ValueError(f"{self.label} has noise: give seed= and step_index=, or run it in a Simulator.")
        batch = batch_shape(dynamics, *x)
        simulations = torch.arange(torch.Size(batch).numel(), device=x[0].device)
        return [
            normals(seed, at, 1, simulations, self.in_size, drive.draws)[0].reshape(*batch, self.in_size).to(x[0].dtype)
            for drive in dynamics.drives
        ]

    def _state(self, state: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        checked = self.spread(self.checked_state(state))
        for name in self.states:
            if name not in checked:
                refuse("the state given", "value for", name, checked)
        return tuple(checked[name] for name in self.states)

    def checked_state(self, state: Mapping[str, Any]) -> dict[str, Tensor]:
        """Values of some states, (*b, N) or (*b, n), as tensors; raises for unknown names and wrong values."""
        for name in state:
            lookup(self.label, "state", name, self.states)
        return {name: self._checked(name, value) for name, value in state.items()}

    def checked_inputs(self, inputs: Mapping[str, Any]) -> list[Tensor]:
        """Values of some inputs, (*b, N) or (*b, n), as tensors of all nodes, 0 for the others."""
        for name in inputs:
            lookup(self.label, "input", name, self.inputs)
        return list(self.spread({name: self._checked(name, inputs.get(name, 0.0)) for name in self.inputs}).values())

    def _checked(self, name: str, value: Any) -> Tensor:
        tensor = as_value(name, value, self.like)
        check_shape(name, tensor, "node", self.size_of(name))
        return tensor

    @property
    @abstractmethod
    def like(self) -> Tensor:
        """A tensor with the dtype and device of the system."""
