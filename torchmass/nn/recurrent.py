"""Recurrent: a sequence through a simulator, between two linear maps; packed or padded, with a state in and out."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from itertools import groupby
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from torchmass.bounds import Bounds
from torchmass.history import apart
from torchmass.run_options import RunOptions
from torchmass.run_state import RunState
from torchmass.simulator import Simulator
from torchmass.values import whole

PRECISE = (torch.float32, torch.float64)  # in which states are integrated


class Recurrent(nn.Module):
    r"""A sequence in, a sequence out, as with `nn.LSTM`: the part that its kinds share.

    .. math:: u_t = W_{in} x_t + b_{in}, \qquad y_t = W_{out} h_t + b_{out}

    `input` maps all samples of a sequence at once to what drives the nodes of the simulator's model, its ports or
    `target`. Each sample is held for `steps_per_sample` steps of dt, and h, what the model then shows in `shown` (a
    state or `"output"`), is mapped by `output`. The loop over time is the simulator's, so that it is one fused kernel,
    forward and adjoint, wherever a run is.

    Called with x, `(T, B, input_size)`, or `(B, T, input_size)` with `batch_first`, `(T, input_size)` for one sequence,
    or a `PackedSequence`, and a state, a dict of `(B, N)` by name, or None for the model's start. Returns `(y, state)`:
    y has the form of x, the state is that after the last sample of each sequence, with the past where there are delays;
    without `return_state`, y alone, as the next module of an `nn.Sequential` takes it.

    Under autocast the linear maps are of lower precision, the states are not; a gradient that overflows raises, so that
    a `GradScaler` of float16 must not start too high, and bfloat16 needs none. Inside `torch.compile` and
    `torch.export` the run is one operator with a gradient, for any number of samples (for which no `dynamic=True` is
    needed); packed sequences and noise, whose sizes and seeds a graph cannot show, break it. A graph that was saved
    names its kernel: the process that loads it must have made the same layer, and run it once.

    Raises `ValueError` for samples of a wrong size, sequences without samples, states of another batch and for a
    precision below float32, and `NonFiniteError` when a state leaves the finite numbers, naming the step.
    """

    def __init__(
        self,
        input: nn.Linear,
        simulator: Simulator,
        output: nn.Module,
        *,
        shown: str = "output",
        target: str | None = None,
        steps_per_sample: int = 1,
        batch_first: bool = False,
        return_state: bool = True,
    ) -> None:
        super().__init__()
        self.input, self.simulator, self.output = input, simulator.asked(RunOptions(often=True)), output
        self.shown, self.target, self.batch_first, self.return_state = shown, target, batch_first, return_state
        self.steps_per_sample = whole("steps_per_sample", steps_per_sample)

    def free(self, *names: str, **bounds: tuple[float, float] | Bounds) -> Self:
        """Make values of the model trainable, as its own `free` does; returns self."""
        model: Any = self.simulator.model
        model.free(*names, **bounds)
        return self

    def assign(self, **values: Any) -> Self:
        """Give values of the model new values, as its own `assign` does; returns self."""
        model: Any = self.simulator.model
        model.assign(**values)
        return self

    def forward(self, x: Tensor | PackedSequence, state: Mapping[str, Tensor] | None = None) -> Any:
        """The sequence y, and the state in which each sequence ends."""
        self._check(x)
        if state is not None:
            self._check_state(state, x)
        if isinstance(x, PackedSequence):
            y, end = self._packed(x, state)
        else:
            turned = self.batch_first and x.ndim == 3
            h, end = self._driven(self.input(x.transpose(0, 1) if turned else x), state)
            y = self.output(h.transpose(0, 1) if turned else h)
        return (y, dict(end)) if self.return_state else y

    def _check(self, x: Tensor | PackedSequence) -> None:
        samples, size = x.data if isinstance(x, PackedSequence) else x, self.input.in_features
        if not isinstance(x, PackedSequence) and x.ndim not in (2, 3):
            axes = "(B, T, input_size)" if self.batch_first else "(T, B, input_size)"
            raise ValueError(f"x must be {axes}, or (T, input_size) for one sequence, got shape {tuple(x.shape)}.")
        if samples.shape[-1] != size:
            raise ValueError(f"x must have input_size={size} numbers a sample, got shape {tuple(samples.shape)}.")
        if 0 in samples.shape:
            raise ValueError(f"x has no samples, its shape is {tuple(samples.shape)}; a sequence needs one at least.")
        dtype = self.simulator.model.like.dtype
        if dtype not in PRECISE:
            raise ValueError(
                f"the model is {dtype}, in which its states would drift: keep it in float32 and use torch.autocast, "
                "which lowers the precision of the linear maps alone."
            )

    def _driven(self, u: Tensor, state: Mapping[str, Tensor] | None) -> tuple[Tensor, RunState]:
        """What the model shows after each row of u, (T, *b, N), and the state in which it ends."""
        simulator, steps = self.simulator, self.steps_per_sample
        model = simulator.model
        with _in_full_precision(u.device.type):
            held = u.to(model.like.dtype).repeat_interleave(steps, 0)
            found = simulator(
                None,
                inputs=held if self.target is None else {self.target: held},
                monitors=[self.shown],
                transient=(steps - 1) * simulator.dt,
                sample_every=steps,
                x0=state,
            )
        return found[self.shown], found.state

    def _check_state(self, state: Mapping[str, Tensor], x: Tensor | PackedSequence) -> None:
        if not isinstance(state, Mapping):
            raise TypeError(f"state must be a dict of (B, N) by name, as a layer returns, got {type(state).__name__}.")
        if isinstance(x, PackedSequence):
            batch = (int(x.batch_sizes[0]),)
        else:
            batch = x.shape[:-2] if self.batch_first else x.shape[1:-1]
        now, past = apart(state)
        for name, value in (*now.items(), *past.items()):
            own = (*batch, self.simulator.model.size_of(name))
            if tuple(value.shape[name in past :]) != own:
                shape = f"({', '.join(['H'] * (name in past) + [*map(str, own)])})"
                raise ValueError(
                    f"state[{name!r}] must be {shape}, of as many sequences as x, got shape {tuple(value.shape)}."
                )

    def _packed(self, x: PackedSequence, state: Mapping[str, Tensor] | None) -> tuple[PackedSequence, RunState]:
        """Sequences of different lengths: one that ends leaves the batch, and others go on from where they are."""
        if state is not None and x.sorted_indices is not None:
            state = {name: value.index_select(-2, x.sorted_indices) for name, value in state.items()}
        stretches = [(size, len(list(steps))) for size, steps in groupby(x.batch_sizes.tolist())]
        rows = self.input(x.data).split([size * steps for size, steps in stretches])
        shown: list[Tensor] = []
        ended: list[RunState] = []
        for (size, steps), u in zip(stretches, rows, strict=True):
            if ended:
                ended[-1], state = _parted(ended[-1], size)
            h, end = self._driven(u.unflatten(0, (steps, size)), state)
            shown.append(h.flatten(0, 1))
            ended.append(end)
        joined = {name: torch.cat([end[name] for end in reversed(ended)], -2) for name in ended[0]}
        if x.unsorted_indices is not None:
            joined = {name: value.index_select(-2, x.unsorted_indices) for name, value in joined.items()}
        return x._replace(data=self.output(torch.cat(shown))), RunState(joined, **ended[-1].origin)

    def extra_repr(self) -> str:
        """How samples follow each other."""
        sample = self.steps_per_sample * self.simulator.dt
        return f"{sample:g} ms a sample, shows {self.shown}{', batch_first' if self.batch_first else ''}"


def _in_full_precision(device: str) -> AbstractContextManager[Any]:
    """Where no autocast lowers the precision of a run; nothing where there is none, for graphs would show it."""
    return torch.autocast(device, enabled=False) if torch.is_autocast_enabled(device) else nullcontext()


def _parted(end: RunState, size: int) -> tuple[RunState, RunState]:
    """Where the sequences after the first `size` have ended, and where those go on."""
    halves = ({name: value[..., part, :] for name, value in end.items()} for part in (slice(size, None), slice(size)))
    over, on = (RunState(half, **end.origin) for half in halves)
    return over, on
