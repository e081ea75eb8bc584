"""The elementary functions and random draws of generated kernels: right to the last digits, ends included."""

import ctypes
import math
import subprocess
from itertools import pairwise
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from conftest import machine_macros
from math_loops import CHOICES, DRAWS, LOOP, VECTOR_DRAWS, VECTOR_LOOP, WORDS
from test_noise import KNOWN_ANSWERS

from torchmass.kernels.draws import normals

INCLUDE = Path(__file__).parents[1] / "torchmass" / "kernels" / "cpp" / "include"
FLAGS = [
    "-std=c++17",
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fPIC",
    "-shared",
]
TYPES = {"float": np.float32, "double": np.float64}
ACCURATE = [
    "exp",
    "expm1",
    "log",
    "log1p",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sigmoid",
    "softplus",
    "sqrt",
    "rsqrt",
    "erf",
    "erfc",
    "exprel",
    "exprel_slope",
    "inverse_exprel",
    "inverse_exprel_slope",
]
UNARY = [*ACCURATE, "abs", "sign", "floor"]
BINARY = ["pow", "atan2", "remainder", "minimum", "maximum", "sigmoid2"]
LIMITS = {  # most ulps allowed (float, double); 2 where nothing is said
    "tan": (4, 4),
    "tanh": (2.6, 2.6),
    "sigmoid": (3, 3),
    "sigmoid2": (3, 3),
    "erf": (2, 3),
    "erfc": (5, 5),
    "atan2": (3, 3),
    "exprel": (2.5, 2.5),
    "exprel_slope": (11, 18),
    "inverse_exprel": (2.5, 2.5),
    "inverse_exprel_slope": (12, 22),
    "sqrt": (0.5, 0.5),
    "pow": (0.6, 1.5),
}
NAN, INF = math.nan, math.inf


# bytes of a vector, options, and what the machine must have
BUILDS = {
    "64": (64, [], "__AVX512F__"),
    "32": (32, [], "__AVX__"),
    "32, AVX2": (32, ["-mno-avx512f"], "__AVX2__"),
    "16": (16, [], ""),
    "16, no fma": (16, ["-march=x86-64-v2"], "__SSE4_2__"),
}
COMMAND = ["g++", *FLAGS, "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter"]


def build(folder, source, options=()):
    path = folder / "math.cpp"
    path.write_text('#include "math.h"\n#include "philox.h"\n' + source)
    subprocess.run([*COMMAND, *options, "-iquote", INCLUDE, path, "-o", path.with_suffix(".so")], check=True)
    return ctypes.CDLL(str(path.with_suffix(".so")))


def functions(loop, draws, x, b):
    """The source of every function in both types."""
    source = ""
    for kind in TYPES:
        one, two = x.format(type=kind), b.format(type=kind)
        low = f"decltype({one})(-1)" if "::" in one else f"{kind}(-1)"
        source += "".join(loop.format(name=name, type=kind, arguments=one) for name in UNARY)
        source += "".join(loop.format(name=name, type=kind, arguments=f"{one}, {two}") for name in BINARY)
        source += loop.format(name="clamp", type=kind, arguments=f"{one}, {low}, {two}")
        source += loop.format(name="fma", type=kind, arguments=f"{one}, {two}, {one}")
        source += draws.format(type=kind)
    return source


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return build(tmp_path_factory.mktemp("numbers"), WORDS + functions(LOOP, DRAWS, "x[i]", "b[i]"))


@pytest.fixture(scope="module", params=BUILDS)
def vectors(request, tmp_path_factory):
    """The same functions on vectors of one size; its `fused` says whether a fused product is one instruction."""
    size, options, needs = BUILDS[request.param]
    if needs not in machine_macros():
        pytest.skip(f"the machine has no {needs}")
    source = functions(VECTOR_LOOP, VECTOR_DRAWS, "tm::Vec<{type}>::load(x + i)", "tm::Vec<{type}>::load(b + i)")
    library = build(tmp_path_factory.mktemp("vectors"), source + CHOICES, [*options, f"-DTM_VECTOR_BYTES={size}"])
    library.fused = request.param != "16, no fma"
    return library


