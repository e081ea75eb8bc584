"""What a signal is of the states, to first order."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from torchmass.linear.diagonal import diagonal_jacobian
from torchmass.linear.rest import Point
from torchmass.naming import refuse

OUTPUT = "output"  # the model's


def readout_of(point: Point, names: Sequence[str], monitor: str) -> Tensor:
    """The derivative of a signal, a state, a process or the output, by states and processes, (*b, N, S)."""
    shape, count = point.x[0].shape, len(point.x)
    if monitor in names:
        return torch.eye(len(names))[names.index(monitor)].to(point.x[0]).expand(*shape, len(names))
    if monitor != OUTPUT:
        refuse("the system", "state to monitor", monitor, [*names, OUTPUT])
    output = lambda s: point.dynamics.output(point.dynamics.States(*s), point.dynamics.p).expand(shape).unsqueeze(0)
    slope = diagonal_jacobian(output, torch.stack(point.x))[..., 0, :]
    return pad(slope, (0, len(names) - count))
