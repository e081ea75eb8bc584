"""Declared parameters, fixed (exact buffers) or free (unconstrained `nn.Parameter`s)."""

from collections import namedtuple
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.distributions.transforms import Transform

from torchmass.bounds import Bounds
from torchmass.declare import Declaration, Param, declared
from torchmass.naming import lookup, refuse
from torchmass.values import as_value, check_value, report

RESERVED = frozenset(  # keywords beside which declared names are given, and attributes of every instance
    {"dt", "method", "seed", "step_index", "state", "in_size", "batch_size", "raw", "fixed", "noise", "training", "ts"}
)


class Parametrised(nn.Module):
    """A module whose values are declared as class attributes with `Param`.

    `module.a` is always the value in natural units. A fixed value is stored as it was given, in the
    buffer `fixed.a`; `free("a")` moves it to the unconstrained parameter `raw.a`, from which
    `module.a` is computed by the transform of its bounds.
    """

    declarations: ClassVar[Mapping[str, Param]] = {}
    Params: ClassVar[Any]  # the named tuple in which the equations see the parameters

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.declarations = cls._declare()
        for name in declared(cls, Declaration):
            taken = any(name in vars(base) and not isinstance(vars(base)[name], Declaration) for base in cls.__mro__)
            if name in RESERVED or taken:
                raise TypeError(f"{cls.__name__} cannot declare {name!r}: the name is taken by torch or torchmass.")
        cls.Params = namedtuple(
            f"{cls.__name__}Params", [p.name for p in declared(cls, Param).values() if p.per == "node"]
        )

    @classmethod
    def _declare(cls) -> dict[str, Param]:
        """Every value an instance holds; a subclass may add to the declared parameters."""
        return declared(cls, Param)

    def __init__(self, in_size: int | None = None, *, like: Tensor | None = None, **values: Any) -> None:
        super().__init__()
        self.in_size = in_size
        self.fixed, self.raw = nn.Module(), nn.Module()
        self._free: dict[str, tuple[Bounds, Transform]] = {}
        self._drawn: dict[str, Distribution] = {}
        defaults = {name: declaration.default for name, declaration in self.declarations.items()}
        self._hold(defaults | values, torch.empty(()) if like is None else like)

    def _size(self, declaration: Param) -> int | None:
        """How many nodes the last axis (axes, of an edge value) of a value runs over; None where nothing is known."""
        return self.in_size

    def _hold(self, values: Mapping[str, Any], like: Tensor) -> None:
        for name, value in values.items():
            declaration = lookup(type(self).__name__, "parameter", name, self.declarations)
            if declaration.random and isinstance(value, Distribution):
                self._drawn[name] = value
                value = declaration.default
            tensor = self._admitted(name, value, like)
            self.fixed.register_buffer(name, tensor.clone())  # the caller's array stays the caller's

    def _admitted(self, name: str, value: Any, like: Tensor) -> Tensor:
        """A value from a user as a tensor; raises where it is none, of a wrong shape, not finite or out of bounds."""
        label, declaration = self._label(name), self.declarations[name]
        tensor = as_value(label, value, like)
        check_value(label, tensor, declaration, self._size(declaration))
        return tensor

    @property
    def like(self) -> Tensor:
        """A tensor with the dtype and device of this module."""
        held = chain(self.raw._parameters.values(), self.fixed._buffers.values())  # .parameters() costs 20 µs
        return cast(Tensor, next(held))

    def _label(self, name: str) -> str:
        return f"{type(self).__name__}.{name}"

    def axes_of(self, name: str) -> int:
        """How many axes a value has besides those of a batch, unless it is a number."""
        return 2 if self.declarations[name].per == "edge" else 1

    def _taking_part(self, name: str) -> Tensor | None:
        """Which entries of a value matter, True where they do; None for all."""
        return None

    def value(self, name: str) -> Tensor:
        """The value of a declared parameter in natural units."""
        if name in self._free:
            return cast(Tensor, self._free[name][1](getattr(self.raw, name)))
        return cast(Tensor, self.fixed._buffers[name])

    def values(self) -> Any:
        """All parameters in natural units, as the named tuple that the equations take."""
        return self.Params._make(self._values(self.Params._fields))

    def _values(self, names: Iterable[str]) -> list[Tensor]:
        """The values of some parameters in natural units; `nn.Module` takes a microsecond to find an attribute."""
        fixed, free = self.fixed._buffers, self._free
        return [self.value(name) if name in free else cast(Tensor, fixed[name]) for name in names]

    def free(self, *names: str, **bounds: tuple[float, float] | Bounds) -> Self:
        """Make values trainable, within their declared bounds or within `name=(low, high)`; returns self.

        The value now lives in `raw.<name>`, unconstrained. Raises `TypeError` for an unknown name and
        `ValueError` for a value on its bound, which no finite `raw` can represent.
        """
        for name in names:
            self._free_one(name, lookup(type(self).__name__, "parameter", name, self.declarations).bounds)
        for name, limits in bounds.items():
            self._free_one(name, limits if isinstance(limits, Bounds) else Bounds(*limits))
        return self

    def _free_one(self, name: str, bounds: Bounds) -> None:
        declaration, label = lookup(type(self).__name__, "parameter", name, self.declarations), self._label(name)
        if name in self._free:
            raise ValueError(f"{label} is already free ({self._free[name][0]}); fix({name!r}) it first.")
        if name in self._drawn:
            raise ValueError(f"{label} is a distribution; assign a number or a tensor before freeing it.")
        if bounds not in declaration.bounds:
            raise ValueError(f"{label} must be {declaration.bounds}; it cannot be freed to be {bounds}.")
        value, transform, part = getattr(self.fixed, name), bounds.transform, self._taking_part(name)
        if part is not None and value.ndim:  # what does not matter is somewhere inside
            value = torch.where(part, value, torch.as_tensor(transform(torch.zeros_like(value))))
        if not bool(bounds.inside(value).all()):
            where = report(value, ~bounds.inside(value))
            raise ValueError(f"{label} must lie strictly inside its bounds to be freed ({bounds}), got {where}.")
        del self.fixed._buffers[name]
        raw = torch.as_tensor(transform.inv(value)).detach().clone()
        self.raw.register_parameter(name, nn.Parameter(raw))
        self._free[name] = (bounds, transform)

    @property
    def freed(self) -> Mapping[str, Bounds]:
        """The bounds of every value that is free."""
        return {name: bounds for name, (bounds, _) in self._free.items()}

    def fix(self, *names: str) -> Self:
        """Undo `free`: keep the present values as fixed ones; returns self."""
        for name in names:
            if name not in self._free:
                refuse(type(self).__name__, "free parameter", name, self._free)
            value = self.value(name).detach().clone()
            del self._free[name], self.raw._parameters[name]
            self.fixed.register_buffer(name, value)
        return self

    def assign(self, **values: Any) -> Self:
        """Give parameters new values, fixed or free, checked like the constructor's; returns self."""
        for name, value in values.items():
            if name not in self._free:
                self._drawn.pop(name, None)
                self._hold({name: value}, self.like)
                continue
            bounds, transform = self._free[name]
            raw, label = getattr(self.raw, name), self._label(name)
            tensor = self._admitted(name, value, raw)
            if (part := self._taking_part(name)) is not None and raw.ndim:
                tensor = torch.where(part, tensor, torch.as_tensor(transform(torch.zeros_like(raw))))
            if not bool(bounds.inside(tensor).all()):
                raise ValueError(f"{label} is free and must be {bounds}, got {report(tensor, ~bounds.inside(tensor))}.")
            with torch.no_grad():
                raw.copy_(transform.inv(tensor))
        return self

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def extra_repr(self) -> str:
        """The number of nodes, the values that are not the default, and what is free."""
        size = [] if self.in_size is None else [f"in_size={self.in_size}"]
        changed = [f"{name}={_brief(self.value(name))}" for name, p in self.declarations.items() if self._told(name, p)]
        return ", ".join([*size, *changed, *([f"free: {' '.join(self._free)}"] if self._free else [])])

    def _told(self, name: str, declaration: Param) -> bool:
        value = self.value(name).detach()
        return value.ndim > 0 or float(value) != float(torch.tensor(declaration.default, dtype=value.dtype))

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        for name, (bounds, _) in self._free.items():
            destination[f"{prefix}bounds.{name}"] = torch.tensor([bounds.low, bounds.high], dtype=torch.float64)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        for name in self.declarations:
            raw, fixed = state_dict.get(f"{prefix}raw.{name}"), state_dict.get(f"{prefix}fixed.{name}")
            limits = state_dict.pop(f"{prefix}bounds.{name}", None)
            if raw is not None:
                self._load_free(name, raw, limits)
            elif fixed is not None:
                self.raw._parameters.pop(name, None)
                self._free.pop(name, None)
                self.fixed.register_buffer(name, torch.empty_like(fixed, device=self.like.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _load_free(self, name: str, raw: Tensor, limits: Tensor | None) -> None:
        declaration = self.declarations[name]
        bounds = declaration.bounds if limits is None else Bounds(*limits.tolist())
        held = self.raw._parameters.get(name)
        if held is None or held.shape != raw.shape:
            like = self.like
            self.fixed._buffers.pop(name, None)
            self.raw.register_parameter(name, nn.Parameter(torch.empty_like(raw, dtype=like.dtype, device=like.device)))
        self._free[name] = (bounds, bounds.transform)


def _brief(value: Tensor) -> str:
    return f"{value.item():.4g}" if value.ndim == 0 else str(tuple(value.shape))