def call(library, name, kind, x, b=None):
    """The kernel's values at x (and b), from a loop over whole vectors with room to spare."""
    dtype = TYPES[kind]
    size = -(-len(x) // 64) * 64
    rows = np.ones((3, size), dtype)
    rows[0, : len(x)] = x
    rows[1, : len(x)] = x if b is None else b
    getattr(library, f"{name}_{kind}")(*(ctypes.c_void_p(row.ctypes.data) for row in rows), ctypes.c_int(size))
    return rows[2, : len(x)].copy()


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def sigmoid2(n, y):
    return 1 / (1 + mpmath.mpf(2) ** (n + y))


def softplus(x):
    return mpmath.log1p(mpmath.exp(x))


def about_zero(function, value, slope):
    """The function, of which at the smallest numbers nothing else is left than its value and slope at 0."""
    return lambda x: value + slope * x if abs(x) < 1e-30 else function(x)


def inverse_exprel_slope(x):
    return (1 - x * mpmath.exp(x) / mpmath.expm1(x)) / mpmath.expm1(x)


TRUTH = {
    "exprel": about_zero(lambda x: mpmath.expm1(x) / x, 1, 1 / 2),
    "exprel_slope": about_zero(lambda x: (mpmath.exp(x) - mpmath.expm1(x) / x) / x, 1 / 2, 1 / 3),
    "inverse_exprel": about_zero(lambda x: x / mpmath.expm1(x), 1, -1 / 2),
    "inverse_exprel_slope": about_zero(inverse_exprel_slope, -1 / 2, 1 / 6),
    "log1p": mpmath.log1p,
    "expm1": mpmath.expm1,
    "sigmoid": sigmoid,
    "sigmoid2": sigmoid2,
    "softplus": softplus,
    "rsqrt": lambda x: 1 / mpmath.sqrt(x),
    "pow": mpmath.power,
    "remainder": lambda x, y: x - y * mpmath.floor(x / y),
}


def ulps(name, got, *arguments):
    """Distance of each value from the truth, in units in the last place of the truth."""
    info = np.finfo(got.dtype)
    truth = TRUTH.get(name) or getattr(mpmath, name)
    errors = np.zeros(len(got))
    with mpmath.workprec(400):
        for i, values in enumerate(zip(*arguments, strict=True)):
            exact = truth(*(mpmath.mpf(float(value)) for value in values))
            if abs(exact) >= mpmath.mpf(2) ** info.maxexp * (1 - mpmath.mpf(2) ** (-info.nmant - 2)):
                errors[i] = 0 if got[i] == float(mpmath.sign(exact)) * INF else INF
                continue
            exponent = max(mpmath.frexp(exact)[1] - 1, info.minexp) if exact else info.minexp
            # where the kernel gives infinity or NaN the difference is infinite or NaN too
            errors[i] = float(abs(mpmath.mpf(float(got[i])) - exact) / mpmath.mpf(2) ** (exponent - info.nmant))
    return errors


def spread(rng, low, high, count):
    """Numbers of both signs with sizes spread over all powers of ten from 10^low to 10^high."""
    return rng.choice([-1.0, 1.0], count) * 10.0 ** rng.uniform(low, high, count)


def points(name, kind, count=1500):
    rng = np.random.default_rng(5)
    tiny, huge = (-44, 38) if kind == "float" else (-307, 308)
    over = 110.0 if kind == "float" else 760.0  # exp overflows and underflows within
    wide = spread(rng, tiny, huge, count)
    if "exprel" in name:
        low, high = (-80, 80) if kind == "float" else (-600, 600)
        chosen = [rng.uniform(low, high, count), rng.uniform(-2, 2, count), spread(rng, tiny, 0, count)]
    elif name in ("exp", "expm1", "sigmoid", "softplus", "tanh"):
        if kind == "float" and name == "softplus":
            over = 100.0
        chosen = [rng.uniform(-over, over, count), rng.uniform(-2, 2, count), spread(rng, tiny, 0, count)]
    elif name in ("log", "sqrt", "rsqrt"):
        chosen = [abs(wide), rng.uniform(0.3, 3, count), 1 + spread(rng, -7 if kind == "float" else -15, -1, count)]
    elif name == "log1p":
        chosen = [abs(wide), rng.uniform(-1, 3, count), spread(rng, tiny, -0.01, count)]
    elif name in ("sin", "cos", "tan"):
        # the numbers nearest to multiples of π/2 lose the most
        near = rng.integers(-60000, 60000, count) * (math.pi / 2)
        chosen = [rng.uniform(-1e5, 1e5, count), rng.uniform(-4, 4, count), spread(rng, tiny, 0, count), near]
    elif name in ("erf", "erfc"):
        end = 10.2 if kind == "float" else 27.3
        chosen = [rng.uniform(-end, end, count), rng.uniform(-2, 2, count), spread(rng, tiny, 0, count)]
    else:
        chosen = [wide]
    with np.errstate(under="ignore"):
        return np.concatenate(chosen).astype(TYPES[kind])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", ACCURATE)
def test_function_is_right_to_the_last_digits(library, name, kind):
    x = points(name, kind)
    x = x[x > 0] if name == "rsqrt" else x[x > -1] if name == "log1p" else x
    limit = LIMITS.get(name, (2, 2))[kind == "double"]
    if name == "sigmoid":  # 0 where the truth is below the smallest normal number
        below = -x * math.log2(math.e) > np.finfo(x.dtype).maxexp - 0.5
        assert (call(library, name, kind, x[below]) < 1.5 * np.finfo(x.dtype).smallest_normal).all()
        x = x[~below]
    errors = ulps(name, call(library, name, kind, x), x)
    assert errors.max() <= limit, f"{errors.max()} ulp at {x[errors.argmax()]!r}"


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", ["pow", "atan2", "remainder", "sigmoid2"])
def test_function_of_two_numbers_is_right_to_the_last_digits(library, name, kind):
    rng = np.random.default_rng(7)
    count, dtype = 3000, TYPES[kind]
    if name == "pow":
        x = abs(np.concatenate([spread(rng, -30, 30, count), rng.uniform(0.5, 2, count)]).astype(dtype))
        whole = (88 if kind == "float" else 709) * rng.uniform(-1, 1, 2 * count)
        y = (whole / np.log(x.astype(float))).astype(dtype)
    elif name == "atan2":
        x, y = (np.concatenate([spread(rng, -3, 3, count), spread(rng, -15, 15, count)]).astype(dtype) for _ in "xy")
    elif name == "sigmoid2":
        most = np.finfo(dtype).maxexp - 0.5
        x = rng.integers(-2 * most, most, count).astype(dtype)
        y = np.minimum(spread(rng, -30, 3, count), most - x).astype(dtype)
    else:
        x, y = (spread(rng, low, high, count).astype(dtype) for low, high in ((-3, 8), (-2, 3)))
    limit = LIMITS.get(name, (0.5, 0.5))[kind == "double"]
    errors = ulps(name, call(library, name, kind, x, y), x, y)
    assert errors.max() <= limit, f"{errors.max()} ulp at {x[errors.argmax()]!r}, {y[errors.argmax()]!r}"


SPECIAL = [  # name, x, value
    ("exp", [-INF, -1e30, 0, -0.0, INF, 1e30, NAN], [0, 0, 1, 1, INF, INF, NAN]),
    ("expm1", [-INF, -1e30, 0, -0.0, INF, 1e30, NAN], [-1, -1, 0, -0.0, INF, INF, NAN]),
    ("log", [0, -0.0, 1, -1, INF, -INF, NAN], [-INF, -INF, 0, NAN, INF, NAN, NAN]),
    ("log1p", [0, -0.0, -1, -2, INF, -INF, NAN], [0, -0.0, -INF, NAN, INF, NAN, NAN]),
    ("sin", [0, INF, -INF, NAN], [0, NAN, NAN, NAN]),
    ("cos", [0, INF, -INF, NAN], [1, NAN, NAN, NAN]),
    ("tan", [0, INF, -INF, NAN], [0, NAN, NAN, NAN]),
    ("tanh", [0, -0.0, 1000, -1000, INF, -INF, NAN], [0, -0.0, 1, -1, 1, -1, NAN]),
    ("sigmoid", [0, 1000, -1000, INF, -INF, NAN], [0.5, 1, 0, 1, 0, NAN]),
    ("softplus", [1000, -1000, INF, -INF, NAN], [1000, 0, INF, 0, NAN]),
    ("sqrt", [0, -0.0, 4, -1, INF, NAN], [0, -0.0, 2, NAN, INF, NAN]),
    ("rsqrt", [0, 4, -1, INF, NAN], [INF, 0.5, NAN, 0, NAN]),
    ("erf", [0, -0.0, 1000, -1000, INF, -INF, NAN], [0, -0.0, 1, -1, 1, -1, NAN]),
    ("erfc", [0, 1000, -1000, INF, -INF, NAN], [1, 0, 2, 0, 2, NAN]),
    ("abs", [-0.0, -3, 3, -INF, NAN], [0, 3, 3, INF, NAN]),
    ("sign", [-0.0, 0, -3, 3, -INF, NAN], [0, 0, -1, 1, -1, 0]),
    ("floor", [-0.0, -0.5, 2.5, -INF, NAN, 1e20], [-0.0, -1, 2, -INF, NAN, 1e20]),
]


def same(got, expected):
    expected = np.array(expected, got.dtype)
    numbers = ~np.isnan(expected)
    assert np.array_equal(got, expected, equal_nan=True), got
    assert np.array_equal(np.signbit(got[numbers]), np.signbit(expected[numbers])), got


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(("name", "x", "expected"), SPECIAL, ids=[case[0] for case in SPECIAL])
def test_ends_zeros_and_nan(library, name, x, expected, kind):
    same(call(library, name, kind, x), expected)


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("name", [*BINARY[:-1], "clamp"])
def test_special_pairs_are_torch_s(library, name, kind):
    values = [-INF, -3.0, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, INF, NAN]
    x, b = (torch.tensor(values, dtype=torch.float64).repeat(13), torch.tensor(values).repeat_interleave(13))
    if name == "clamp":
        x, b = x[b >= -1], b[b >= -1]
        expected = torch.minimum(torch.clamp(x, min=-1.0), b)
    else:
        expected = getattr(torch, name)(x, b)
    got = call(library, name, kind, x.numpy(), b.numpy())
    tolerance = 1e-6 if kind == "float" else 1e-15
    np.testing.assert_allclose(got, expected.numpy(), rtol=tolerance, atol=0)


@pytest.mark.parametrize("kind", TYPES)
def test_the_ends_of_a_sigmoid_with_a_whole_part(library, kind):
    n, y = np.array([0, 3, 0, 0, 5000, 5000, 0, 0, 7, 7]), [0, -3, 2000, -2000, 1, -6e3, NAN, 1e30, INF, -INF]
    same(call(library, "sigmoid2", kind, n, np.array(y)), [0.5, 0.5, 0, 1, 0, 1, NAN, 0, 0, 1])


@pytest.mark.parametrize("kind", TYPES)
def test_sine_and_cosine_of_anything_stay_within_one(library, kind):
    x = spread(np.random.default_rng(3), 4, 38 if kind == "float" else 308, 4000)
    for name in ("sin", "cos"):
        assert (abs(call(library, name, kind, x)) <= 1).all()


@pytest.mark.parametrize("kind", TYPES)
def test_remainder_gives_what_torch_gives(library, kind):
    rng = np.random.default_rng(9)
    x, y = (torch.tensor(spread(rng, low, high, 4000).astype(TYPES[kind])) for low, high in ((-25, 9), (-2, 3)))
    same(call(library, "remainder", kind, x.numpy(), y.numpy()), torch.remainder(x, y).numpy())


def pairs(name, kind, count=6000):
    """Pairs with results of all sizes, and every pair of special values."""
    rng = np.random.default_rng(13)
    ends = np.array([-INF, -3.0, -2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 1e-40, INF, NAN])
    x, y = (spread(rng, -20, 20, count) for _ in "xy")
    if name == "pow":
        x, y = abs(spread(rng, -5, 5, count)), spread(rng, -2, 1, count)
    return (np.concatenate(both).astype(TYPES[kind]) for both in ((x, np.tile(ends, 14)), (y, np.repeat(ends, 14))))


@pytest.mark.parametrize("kind", TYPES)
def test_a_vector_holds_what_the_numbers_give(library, vectors, kind):
    ends = [-INF, -1e30, -1000, -2, -1, -0.5, -0.0, 0, 1e-40, 1e-310, 0.5, 1, 2, 1000, 1e30, INF, NAN]
    for name in [*UNARY, *BINARY, "clamp", "fma"]:
        arguments = tuple(pairs(name, kind)) if name not in UNARY else (np.append(points(name, kind), ends),)
        expected, got = (call(built, name, kind, *arguments) for built in (library, vectors))
        if vectors.fused:
            same(got, expected)
        else:  # both are right to the last digits, but not to the same
            numbers = np.isfinite(expected)
            with np.errstate(invalid="ignore"):
                np.testing.assert_array_equal(got[~numbers], expected[~numbers])
            apart = abs(got[numbers] - expected[numbers]) / np.spacing(abs(expected[numbers]))
            assert apart.max() <= LIMITS.get(name, (2, 2))[kind == "double"] + 1, name


@pytest.mark.parametrize("kind", TYPES)
def test_operators_and_select_work_lane_by_lane(vectors, kind):
    assert getattr(vectors, f"choices_{kind}")()


@pytest.mark.parametrize("kind", TYPES)
def test_normals_of_a_vector_are_those_of_its_nodes(library, vectors, kind):
    for words in ((0, 0, 0, 4096, 0), (2**62 + 12345, 2**31 + 5, 1000, 4096, 2)):
        got, expected = draw(vectors, kind, *words), draw(library, kind, *words)
        if vectors.fused:
            same(got, expected)
        else:
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-6 if kind == "float" else 1e-14)


