"""The examples in the documents run as they stand."""

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/gradients_through_chaos.md")
EXAMPLES = [(name, code) for name in DOCUMENTS for code in BLOCK.findall((ROOT / name).read_text())]


@pytest.mark.parametrize(("name", "code"), EXAMPLES, ids=[f"{name}-{i}" for i, (name, _) in enumerate(EXAMPLES)])
def test_an_example_runs(name, code):
    torch.set_default_dtype(torch.float32)  # as a reader would
    exec(compile(code, name, "exec"), {})


def test_the_readme_examples_are_short():
    assert all(len(code.strip().splitlines()) <= 13 for name, code in EXAMPLES if name == "README.md")


def test_the_readme_fit_finds_what_it_says():
    scope = {}
    exec(next(code for _, code in EXAMPLES if "optimiser" in code), scope)
    assert abs(float(scope["node"].a.detach()) - 0.25) < 0.02
