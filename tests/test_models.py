"""The contract every model of the catalogue keeps, without a test of its own."""

import copy
import inspect
import pickle

import pytest
import torch
from conftest import FLOWS, MODELS, freeable, moved, random_inputs, random_state, step_of
from torch.fx.experimental.proxy_tensor import make_fx

import torchmass as tm

pytestmark = pytest.mark.parametrize("cls", MODELS, ids=lambda cls: cls.__name__)
EMITTED = {
    "add",
    "sub",
    "rsub",
    "mul",
    "div",
    "neg",
    "pow",
    "sigmoid",
    "tanh",
    "exp",
    "expm1",
    "log",
    "sin",
    "cos",
    "where",
    "lt",
    "abs",
    "clamp",
    "reciprocal",
    "ones_like",
    "zeros_like",
    "sqrt",
    "erfc",
    "scalar_tensor",
}


def tuples(cls, shape, **free):
    """States, inputs and parameters as the equations take them; parameters at their defaults unless given."""
    p = {name: torch.tensor(param.default) for name, param in cls.declarations.items() if name in cls.Params._fields}
    return cls.States(**random_state(cls, *shape)), cls.Inputs(**random_inputs(cls, *shape)), cls.Params(**(p | free))


def test_is_documented(cls):
    for part in ("Source:", "doi:", ".. math::", "Parameters::", "States::", "Inputs::"):
        assert part in cls.__doc__
    for declaration in (*cls.declarations.values(), *cls.state_declarations.values(), *cls.input_declarations.values()):
        assert declaration.doc.endswith(".")


def test_has_one_port(cls):
    assert sum(declaration.port for declaration in cls.input_declarations.values()) == 1


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_keeps_the_shape_of_a_batch(cls, shape):
    node = cls(in_size=shape[-1] if shape else 1)
    state = random_state(cls, *shape)
    for method in cls.methods:
        assert all(value.shape == shape for value in node(state, dt=0.1, method=method).values())
    if cls in FLOWS:
        assert all(value.shape == shape for value in node.rhs(state).values())


def test_nodes_are_independent(cls):
    s, u, p = tuples(cls, (3,))
    for i in range(len(s)):
        jacobians = torch.autograd.functional.jacobian(lambda *x, i=i: moved(cls, cls.States(*x), u, p)[i], s)
        for jacobian in jacobians:
            assert torch.equal(jacobian, torch.diag(torch.diag(jacobian)))


def test_gradients_of_states_inputs_and_parameters_are_right(cls):
    s, u, p = tuples(cls, (2,))
    leaves = [torch.as_tensor(value).clone().requires_grad_() for value in (*s, *u, *p)]
    a, b = len(s), len(s) + len(u)
    field = lambda *v: moved(cls, cls.States(*v[:a]), cls.Inputs(*v[a:b]), cls.Params(*v[b:]))
    assert torch.autograd.gradcheck(field, leaves)


def test_every_parameter_and_input_matters(cls):
    s, u, p = tuples(cls, (16,))
    u, p = cls.Inputs(*(v.requires_grad_() for v in u)), cls.Params(*(v.requires_grad_() for v in p))
    total = sum(slope.abs().sum() for slope in moved(cls, s, u, p))
    for name, gradient in zip((*u._fields, *p._fields), torch.autograd.grad(total, (*u, *p)), strict=True):
        assert gradient.abs().max() > 0, name


def test_the_output_has_the_shape_of_a_state(cls):
    s, _, p = tuples(cls, (2, 3))
    assert cls.output(s, p).shape == (2, 3)


def test_free_save_load_round_trips(cls, tmp_path):
    node = cls(in_size=3)
    names = freeable(node)
    node.free(*names)
    with torch.no_grad():
        for parameter in node.parameters():
            parameter += 0.1
    torch.save(node.state_dict(), tmp_path / "node.pt")
    other = cls(in_size=3)
    other.load_state_dict(torch.load(tmp_path / "node.pt"))
    for name in node.declarations:
        assert torch.equal(node.value(name), other.value(name))
    assert {name for name, _ in other.named_parameters()} == {f"raw.{name}" for name in names}
    for name in names:
        assert bool(node.declarations[name].bounds.admits(node.value(name)).all())


def test_traces_to_a_flat_graph_of_known_operations(cls):
    s, u, p = tuples(cls, ())
    graph = make_fx(lambda s, u, p: moved(cls, cls.States(*s), cls.Inputs(*u), cls.Params(*p)))(
        tuple(s), tuple(u), tuple(p)
    ).graph
    called = {node.target.overloadpacket.__name__ for node in graph.nodes if node.op == "call_function"}
    assert called <= EMITTED


def test_says_its_keywords_to_completion_and_help(cls):
    keywords = inspect.signature(cls).parameters
    assert next(iter(keywords)) == "in_size"
    assert {
        *cls.Params._fields,
        *(f"init_{s}" for s in cls.States._fields),
        *(f"noise_{u}" for u in cls.Inputs._fields),
    } < {*keywords}
    cls(**{name: keyword.default for name, keyword in keywords.items()})


def test_copies_and_pickles_with_what_is_free(cls):
    node = cls(in_size=2).free(cls.Params._fields[0])
    for other in (copy.deepcopy(node), pickle.loads(pickle.dumps(node))):
        assert [name for name, _ in other.named_parameters()] == [f"raw.{cls.Params._fields[0]}"]
        assert all(torch.equal(node.value(name), other.value(name)) for name in node.declarations)


def test_starts_off_the_fixed_point(cls):
    node, driven = cls(), cls is tm.HORNStep  # a unit of a recurrent network, at rest until something comes in
    start = node.initial_state()
    after = node(start, dt=0.1, **{node.port: float(driven)})
    assert max(float((after[name] - value).abs().max()) for name, value in start.items()) > 1e-5


def test_follows_to_and_state_dict_dtype(cls):
    node = cls(in_size=2).float()
    dt = step_of(cls, 0.1)
    result = tm.Simulator(node, dt=dt).run(10 * dt)
    assert all(result[name].dtype == torch.float32 for name in node.states)


def test_prints_its_table_in_the_catalogue(cls):
    line = next(line for line in tm.list_models.to_table().splitlines() if line.startswith(cls.__name__))
    assert cls.use_case in line
    assert cls.category in line
    assert f" {len(cls.state_declarations)} " in line


def test_builds_each_preset_with_the_values_it_says(cls):
    for name, values in cls.presets.items():
        node = cls.preset(name, 3)
        assert node.in_size == 3
        assert {key: float(node.value(key)) for key in values} == {key: pytest.approx(v) for key, v in values.items()}
