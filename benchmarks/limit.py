"""`limit_*.c`, compiled when first asked for: what the same machine does with the loop written by hand."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from cases import DT, Case
from engine import Engine, LeftOutError, Work

STATES, SUMS = 6, 16  # as in limit_jansen_rit.c
SOURCES = [Path(__file__).with_name(f"limit_{model}.c") for model in ("hopf", "jansen_rit")]
FLAGS = ("-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fopenmp", "-shared", "-fPIC", "-Wno-psabi")


@cache
def _library(lanes: int) -> ctypes.CDLL:
    if shutil.which("gcc") is None:
        raise LeftOutError("missing: gcc")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "limit.so"
        subprocess.run(["gcc", *FLAGS, f"-DLANES={lanes}", *map(str, SOURCES), "-o", str(built)], check=True)
        return ctypes.CDLL(str(built))


def build(threads: int, case: Case) -> Work | None:
    """Hopf forward, Jansen–Rit forward and with its gradient."""
    if case.network:
        return None
    lanes = 8 if case.nodes <= 8 else 16  # in a vector
    library, padded = _library(lanes), -(-case.nodes // lanes) * lanes
    start = np.stack([_padded(value, padded) for value in case.start().values()])
    p = np.array(list(case.parameters().values()), np.float32)
    out = np.empty((case.steps, padded), np.float32)
    sizes = (ctypes.c_int(threads), ctypes.c_long(padded // lanes), ctypes.c_long(case.steps))
    common = (*sizes, ctypes.c_float(DT), _at(p))
    if case.model == "jansen_rit":
        return _jansen_rit(library, case, common, start.reshape(STATES, -1, lanes).swapaxes(0, 1), out)

    def hopf() -> np.ndarray:
        library.hopf(*common, _at(start.copy()), _at(out))
        return out[:, : case.nodes]

    return Work(hopf, lambda series: {"output": series})


def _jansen_rit(library: Any, case: Case, common: tuple[Any, ...], start: np.ndarray, out: np.ndarray) -> Work:
    blocks, _, lanes = start.shape
    drive, weight = (
        _padded(value, blocks * lanes)
        for value in (case.drive(), np.full(case.nodes, 1 / (case.steps * case.nodes), np.float32))
    )
    path = np.empty((blocks, case.steps + 1, STATES, lanes), np.float32) if case.gradient else None

    def forward() -> np.ndarray:
        library.jansen_rit(*common, _at(drive), _at(start.copy()), None if path is None else _at(path), _at(out))
        return out[:, : case.nodes]

    def both() -> tuple[np.ndarray, np.ndarray]:
        series, sums = forward(), np.empty((blocks, SUMS, lanes), np.float32)
        library.jansen_rit_adjoint(*common, _at(drive), _at(path), _at(weight), _at(sums))
        return series, _gradient(case.parameters(), sums.sum((0, 2), dtype=np.float64))

    if case.gradient:
        return Work(both, lambda found: {"output": found[0], "gradient": found[1]})
    return Work(forward, lambda series: {"output": series})


def _gradient(p: dict[str, float], sums: np.ndarray) -> np.ndarray:
    """The gradient of the twelve parameters, in order, from the sums of products that the adjoint collects."""
    Ae, Ai, be, bi, C, a1, a2, a3, a4, s_max, v0, r = p.values()
    S0, D0, D0u, h3Mv, h3M, S1, D1, D1M, h4p, h4Ev, h4E, S2, D2, D2M, h5Iv, h5I = sums
    excite, inhibit = h4p + C * a2 * s_max * S1 + s_max * S0, C * a4 * s_max * S2
    g0, g1, g2 = Ae * be * s_max, Ae * be * C * a2 * s_max, Ai * bi * C * a4 * s_max  # gains of the three sigmoids
    gradient = {
        "Ae": be * excite,
        "Ai": bi * inhibit,
        "be": Ae * excite - 2 * (h3Mv + h4Ev) - 2 * be * (h3M + h4E),
        "bi": Ai * inhibit - 2 * h5Iv - 2 * bi * h5I,
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


def _at(array: Any) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # this pointer keeps its array alive


def engines(threads: int) -> list[Engine]:
    """The loop by hand, its nodes split over the threads."""
    return [Engine("C by hand", partial(build, threads))]
