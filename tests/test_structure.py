"""The house stays easy to see: imports point one way, files are small, the core needs torch alone."""

import ast
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import torchmass as tm

ROOT = Path(tm.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
LAYERS = [  # each may import only from layers above it
    {"packages", "exprel"},
    {
        "bounds",
        "naming",
        "sparse",
        "undefined",
        "progress",
        "datasets",
        "kernels.philox",
        "kernels.cpp.native",
        "kernels.step.operations",
        "kernels.cpp.pool",
        "kernels.cpp.team",
        "kernels.transforms",
        "kernels.cpp.build",
        "kernels.triton.device",
        "kernels.triton.interpreted",
        "kernels.triton.table",
        "jet",
        "spectra",
        "viz",
        "export",
        "memory",
        "run_options",
    },
    {
        "declare",
        "columns",
        "looks",
        "kernels.draws",
        "kernels.step.graph",
        "kernels.triton.device_sums",
        "integrators",
        "objectives",
        "run_state",
    },
    {"values", "kernels.step.trace", "kernels.step.form", "kernels.triton.modules", "result"},
    {"parametrised", "edges", "kernels.step.linear", "tasks"},
    {"noise", "drives", "links", "stimuli"},
    {"dynamics", "coupling"},
    {"start", "history", "couplings", "kernels.plan", "kernels.step.exchange"},
    {"kernels.step.step_graph"},
    {"system", "kernels.finite", "kernels.step.sums", "kernels.step.tangent", "kernels.coupled"},
    {"kernels.step.step_code", "kernels.triton.connections", "kernels.linked"},
    {"kernels.cpp.single", "kernels.step.phases", "kernels.triton.statements"},
    {"kernels.cpp.network", "kernels.triton.single"},
    {"kernels.triton.network_pieces"},
    {"kernels.triton.network"},
    {"kernels.triton.network_back", "kernels.triton.stages"},
    {"kernels.triton.stages_back"},
    {"model", "kernels.eager", "kernels.adaptive", "kernels.kernel"},
    {"mixture", "ends", "partition", "owners"},
    {"groups"},
    {"kernels.compiled", "kernels.call", "models", "network", "inputs", "monitors", "accuracy"},
    {"kernels.triton.launch", "kernels.triton.tiles"},
    {"kernels.triton.link_tables", "kernels.triton.launches"},
    {"kernels.triton.launch_network"},
    {"kernels.operator", "kuramoto", "jansen_rit_network", "wilson_cowan_delayed"},
    {"kernels.autograd"},
    {"kernels.forward_gradient"},
    {"kernels.fused"},
    {"kernels.choice"},
    {"observe"},
    {"observed"},
    {"stretches"},
    {"kernels.explain"},
    {"simulator"},
    {"linear", "nn"},
    {"tvb", "fit", "horn"},
    {"catalogue"},
]

PACKAGES = (
    "models",
    "objectives",
    "couplings",
    "viz",
    "datasets",
    "stimuli",
    "tvb",
    "observe",
    "export",
    "fit",
    "linear",
    "nn",
    "horn",
    "tasks",
)  # whose modules may import each other


KERNELS = ("kernels", "kernels.step", "kernels.cpp", "kernels.triton")  # whose modules are layers themselves


def layer(module: str) -> int:
    """The layer of a module below `torchmass`; a package's modules share the layer of the package."""
    for index, modules in enumerate(LAYERS):
        if module in modules or module.split(".")[0] in modules:
            return index
    raise AssertionError(f"{module} has no layer: add it to LAYERS")


def imports(path: Path) -> set[str]:
    """The torchmass modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "torchmass":
            module = node.module.removeprefix("torchmass").removeprefix(".")
            found |= {f"{module}.{alias.name}" if module in KERNELS else module or alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    if module in ("__init__", *KERNELS):
        return
    package = module.split(".")[0]
    for other in imports(path):
        inside = other.split(".")[0] == package and package in PACKAGES
        assert inside or layer(other) < layer(module), f"{module} imports {other}"


def test_integrators_objectives_and_observers_never_import_a_model():
    for path in (ROOT / "integrators.py", *(ROOT / "objectives").glob("*.py")):
        assert not imports(path) & {"model", "models", "system", "parametrised"}
    for path in (ROOT / "observe").glob("*.py"):  # they see signals, whatever made them
        assert not imports(path) & {"model", "models", "system", "network", "simulator"}


def test_models_import_only_declarations():
    for path in (ROOT / "models").glob("[a-z]*.py"):
        others = {module for module in imports(path) if not module.startswith("models.")}  # of the same family
        assert others <= {"bounds", "declare", "model", "exprel", "jet"}


def test_no_source_is_large():
    repository = ROOT.parent
    folders = ("torchmass", "tests", "benchmarks", "examples", "docs")
    sources = [
        path for folder in folders for end in ("py", "md", "c") for path in (repository / folder).rglob(f"*.{end}")
    ]
    assert len(sources) > 50
    assert [str(path) for path in sources if path.stat().st_size > 20_000] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_small(path):
    assert path.stat().st_size < 20_000
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 35, f"{node.name} has {lines} lines"


def test_extras_are_requirements():
    """A marker on the line of the name stops setuptools, and with it every installation."""
    config = ConfigParser(delimiters=["="])
    config.read(ROOT.parent / "setup.cfg")
    for extra, value in config["options.extras_require"].items():
        assert ";" not in value or value.startswith("\n"), f"{extra}: a requirement with a marker needs its own line"
        assert all(Requirement(line) for line in value.strip().splitlines())


def test_public_names_are_documented():
    for name in dir(tm):
        value = getattr(tm, name)
        if not name.startswith("_") and callable(value):
            assert value.__doc__, name


def test_the_core_needs_torch_and_nothing_else():
    """Everything but torch and what torch itself needs is made unimportable, and a run still works."""
    script = """
import sys
EXTRAS = ("scipy", "matplotlib", "torchdiffeq", "nitime", "tqdm", "pandas", "xarray", "h5py", "zarr", "mne", "pooch")
for name in (*EXTRAS, "sklearn"):
    sys.modules[name] = None
import torchmass as tm
node = tm.HopfStep(2, noise_x=tm.WhiteNoise(0.1)).free("a")
tm.Simulator(tm.Network(node, [[0.0, 1.0], [1.0, 0.0]]), dt=0.1).run(1.0)["x"].sum().backward()
tm.viz, tm.datasets, tm.objectives
"""
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_nothing_is_random_or_global_on_import():
    script = "import torch; s = torch.get_rng_state(); import torchmass; assert torch.equal(s, torch.get_rng_state())"
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)


def test_the_compiler_of_torch_is_not_imported_before_it_is_asked_for():
    script = "import sys, torchmass; assert 'torch._dynamo' not in sys.modules"  # 1 s and 160 MB, as torch itself
    subprocess.run([sys.executable, "-W", "error", "-c", script], check=True)
