"""`limit.c`, compiled when it is first asked for: what the same machine does with the loop written by hand."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from cases import DT, Arrays, Case
from harness import Engine, LeftOutError, Work

LANES, STATES, SUMS = 16, 6, 16  # as in limit.c
FLAGS = ("-O3", "-march=native", "-shared", "-fPIC")


@cache
def _library() -> ctypes.CDLL:
    if shutil.which("gcc") is None:
        raise LeftOutError("missing: gcc")
    with tempfile.TemporaryDirectory() as folder:
        built = Path(folder) / "limit.so"
        source = Path(__file__).with_name("limit.c")
        subprocess.run(["gcc", *FLAGS, str(source), "-o", str(built)], check=True)
        return ctypes.CDLL(str(built))


def build(case: Case) -> Work | None:
    """Hopf forward, Jansen–Rit forward and with its gradient."""
    if case.network:
        return None
    library, blocks = _library(), -(-case.nodes // LANES)
    start = np.stack([_padded(value) for value in case.start().values()])
    p = np.array(list(case.parameters().values()), np.float32)
    out = np.empty((case.steps, blocks * LANES), np.float32)
    common = (ctypes.c_long(blocks), ctypes.c_long(case.steps), ctypes.c_float(DT), _at(p))
    if case.model == "jansen_rit":
        return _jansen_rit(library, case, common, start, out)

    def hopf() -> Arrays:
        library.hopf(*common, _at(start.copy()), _at(out))
        return {"output": out[:, : case.nodes]}

    return hopf


def _jansen_rit(library: Any, case: Case, common: tuple[Any, ...], start: np.ndarray, out: np.ndarray) -> Work:
    drive, blocks = _padded(case.drive()), out.shape[1] // LANES
    start = start.reshape(STATES, blocks, LANES).swapaxes(0, 1)
    path = np.empty(((case.steps if case.gradient else 0) + 1, blocks, STATES, LANES), np.float32)
    weight = _padded(np.full(case.nodes, 1 / (case.steps * case.nodes), np.float32))

    def forward() -> Arrays:
        path[0] = start
        library.jansen_rit(*common, _at(drive), _at(path), _at(out), ctypes.c_int(case.gradient))
        return {"output": out[:, : case.nodes]}

    def both() -> Arrays:
        series = forward()
        work, sums = np.zeros((blocks, STATES, LANES), np.float32), np.zeros((blocks, SUMS, LANES), np.float32)
        library.jansen_rit_adjoint(*common, _at(drive), _at(path), _at(weight), _at(work), _at(sums))
        return series | {"gradient": _gradient(case.parameters(), sums.sum((0, 2), dtype=np.float64))}

    return both if case.gradient else forward


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


def _padded(value: np.ndarray) -> np.ndarray:
    """One value per lane, zeros beyond the nodes."""
    return np.pad(value, (0, -len(value) % LANES))


def _at(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)  # this pointer keeps its array alive


def engines() -> list[Engine]:
    """The loop by hand."""
    return [Engine("C by hand", build)]
