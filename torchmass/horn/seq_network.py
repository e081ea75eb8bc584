"""Layers of harmonic oscillators, one above the other."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from torchmass.bounds import Bounds
from torchmass.horn.seq_layer import HORNSeqLayer
from torchmass.models import HORNStep
from torchmass.values import whole


class HORNSeqNetwork(nn.Module):
    r"""Layers of harmonic oscillators, each seeing the amplitudes of the one below; what the last ends in is read out.

    .. math:: x^{(l)} = \mathrm{HORN}_l\big(x^{(l-1)}\big), \qquad x^{(0)} = s, \qquad o = W_{ho}\,x^{(L)}_T + b_{ho}

    `n_hidden` is the size of the one layer, or a list of sizes. `delay` is that of a `HORNSeqLayer`, or a list of one
    for each layer; further keywords go to every layer, and `free` and `assign` are those of all layers.

    Called with a sequence s as a layer is and, for a start elsewhere than at rest, a state: a list of one dict for each
    layer. Returns `(o, state)`, o with the `n_output` numbers that follow the last sample of each sequence, (B,
    n_output); without `return_state`, o alone.

    Raises `ValueError` for a number of delays or states that is not that of the layers, and what layers raise.

    Source: as of `HORNSeqLayer`.
    """

    category: ClassVar[str] = "network"
    use_case: ClassVar[str] = "Multi-layer HORN sequence network"
    more: ClassVar[bool] = False
    state_declarations = HORNStep.state_declarations

    def __init__(
        self,
        n_input: int,
        n_hidden: int | Sequence[int],
        n_output: int,
        *,
        delay: Any = None,
        return_state: bool = True,
        **options: Any,
    ) -> None:
        super().__init__()
        sizes = list(n_hidden) if isinstance(n_hidden, Sequence) else [n_hidden]
        if not sizes:
            raise ValueError("n_hidden must be the size of a layer, or a list of sizes, one a layer; got none.")
        delays = delay if isinstance(delay, list | tuple) else [delay] * len(sizes)
        self._check_count("delay", delays, len(sizes))
        self.layers: Any = nn.ModuleList(
            HORNSeqLayer(below, size, delay=late, **options)
            for below, size, late in zip([n_input, *sizes], sizes, delays, strict=False)
        )
        self.output, self.return_state = nn.Linear(sizes[-1], whole("n_output", n_output)), return_state

    def free(self, *names: str, **bounds: tuple[float, float] | Bounds) -> Self:
        """Make values of every layer trainable; returns self."""
        for layer in self.layers:
            layer.free(*names, **bounds)
        return self

    def assign(self, **values: Any) -> Self:
        """Give values of every layer new values; returns self."""
        for layer in self.layers:
            layer.assign(**values)
        return self

    def forward(self, x: Tensor | PackedSequence, state: Sequence[Mapping[str, Tensor]] | None = None) -> Any:
        """What is read out after the last sample, and the state in which each layer ends."""
        _, ends = self._through(x, state)
        y = self.output(ends[-1]["x"])
        return (y, ends) if self.return_state else y

    def hidden_activation(
        self, x: Tensor | PackedSequence, state: Sequence[Mapping[str, Tensor]] | None = None
    ) -> list[Any]:
        """The amplitudes of the units of each layer after every sample, in the form of x."""
        return self._through(x, state)[0]

    def _through(self, x: Any, state: Any) -> tuple[list[Any], list[dict[str, Tensor]]]:
        starts = [None] * len(self.layers) if state is None else state
        self._check_count("state", starts, len(self.layers))
        seen, ends = [], []
        for layer, start in zip(self.layers, starts, strict=True):
            x, end = layer(x, start)
            seen.append(x)
            ends.append(end)
        return seen, ends

    def _check_count(self, label: str, given: Sequence[Any], layers: int) -> None:
        if len(given) != layers:
            raise ValueError(f"{label} must be one for each of the {layers} layers, got {len(given)}.")
