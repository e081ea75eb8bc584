"""The machine: pin the process to some threads before anything numerical is imported, and say what ran where."""

import argparse
import json
import os
import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    *("torchmass", "torch", "numpy", "jax", "jaxlib", "brainmass", "brainstate", "numba"),
    *("tvboptim", "neurolib", "tvb-library", "vbi"),
)
RIVALS = "TORCHMASS_RIVALS"  # folders with further packages, as in PATH


def pin(threads: int) -> None:
    """Give every engine `threads` threads; call it before torch, numpy and jax are imported."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(threads)
    os.environ["OMP_WAIT_POLICY"] = "passive"  # what has done its part does not keep the core of another engine busy
    os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(threads > 1).lower()}"
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # a first call compiles, also the second time one looks
    if hasattr(os, "sched_setaffinity"):  # XLA sizes its pool by the cores it may use
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[-threads:])


def find_rivals() -> None:
    """Look for rivals in the folders that $TORCHMASS_RIVALS names as well, after all others.

    Some cannot be installed beside the rest, because of versions that they exclude.
    """
    sys.path.extend(filter(None, os.environ.get(RIVALS, "").split(os.pathsep)))


def describe(threads: int) -> dict[str, Any]:
    """Date, processor, load and versions."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load": [round(load, 2) for load in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in PACKAGES},
    }


def sentence(machine: dict[str, Any]) -> str:
    """The description on one line, for the head of a table."""
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items() if version)
    load = "unknown" if machine["load"] is None else machine["load"][0]
    return (
        f"{machine['date']}; {machine['cpu']}, {machine['cores']} cores, {machine['threads']} thread(s) used, "
        f"load {load} at the start; {versions}."
    )


def add_json(parser: argparse.ArgumentParser, name: str) -> None:
    """The option that says where what is found is written; all of it, if not there, to `results/<name>.json`."""
    parser.add_argument("--json", type=Path, help=f"where all is written; of the whole work results/{name}.json")
    parser.set_defaults(results=Path(__file__).parent / "results" / f"{name}.json")


def write(options: argparse.Namespace, found: dict[str, Any]) -> None:
    """What was found, as JSON; what is only a part of the work does not take the place of all results."""
    path = options.json or options.results
    if options.json is None and any(getattr(options, name, None) for name in ("quick", "only", "engines")):
        print("This was a part of the work: it is written nowhere unless --json says where.")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
