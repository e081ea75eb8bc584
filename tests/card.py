"""A GPU that the CPU plays: tensors that say they are on one, hold real values, and refuse to meet those of the CPU."""

from contextlib import ExitStack, contextmanager
from unittest import mock

import torch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes, return_and_correct_aliasing
from torch.utils._pytree import tree_flatten, tree_map
from triton.runtime.interpreter import GridExecutor

from torchmass.kernels import operator
from torchmass.kernels.triton import launch as launch_of_kernels

CARD = torch.device("cuda", 0)
LAZY = (torch._C.DispatchKey.Conjugate, torch._C.DispatchKey.Negative)  # what torch only notes, to be done later
PACK = torch.ops.aten._pack_padded_sequence.default
ALIKE = ("cuda", "meta")  # torch's C++ is told "meta", which it differentiates without a card


class OnCard(torch.Tensor):
    """A tensor of the card; `held` are its values."""

    __torch_function__ = torch._C._disabled_torch_function_impl
    device, is_cuda, is_meta = CARD, True, False

    @staticmethod
    def __new__(cls, held):
        layout = {} if held.layout != torch.strided else {"strides": held.stride()}
        return torch.Tensor._make_wrapper_subclass(
            cls, held.size(), dtype=held.dtype, layout=held.layout, device="meta", **layout
        )

    def __init__(self, held):
        self.held = held

    def tolist(self):
        return self.held.tolist()

    def __getitem__(self, at):  # torch itself would make no numbers of a list, where the device is "meta"
        at = at if isinstance(at, tuple) else (at,)
        return super().__getitem__(tuple(torch.tensor(i).to(CARD) if isinstance(i, list) else i for i in at))

    def new_tensor(self, data, **options):
        return torch.tensor(data, **{"dtype": self.dtype} | options).to(CARD)

    def __repr__(self, **_):
        return f"OnCard({self.held})"

    @classmethod
    def __torch_dispatch__(cls, operation, types, args=(), kwargs=None):
        return dispatched(operation, args, kwargs or {})


class Card(TorchDispatchMode):
    """While it lasts there is such a GPU."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        if operation.namespace == "torchmass":  # whose inside is on the card too
            with self:
                return getattr(operator, f"_{operation._schema.name.split('::')[1]}")(*args)
        return dispatched(operation, args, kwargs or {})


def dispatched(operation, args, kwargs):
    """What the operation gives, on the card where its arguments are or where it is told so."""
    given = [one for one in tree_flatten((args, kwargs))[0] if isinstance(one, torch.Tensor)]
    here = any(isinstance(one, OnCard) for one in given)
    to = kwargs.get("device")
    if here and to is None:
        refuse_others(operation, given)
    on_card = here if to is None else torch.device(to).type in ALIKE
    plain = kwargs | ({"device": "cpu"} if to is not None else {})
    with resolving():
        found = operation(*tree_map(held, args), **tree_map(held, plain))
        found = tree_map(lambda x: x.resolve_conj().resolve_neg() if isinstance(x, torch.Tensor) else x, found)
    if not on_card:
        return found
    if operation is PACK:  # whose lengths are on the CPU
        return OnCard(found[0]), found[1]
    found = tree_map(lambda x: OnCard(x) if isinstance(x, torch.Tensor) else x, found)
    return return_and_correct_aliasing(operation, args, kwargs, found) if here and to is None else found


def resolving():
    """Conjugates that are only noted are known, as outside of a mode."""
    hidden = torch._C._dispatch_tls_local_exclude_set()
    for key in LAZY:
        hidden = hidden.remove(key)
    return torch._C._ForceDispatchKeyGuard(torch._C._dispatch_tls_local_include_set(), hidden)


def refuse_others(operation, given):
    """Raise where a tensor of the CPU meets one of the card: only numbers may, places, and what is copied."""
    if operation in (PACK, torch.ops.aten.copy_.default):
        return
    numbers, places = torch.Tag.pointwise in operation.tags, operation._schema.name.startswith("aten::index")
    for one in given:
        may = (numbers and not one.ndim) or (places and one.dtype == torch.int64)
        if not (isinstance(one, OnCard) or may):
            raise RuntimeError(f"{operation} meets a tensor of the CPU, {tuple(one.shape)}, on the card")


def held(x):
    """The values of a tensor of the card."""
    return x.held if isinstance(x, OnCard) else x


@contextmanager
def card(launches=True):
    """A GPU, on which Triton's interpreter runs kernels; or nobody does."""
    launched, current = GridExecutor.__call__, list[torch.device]()

    @contextmanager
    def on(device):
        current.append(device)
        yield
        current.pop()

    def launch(self, *args, **options):
        assert current == [CARD], "a kernel goes to another device than that of the model"
        given = [*args, *options.values()]
        assert all(isinstance(one, OnCard) for one in given if isinstance(one, torch.Tensor))
        with _disable_current_modes():
            if launches:
                launched(self, *map(held, args), **{name: held(one) for name, one in options.items()})

    before = torch._C._only_lift_cpu_tensors()
    with ExitStack() as stack:
        put = lambda of, name, value: stack.enter_context(mock.patch.object(of, name, value))
        if not launches:  # then numbers are whatever was in memory
            put(launch_of_kernels, "is_nonfinite", lambda x: False)
        put(torch.cuda, "_lazy_init", lambda: None)
        put(torch.cuda, "device", on)
        put(torch.cuda, "is_current_stream_capturing", lambda: False)
        put(GridExecutor, "__call__", launch)
        stack.callback(torch._C._set_only_lift_cpu_tensors, before)
        torch._C._set_only_lift_cpu_tensors(True)
        stack.enter_context(Card())
        yield


def assert_same_on_card(work, rtol=1e-9, atol=1e-12):
    """What `work` gives, told how things are moved, is on the card what it is on the CPU, and is there."""
    torch.manual_seed(0)
    expected = work(lambda x: x)
    torch.manual_seed(0)
    with card():
        found = work(lambda x: x.to(CARD))
    assert len(found) == len(expected)
    for k, (ours, theirs) in enumerate(zip(found, expected, strict=True)):
        if isinstance(theirs, torch.Tensor):
            assert isinstance(ours, OnCard), f"{k} is on the CPU"
        torch.testing.assert_close(held(ours), theirs, rtol=rtol, atol=atol)
