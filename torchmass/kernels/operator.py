"""The generated loops as operators of torch: opaque to its tracers, with fakes that say what shapes they return."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from torchmass.kernels import call as native
from torchmass.kernels.call import Call
from torchmass.kernels.coupled import tails
from torchmass.kernels.kernel import KERNELS
from torchmass.kernels.transforms import is_observed
from torchmass.kernels.triton import launch, launch_network

NUMBERS = (
    "str kernel, SymInt[] shape, float dt, SymInt steps, SymInt first_step, SymInt first_simulation, "
    "SymInt simulations, SymInt transient, SymInt every, SymInt seed, SymInt interval, SymInt horizon, int[] kept, "
    "int[] wanted, bool adjoint, int[] reach, int[] soon, int[] fans, SymInt[] tails, str engine"
)
ENGINES = {"cpp": native, "triton": launch}  # which compute a call of single nodes, and of networks
NETWORKS = {"cpp": native, "triton": launch_network}
LIBRARY = torch.library.Library("torchmass", "DEF")
LIBRARY.define(f"forward({NUMBERS}, Tensor[] starts, Tensor[] leaves) -> Tensor[]")
LIBRARY.define(f"adjoint({NUMBERS}, Tensor[] leaves, Tensor path, Tensor?[] given) -> Tensor[]")


def forward(call: Call, starts: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    """As `call.forward`, known to torch where it looks on: its ways around it cost 100 µs."""
    if is_observed((*starts, *leaves)):
        return torch.ops.torchmass.forward(*call, starts, leaves)
    return computed(call, starts, leaves)


def computed(call: Call, starts: Sequence[Tensor], leaves: Sequence[Tensor]) -> list[Tensor]:
    """The same past torch."""
    return _engine(call).forward(call, starts, leaves)


def adjoint(call: Call, leaves: Sequence[Tensor], path: Tensor, given: Sequence[Tensor | None]) -> list[Tensor]:
    """As `call.adjoint`, known to torch likewise."""
    if is_observed((*leaves, path, *given)):
        return torch.ops.torchmass.adjoint(*call, leaves, path, given)
    return _engine(call).adjoint(call, leaves, path, given)


def _engine(call: Call) -> Any:
    return (NETWORKS if KERNELS[call.kernel].step.links else ENGINES)[call.engine]


def _forward(*args: Any) -> list[Tensor]:
    return computed(Call(*args[:-2]), *args[-2:])


def _adjoint(*args: Any) -> list[Tensor]:
    call = Call(*args[:-3])
    return _engine(call).adjoint(call, *args[-3:])


def _forward_fake(*args: Any) -> list[Tensor]:
    call, starts = Call(*args[:-2]), args[-2]
    like = starts[0]
    rows = [like.new_empty(call.rows, *call.shape) for _ in call.kept]
    ends = [like.new_empty(call.shape) for _ in starts]
    broken, path = like.new_empty(1, dtype=torch.int32), like.new_empty(_path_size(call, len(starts)))
    return [*rows, *ends, *tails(call, like), broken, path]


def _path_size(call: Call, states: int) -> Any:
    """How many numbers are kept for the adjoint; of networks only their kernel knows."""
    if call.adjoint and KERNELS[call.kernel].step.links:
        return torch.library.get_ctx().new_dynamic_size()
    return call.path_size(states)


def _adjoint_fake(*args: Any) -> list[Tensor]:
    call, (leaves, path, _) = Call(*args[:-3]), args[-3:]
    starts = [path.new_empty(call.shape) for _ in KERNELS[call.kernel].step.states]
    return [*starts, *(torch.empty_like(leaves[i], memory_format=torch.contiguous_format) for i in call.wanted)]


for device in ("CPU", "CUDA"):
    LIBRARY.impl("forward", _forward, device)
    LIBRARY.impl("adjoint", _adjoint, device)
torch.library.register_fake("torchmass::forward", _forward_fake, lib=LIBRARY)
torch.library.register_fake("torchmass::adjoint", _adjoint_fake, lib=LIBRARY)