@pytest.mark.parametrize("kind", TYPES)
def test_a_value_does_not_depend_on_its_lane(library, kind):
    x = np.random.default_rng(11).uniform(0.01, 5, 640).astype(TYPES[kind])
    b = np.flip(x).copy()
    for name in [*UNARY, *BINARY]:
        whole = call(library, name, kind, x, b)
        for start in (1, 3, 16, 37):
            assert np.array_equal(call(library, name, kind, x[start:], b[start:]), whole[start:]), name


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN_ANSWERS)
def test_philox_gives_the_known_answers(library, counter, key, words):
    got = (ctypes.c_uint * 4)()
    library.philox((ctypes.c_uint * 4)(*counter), (ctypes.c_uint * 2)(*key), got)
    assert tuple(got) == words


def draw(library, kind, seed, block, simulation, nodes, source):
    z = np.empty((4, nodes), TYPES[kind])
    words = (nodes, simulation, block & 0xFFFFFFFF, source, seed & 0xFFFFFFFF, seed >> 32)
    getattr(library, f"normals_{kind}")(ctypes.c_void_p(z.ctypes.data), *map(ctypes.c_uint, words))
    return z


@pytest.mark.parametrize(("kind", "tolerance"), [("float", 1e-6), ("double", 1e-13)])
@pytest.mark.parametrize(
    ("seed", "block", "simulation", "source"), [(0, 0, 0, 0), (7, 3, 11, 1), (2**62 + 12345, 2**31 + 5, 1000, 2)]
)
def test_normals_are_those_of_the_eager_backend(library, kind, tolerance, seed, block, simulation, source):
    nodes = 20_000
    expected = normals(seed, 4 * block, 4, torch.tensor([simulation]), nodes, source)[:, 0].numpy()
    got = draw(library, kind, seed, block, simulation, nodes, source)
    assert abs(got - expected).max() <= tolerance


@pytest.mark.parametrize("kind", TYPES)
def test_normals_do_not_depend_on_how_many_nodes_are_drawn(library, kind):
    most = draw(library, kind, 3, 5, 2, 128, 0)
    for fewer, more in pairwise((1, 7, 80, 128)):
        few, some = draw(library, kind, 3, 5, 2, fewer, 0), draw(library, kind, 3, 5, 2, more, 0)
        tolerance = 1e-6 if kind == "float" else 1e-14  # unpadded: the remainder loop may round otherwise
        np.testing.assert_allclose(some[:, :fewer], few, rtol=0, atol=tolerance)
    assert np.array_equal(draw(library, kind, 3, 5, 2, 64, 0), most[:, :64])
