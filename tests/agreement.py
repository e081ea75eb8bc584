"""What the tests of the backends share: a node with all that can be free, all that a run gives, and what "equal" is."""

import torch
from conftest import freeable

import torchmass as tm

EXACT, SINGLE = 1e-12, 2e-5  # of the largest magnitude of a quantity, in float64 and in float32


def strength(s):
    """What multiplies the noise of the first state."""
    return 1 + torch.tanh(s[0])


NOISES = {  # of a state and of an input of n nodes
    "none": lambda state, port, n: {},
    "white on a state": lambda state, port, n: {state: tm.WhiteNoise(0.01)},
    "multiplicative": lambda state, port, n: {state: tm.WhiteNoise(torch.linspace(0.01, 0.02, n), g=strength)},
    "white on an input": lambda state, port, n: {port: tm.WhiteNoise(torch.linspace(0.01, 0.02, n))},
    "coloured on a state": lambda state, port, n: {state: tm.OUProcess(0.01, torch.linspace(2.0, 5.0, n))},
    "coloured on an input": lambda state, port, n: {port: tm.OUProcess(torch.linspace(0.01, 0.02, n), 2.0)},
    "two": lambda state, port, n: {state: tm.WhiteNoise(0.01, g=strength), port: tm.OUProcess(0.02, 2.0)},
}


def node_of(cls, n, batch=None, noise="none", **values):
    """A node with every value free that can be, the first parameter different in each simulation of a batch."""
    state, port = next(iter(cls.state_declarations)), next(iter(cls.input_declarations))
    processes = {f"noise_{name}": process for name, process in NOISES[noise](state, port, n).items()}
    if batch:
        first = cls.Params._fields[0]
        values[first] = cls.declarations[first].default * (1 + 0.01 * torch.arange(float(batch))[:, None])
    node = cls(n, **processes, **values)
    node.free(*freeable(node))
    for process in node.noise.values():
        process.free(*process.declarations)
    return node


def outcome(sim, steps, *, inputs, x0=None, **options):
    """The series and the ends of a run by name, and the gradients of a loss of all of them by what they are of."""
    device = sim.model.like.device
    drive = {name: torch.as_tensor(value, device=device).requires_grad_() for name, value in inputs.items()}
    start = sim.model.initial_state(seed=3) if x0 is None else x0
    start = {f"start of {name}": value.detach().to(device, copy=True).requires_grad_() for name, value in start.items()}
    x0 = {name.removeprefix("start of "): value for name, value in start.items()}
    run = sim.run(steps * sim.dt, inputs=drive, x0=x0, seed=2, **options)
    assert run.backend == sim.backend
    seen = {name: value for name, value in run.items() if name != "ts"}
    seen |= {f"end of {name}": value for name, value in run.state.items()}
    leaves = dict(sim.named_parameters()) | start | drive
    loss = sum(value.square().mean() for value in seen.values())
    found = torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True)  # zero behind a horizon
    found = seen | {f"gradient of {name}": value for name, value in zip(leaves, found, strict=True)}
    return {name: value.cpu() for name, value in found.items()}


def assert_equal(found, expected, tolerance=EXACT, gradients=None):
    """Each quantity has the shape and dtype that is expected, and its values to `tolerance` of the largest of them.

    A gradient may be small because a sigmoid is saturated, and 1 − y has the rounding of y: a thousandth of the
    tolerance is of the largest gradient of all.
    """
    assert list(found) == list(expected)
    floor = max([0.0, *(float(v.detach().abs().max()) for k, v in expected.items() if k.startswith("gradient"))]) / 1e3
    for name, value in expected.items():
        assert (found[name].shape, found[name].dtype) == (value.shape, value.dtype), name
        allowed = gradients if gradients and name.startswith("gradient") else tolerance
        difference, largest = (float(x.detach().abs().max()) for x in (found[name] - value, value))
        smallest = floor if name.startswith("gradient") else 0.0
        assert difference <= allowed * (largest + smallest), (
            f"{name} differs by {difference:.2g}, its largest is {largest:.2g}"
        )


def assert_as_exact(found, plain, truth):
    """Each quantity in float32 is as near to the truth as `SINGLE` says, where eager's rounding leaves it as near."""
    assert list(found) == list(truth)
    for name, value in truth.items():
        assert (found[name].shape, found[name].dtype) == (value.shape, torch.float32), name
        error, rounding, largest = (
            float(x.detach().abs().max()) for x in (found[name] - value, plain[name] - value, value)
        )
        assert error <= SINGLE * largest + 3 * rounding, f"{name} is off by {error:.2g}, eager by {rounding:.2g}"
