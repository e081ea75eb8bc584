"""The notebooks run, stay short, and are committed with what they print and draw."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

import torchmass as tm

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.rglob("*.ipynb"))
GALLERY = [path for path in NOTEBOOKS if path.parent.name == "gallery"]
MOST_CELLS, MOST_LINES, MOST_BYTES = 20, 15, 600_000
MOST_SECONDS = 3600 if os.environ.get("TORCHMASS_FULL") else 600  # `make test-all`: notebooks at the length of the page

# In a process of its own: the warnings of kernels and sockets are not ours, and ours are errors here.
EXECUTE = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
seconds, place = int(sys.argv[2]) // 5, {"metadata": {"path": "."}}
nbclient.NotebookClient(notebook, timeout=seconds, kernel_name="python3", resources=place).execute()
warnings = [o.text for c in notebook.cells for o in c.get("outputs", []) if o.get("name") == "stderr"]
sys.exit("the notebook wrote to stderr: " + "".join(warnings) if warnings else 0)
"""

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(path: Path) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.slow
@each
def test_a_notebook_runs_without_an_error_or_a_warning(path, tmp_path):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    environment.pop("MPLBACKEND", None)  # inline, as a reader sees it
    run = subprocess.run(
        [sys.executable, "-c", EXECUTE, str(path), str(MOST_SECONDS)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
    )
    assert run.returncode == 0, run.stderr[-4000:]


@each
def test_a_notebook_is_committed_as_a_whole_run_leaves_it(path):
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell.outputs for cell in cells)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert not [output for cell in cells for output in cell.outputs if output.get("name") == "stderr"]


def equations(cls: type) -> list[str]:
    """The lines of maths in the docstring of a model."""
    lines, maths, inside = inspect.cleandoc(cls.__doc__).partition("Parameters::")[0].splitlines(), [], False
    for line in lines:
        begins = line.startswith(".. math::")
        inside = begins or (inside and (not line or line.startswith("    ")))
        maths += [line.removeprefix(".. math::").strip()] if inside else []
    return [line for line in maths if line]


@pytest.mark.parametrize("cls", [info.cls for info in tm.list_models()], ids=lambda cls: cls.__name__)
def test_a_page_of_the_gallery_shows_a_model_with_its_equations(cls):
    """And it is the page that runs it; the equations are those of the docstring, to the letter."""
    assert equations(cls)
    pages = {path: nbformat.read(path, as_version=4).cells for path in GALLERY}
    texts = {
        path: {
            kind: "\n".join(cell.source for cell in cells if cell.cell_type == kind) for kind in ("markdown", "code")
        }
        for path, cells in pages.items()
    }
    (own,) = [text for text in texts.values() if f"tm.{cls.__name__}" in text["code"]]
    assert [line for line in equations(cls) if line not in own["markdown"]] == []


@each
def test_a_notebook_is_short_and_explains_each_cell(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    kinds = [cell.cell_type for cell in notebook.cells]
    assert len(kinds) <= MOST_CELLS
    assert all(before == "markdown" for before, kind in zip(["", *kinds], kinds, strict=False) if kind == "code")
    assert max(len(cell.source.splitlines()) for cell in code_cells(path)) <= MOST_LINES
    assert not [cell for cell in code_cells(path) if "def " in cell.source]
    assert path.stat().st_size < MOST_BYTES
    assert notebook.metadata.kernelspec.name == "python3"
