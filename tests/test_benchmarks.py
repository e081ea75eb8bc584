"""The benchmark scripts run, and what they time computes the same numbers; how long it takes is not tested."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "time_loop.py"
RIVALS = {"JAX scan": "jax", "brainmass Simulator": "brainmass", "brainmass for_loop": "brainmass"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "quick.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--json", str(path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout, json.loads(path.read_text())


def rows(written):
    return [(case["case"], row) for case in written["cases"] for row in case["rows"]]


def test_json_tells_machine_and_every_repetition(quick):
    machine = quick[1]["machine"]
    assert machine["threads"] == 1
    assert {"date", "cpu", "cores", "load", "versions"} <= set(machine)
    assert machine["versions"]["torch"]
    for _, row in rows(quick[1]):
        assert (row["status"] == "ok") == (len(row["times"]) == 1) == (row["first_call"] is not None)


def test_every_case_is_timed_on_torchmass(quick):
    timed = [case["title"] for case, row in rows(quick[1]) if row["engine"] == "torchmass eager" and row["times"]]
    assert timed == [case["case"]["title"] for case in quick[1]["cases"]]
    assert len(timed) >= 7
    assert all(title in quick[0] for title in timed)


def test_missing_engines_are_rows_that_say_so(quick):
    for name, package in RIVALS.items():
        found = [row for _, row in rows(quick[1]) if row["engine"] == name]
        assert found
        if importlib.util.find_spec(package) is None:
            assert {row["status"] for row in found} == {"missing: pip install torchmass[bench]"}
            assert f"| {name} |  | missing: pip install torchmass[bench] |" in quick[0]


def test_engines_agree(quick):
    for case, row in rows(quick[1]):
        if row["status"] == "ok":
            assert row["agrees"], (case["title"], row["engine"], row["difference"])
            assert set(row["difference"]) == ({"output", "gradient"} if case["gradient"] else {"output"})
    assert "DIFFERS" not in quick[0]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
def test_the_hand_written_loop_takes_part(quick):
    ran = [case for case, row in rows(quick[1]) if row["engine"] == "C by hand" and row["status"] == "ok"]
    assert {case["model"] for case in ran} == {"hopf", "jansen_rit"}
    assert any(case["gradient"] for case in ran)
