"""Nanoseconds a standard normal costs: the kernels' counter-based generator and torch's own, on one thread."""

import ctypes
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

INCLUDE = Path(__file__).parents[1] / "torchmass" / "kernels" / "cpp" / "include"
COMMAND = "g++ -std=c++17 -O3 -march=native -fno-math-errno -fno-trapping-math -fPIC -shared -x c++ -"
FILL = """
extern "C" void fill_{type}({type} *z, const unsigned *node, int nodes, int blocks) {{
    using V = tm::Vec<{type}>;
    for (int b = 0; b < blocks; ++b)
        for (int i = 0; i < nodes; i += V::lanes) {{
            V draws[4];
            tm::normals4(draws[0], draws[1], draws[2], draws[3], tm::Bits<{type}>::load(node + i),
                         tm::Bits<{type}>(0), b, 0u, 1u, 2u);
            for (int j = 0; j < 4; ++j) draws[j].store(z + j * nodes + i);
        }}
}}
"""
TYPES = {"float": torch.float32, "double": torch.float64}
BLOCKS, REPEATS = 250, 41


def nanoseconds(work: Callable[[], object], count: int) -> float:
    """Median over repetitions, for each of `count` numbers."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) / count * 1e9


def build(folder: str) -> ctypes.CDLL:
    source = '#include "philox.h"\n' + "".join(FILL.format(type=kind) for kind in TYPES)
    path = Path(folder) / "normals.so"
    subprocess.run([*COMMAND.split(), "-iquote", INCLUDE, "-o", path], input=source, text=True, check=True)
    return ctypes.CDLL(str(path))


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        library = build(folder)
    print(f"{'ns per normal':<16}{'nodes':>6}{'philox.h':>10}{'randn':>8}{'normal_':>9}")
    for kind, dtype in TYPES.items():
        for nodes in (80, 1024):
            z = torch.empty(4, nodes, dtype=dtype)
            node = torch.arange(nodes, dtype=torch.int32)
            rows = [ctypes.c_void_p(tensor.data_ptr()) for tensor in (z, node)]
            fill = getattr(library, f"fill_{kind}")

            def ours(fill=fill, rows=rows, nodes=nodes):
                fill(*rows, nodes, BLOCKS)

            def randn(nodes=nodes, dtype=dtype):
                torch.randn(4 * BLOCKS, nodes, dtype=dtype)

            def normal(nodes=nodes, dtype=dtype):
                torch.empty(4 * BLOCKS, nodes, dtype=dtype).normal_()

            cost = [nanoseconds(work, 4 * BLOCKS * nodes) for work in (ours, randn, normal)]
            print(f"{kind:<16}{nodes:>6}{cost[0]:>10.2f}{cost[1]:>8.2f}{cost[2]:>9.2f}")


if __name__ == "__main__":
    main()
