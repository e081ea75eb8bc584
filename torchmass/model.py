"""NeuralMass: a model of one region, declared; everything else is derived from the declaration."""

import inspect
from collections import namedtuple
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from torch import Tensor, nn
from torch.distributions import Distribution, Normal

from torchmass.declare import Input, Param, State, declared, table
from torchmass.drives import Drive, OUDrive, WhiteDrive
from torchmass.dynamics import Dynamics
from torchmass.integrators import MAP
from torchmass.naming import lookup, refuse
from torchmass.noise import Noise, OUProcess, WhiteNoise
from torchmass.parametrised import Parametrised
from torchmass.system import System
from torchmass.values import as_value, check_shape, whole


class NeuralMass(Parametrised, System):
    """A neural mass: declare states, parameters and inputs, and define `derivative`, or `update` for a map.

    `derivative(s, u, p)` is static and takes named tuples of tensors that broadcast; it returns the time
    derivatives per ms in the order of the states. It is pure, autonomous and elementwise over nodes: no
    shapes, no `dt`, no noise, no branching on values (`torch.where` is fine). Where a term of it is a network to be
    learned, it may be a method, `derivative(self, s, u, p)`, and call modules that are attributes; then no kernel is
    generated, and runs are those of `backend="eager"` or `"compile"`. A model that is a map, not an equation
    for a derivative, defines `update(s, u, p, dt)` instead: the states after a step of `dt` ms, likewise pure and
    elementwise. It is stepped by the method "map" alone, and has no `rhs`.

    The constructor takes `in_size` (number of nodes N), a value for any parameter (a number, `(N,)`, `(B, 1)` or
    `(B, N)`), `init_<state>` for a start (a value or a `torch.distributions` object) and `noise_<state>` or
    `noise_<input>` (a `WhiteNoise` or an `OUProcess`). Raises `TypeError` for an unknown name, `ValueError` for a
    wrong value.
    """

    category: ClassVar[str]
    use_case: ClassVar[str]
    more: ClassVar[bool] = False  # a variant, which the catalogue lists after the models
    usual_dt: ClassVar[float] = 0.1  # ms: a step at which `heun` is stable at the defaults
    States: ClassVar[Any]  # named tuples of states, inputs and parameters
    Inputs: ClassVar[Any]
    __signature__: ClassVar[inspect.Signature]
    state_declarations: ClassVar[Mapping[str, State]] = MappingProxyType({})
    input_declarations: ClassVar[Mapping[str, Input]] = MappingProxyType({})
    presets: ClassVar[Mapping[str, Mapping[str, float]]] = MappingProxyType({})  # values of published regimes, by name

    @staticmethod
    def derivative(s: Any, u: Any, p: Any) -> tuple[Tensor, ...]:
        """Time derivatives of the states, per ms, in the order of their declarations."""
        raise ValueError(
            f"there are no time derivatives of {', '.join(s._fields)}: the model is a map, which defines `update`, or "
            "defines no `derivative`."
        )

    @staticmethod
    def update(s: Any, u: Any, p: Any, dt: float) -> tuple[Tensor, ...]:
        """The states after a step of `dt` ms, of a model that is a map, in the order of their declarations."""
        raise NotImplementedError

    @staticmethod
    def output(s: Any, p: Any) -> Tensor:
        """What an electrode sees and a node sends when not told otherwise: the first state."""
        return s[0]

    def __init_subclass__(cls) -> None:
        cls.state_declarations = MappingProxyType(declared(cls, State))
        cls.input_declarations = MappingProxyType(declared(cls, Input))
        super().__init_subclass__()
        if cls.update is not NeuralMass.update:
            if cls.derivative is not NeuralMass.derivative:
                raise TypeError(f"{cls.__name__} defines both derivative and update; a map has update alone.")
            cls.methods = (MAP,)
        if "output" in vars(cls):
            cls.output_unit = vars(cls).get("output_unit")
        elif cls.output is NeuralMass.output:
            cls.output_unit = next((state.unit for state in cls.state_declarations.values()), None)
        cls.presets = vars(cls).get("presets", MappingProxyType({}))  # its own: a variant has other regimes
        cls.States = namedtuple(f"{cls.__name__}States", cls.state_declarations)
        cls.Inputs = namedtuple(f"{cls.__name__}Inputs", cls.input_declarations)
        cls.__doc__, cls.__signature__ = _documentation(cls), _signature(cls)

    @classmethod
    def _declare(cls) -> dict[str, Param]:
        return declared(cls, Param) | {p.name: p for p in (s.as_param() for s in cls.state_declarations.values())}

    def __init__(self, in_size: int = 1, **values: Any) -> None:
        in_size = whole(f"{self.label}.in_size, the number of nodes,", in_size)
        noise = {name: values.pop(name) for name in list(values) if name.startswith("noise_")}
        Parametrised.__init__(self, in_size, **values)
        self.noise = nn.ModuleDict()
        self.attach({name.removeprefix("noise_"): process for name, process in noise.items()})

    @classmethod
    def preset(cls, name: str, in_size: int = 1, **values: Any) -> Self:
        """A node in one of the published regimes in `presets`; `values` go before its own.

        Raises `UnknownNameError`, a `ValueError`, for a name that is none of them.
        """
        return cls(in_size, **{**lookup(cls.__name__, "preset", name, cls.presets), **values})

    def attach(self, noise: Mapping[str, Any]) -> Self:
        """Drive states and inputs, by name, with a `WhiteNoise` or an `OUProcess` each; returns self."""
        for driven, process in noise.items():
            self._attach(driven, process)
        return self

    def _attach(self, driven: str, process: Any) -> None:
        sources = [*self.state_declarations, *self.input_declarations]
        if driven not in sources:
            refuse(self.label, "state or input for", f"noise_{driven}", [f"noise_{name}" for name in sources])
        if process is None:
            return
        label = f"{self.label}.noise_{driven}"
        if not isinstance(process, Noise):
            kind = type(process).__name__
            raise TypeError(f"{label} must be a WhiteNoise, got {kind}; or an OUProcess, for coloured noise.")
        for name, value in process.values()._asdict().items():
            check_shape(f"{label}.{name}", as_value(f"{label}.{name}", value, self.like), "node", self.in_size)
        if isinstance(process, WhiteNoise) and process.g is not None:
            self._check_g(label, driven, process.g)
        self.noise[driven] = process

    def _check_g(self, label: str, driven: str, g: Any) -> None:
        if driven in self.input_declarations:
            raise ValueError(
                f"{label} has g=, but an input is held over the step, so its noise cannot depend on the state at every "
                f"stage; put it on one of the states: {', '.join(f'noise_{name}' for name in self.state_declarations)}."
            )
        s = self.States(*(self.value(f"init_{name}") for name in self.state_declarations))
        try:
            g(s)
        except AttributeError as error:
            raise TypeError(f"{label}: g is a function of the states ({', '.join(s._fields)}); {error}.") from error

    def _processes(self) -> list[tuple[int, str, Noise]]:
        """What is driven and by which process, in the order of the states and inputs."""
        if not len(self.noise):  # mostly; what follows costs 7 µs
            return []
        noise = {name: process for name, process in self.noise.items() if isinstance(process, Noise)}
        sources = [*self.state_declarations, *self.input_declarations]
        return [(i, name, noise[name]) for i, name in enumerate(sources) if name in noise]

    @property
    def states(self) -> Mapping[str, State]:
        """The declared states in order, then every Ornstein–Uhlenbeck process, as `noise_<what it drives>`."""
        driven = [name for _, name, process in self._processes() if isinstance(process, OUProcess)]
        if not driven:
            return self.state_declarations
        return {**self.state_declarations, **{f"noise_{name}": self._process_state(name) for name in driven}}

    def _process_state(self, driven: str) -> State:
        known = self.input_declarations.get(driven)
        doc = f"Ornstein–Uhlenbeck process on {driven}, in its unit{'' if known else ' per ms'}."
        state = State(0.0, known.unit if known else "", doc)
        state.__set_name__(type(self), f"noise_{driven}")
        return state

    @property
    def params(self) -> Mapping[str, Param]:
        """The declared parameters, in order."""
        return declared(type(self), Param)

    @property
    def inputs(self) -> Mapping[str, Input]:
        """The declared inputs, in order."""
        return self.input_declarations

    def starts(self) -> dict[str, Tensor | Distribution]:
        """The start of every state as given to the constructor; of noise with a memory, its stationary distribution."""
        names = [f"init_{name}" for name in self.state_declarations]
        values = zip(self.state_declarations, names, self._values(names), strict=True)
        own = {name: self._drawn.get(init, value) for name, init, value in values}
        if not len(self.noise):
            return own
        return own | {
            f"noise_{name}": Normal(0.0, process.sigma, validate_args=False)  # σ may be 0
            for _, name, process in self._processes()
            if isinstance(process, OUProcess)
        }

    def dynamics(self) -> Dynamics:
        """The equations with the present values of the parameters."""
        return Dynamics(
            derivative=self.derivative,
            output=self.output,
            States=self.States,
            Inputs=self.Inputs,
            p=self.values(),
            bounds=tuple(state.bounds for state in self.state_declarations.values()),
            drives=self._drives(),
            update=self.update if MAP in self.methods else None,
        )

    def _drives(self) -> tuple[Drive, ...]:
        drives, place = [], len(self.state_declarations)
        for source, _, process in self._processes():
            if isinstance(process, OUProcess):
                drives.append(OUDrive(source, process.sigma, process.tau, place))
                place += 1
            else:
                drives.append(WhiteDrive(source, process.sigma, process.g))
        return tuple(drives)

    def extra_repr(self) -> str:
        """The number of nodes, the values that are not the default, what is free and what has noise."""
        noise = f", noise on {', '.join(self.noise)}" if len(self.noise) else ""
        return Parametrised.extra_repr(self) + noise


def _signature(cls: type[NeuralMass]) -> inspect.Signature:
    """The constructor's keywords, for `help` and for completion in a notebook."""
    defaults = {name: declaration.default for name, declaration in cls.declarations.items()}
    defaults |= {f"noise_{name}": None for name in (*cls.state_declarations, *cls.input_declarations)}
    in_size = inspect.Parameter("in_size", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=1)
    keywords = [inspect.Parameter(k, inspect.Parameter.KEYWORD_ONLY, default=v) for k, v in defaults.items()]
    return inspect.Signature([in_size, *keywords])


def _documentation(cls: type[NeuralMass]) -> str:
    tables = (
        table("Parameters", declared(cls, Param).values()),
        table("States", declared(cls, State).values()),
        table("Inputs", declared(cls, Input).values()),
    )
    return "\n".join([inspect.cleandoc(vars(cls).get("__doc__") or ""), "", *filter(None, tables)])
