"""`limit_*.c`, compiled when first asked for: what the same machine does with the loop written by hand."""

import ctypes
import math
import shutil
import subprocess
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from cases import DT, Case
from engine import Engine, LeftOutError, Work

STATES, SUMS = 6, 14  # as in limit_jansen_rit.c
SOURCES = [Path(__file__).with_name(f"limit_{model}.c") for model in ("hopf", "jansen_rit")]
NARROW = 8  # nodes that do not fill a vector of the widest kind
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC", "-Wno-psabi")


@cache
def _library(narrow: bool) -> ctypes.CDLL:
    if shutil.which("gcc") is None:
        raise LeftOutError("missing: gcc")
    options = [*FLAGS, *(["-DNARROW"] if narrow else [])]
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "limit.so"
        subprocess.run(["gcc", *options, *map(str, SOURCES), "-o", str(built)], check=True)
        return ctypes.CDLL(str(built))


def build(threads: int, case: Case) -> Work | None:
    """Hopf forward, Jansen–Rit forward and with its gradient."""
    if case.network:
        return None
    library = _library(case.nodes <= NARROW)
    lanes = ctypes.c_int.in_dll(library, "lanes").value  # in a vector
    padded = -(-case.nodes // lanes) * lanes
    start = np.stack([_padded(value, padded) for value in case.start().values()])
    p = np.array(list(case.parameters().values()), np.float32)
    out = _aligned(case.steps, padded)
    sizes = (ctypes.c_int(threads), ctypes.c_long(padded // lanes), ctypes.c_long(case.steps))
    common = (*sizes, ctypes.c_float(DT), _at(p))
    if case.model == "jansen_rit":
        return _jansen_rit(library, case, common, start.reshape(STATES, -1, lanes).swapaxes(0, 1), out)
    state = _aligned(*start.shape)

    def hopf() -> np.ndarray:
        state[:] = start
        library.hopf(*common, _at(state), _at(out))
        return out[:, : case.nodes]

    return Work(hopf, lambda series: {"output": series})


def _jansen_rit(library: Any, case: Case, common: tuple[Any, ...], start: np.ndarray, out: np.ndarray) -> Work:
    blocks, _, lanes = start.shape
    state, drive, weight, sums = (_aligned(blocks, *size, lanes) for size in ((STATES,), (), (), (SUMS,)))
    drive[:] = _padded(case.drive(), drive.size).reshape(drive.shape)
    each = np.full(case.nodes, 1 / (case.steps * case.nodes), np.float32)
    weight[:] = _padded(each, weight.size).reshape(weight.shape)
    path = _aligned(blocks, case.steps + 1, STATES, lanes) if case.gradient else None

    def forward() -> np.ndarray:
        state[:] = start
        library.jansen_rit(*common, _at(drive), _at(state), None if path is None else _at(path), _at(out))
        return out[:, : case.nodes]

    def both() -> tuple[np.ndarray, np.ndarray]:
        series = forward()
        library.jansen_rit_adjoint(*common, _at(drive), _at(path), _at(weight), _at(sums))
        return series, _gradient(case.parameters(), 1e-3 * DT * sums.sum((0, 2), dtype=np.float64))

    if case.gradient:
        return Work(both, lambda found: {"output": found[0], "gradient": found[1]})
    return Work(forward, lambda series: {"output": series})


def _gradient(p: dict[str, float], sums: np.ndarray) -> np.ndarray:
    """The gradient of the twelve parameters, in order, from the sums of products that the adjoint collects."""
    Ae, Ai, be, bi, C, a1, a2, a3, a4, s_max, v0, r = p.values()
    S0, S1, S2, D0, D1, D2, D0u, D1M, D2M, drive, slopes, states, slopes_i, states_i = sums  # _i: the inhibitory pair
    excite, inhibit = drive + C * a2 * s_max * S1 + s_max * S0, C * a4 * s_max * S2
    g0, g1, g2 = Ae * be * s_max, Ae * be * C * a2 * s_max, Ai * bi * C * a4 * s_max  # gains of the three sigmoids
    gradient = {
        "Ae": be * excite,
        "Ai": bi * inhibit,
        "be": Ae * excite - 2 * slopes - 2 * be * states,
        "bi": Ai * inhibit - 2 * slopes_i - 2 * bi * states_i,
        "C": (g1 * S1 + g2 * S2) / C + r * (g1 * a1 * D1M + g2 * a3 * D2M),
        "a1": g1 * r * C * D1M,
        "a2": g1 * S1 / a2,
        "a3": g2 * r * C * D2M,
        "a4": g2 * S2 / a4,
        "s_max": (g0 * S0 + g1 * S1 + g2 * S2) / s_max,
        "v0": -r * (g0 * D0 + g1 * D1 + g2 * D2),
        "r": g0 * (D0u - v0 * D0) + g1 * (C * a1 * D1M - v0 * D1) + g2 * (C * a3 * D2M - v0 * D2),
    }
    return np.array([gradient[name] for name in p], np.float32)


def _padded(value: np.ndarray, size: int) -> np.ndarray:
    """One value per lane, zeros beyond the nodes."""
    return np.pad(value, (0, size - len(value)))


def _aligned(*shape: int) -> np.ndarray:
    """Memory that begins at a multiple of a vector's size."""
    size = 4 * math.prod(shape)
    memory = np.empty(size + 64, np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + size].view(np.float32).reshape(shape)


def _at(array: Any) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # this pointer keeps its array alive


def engines(threads: int) -> list[Engine]:
    """The loop by hand, its nodes split over the threads."""
    return [Engine("C by hand", partial(build, threads))]
