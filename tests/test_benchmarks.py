"""The benchmark scripts run, and what they time computes the same numbers; how long it takes is not tested."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
RIVALS = {"JAX scan": "jax", "brainmass Simulator": "brainmass", "brainmass for_loop": "brainmass", "numba": "numba"}

pytestmark = pytest.mark.slow


def run_quickly(name, path, *options):
    """What the script prints, and what it writes to `path`."""
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), "--quick", "--json", str(path), *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert run.returncode == 0, run.stderr
    return run.stdout, json.loads(path.read_text())


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    return run_quickly("time_loop", tmp_path_factory.mktemp("results") / "time_loop.json")


def rows(written):
    return [(case["case"], row) for case in written["cases"] for row in case["rows"]]


@pytest.mark.parametrize("part", [[], ["--only", "x"], ["--quick"]])
def test_a_part_of_the_work_leaves_the_results_of_all_of_it(part, tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    fresh, machine = (importlib.import_module(name) for name in ("fresh", "machine"))
    parser = fresh.comparing("some.py", "", repetitions=1, budget=1.0)
    results, other = tmp_path / "results" / "some.json", tmp_path / "other.json"
    parser.set_defaults(results=results)
    machine.write(parser.parse_args(part), {"found": 1})
    assert results.exists() == (not part) == (not capsys.readouterr().out)
    machine.write(parser.parse_args([*part, "--json", str(other)]), {"found": 2})
    assert json.loads(other.read_text()) == {"found": 2}


def test_json_tells_machine_and_every_repetition(quick):
    machine = quick[1]["machine"]
    assert machine["threads"] == 2
    assert {"date", "cpu", "cores", "load", "versions"} <= set(machine)
    assert machine["versions"]["torch"]
    for _, row in rows(quick[1]):
        assert (row["status"] == "ok") == (len(row["times"]) == 1) == (row["first_call"] is not None)


def test_every_case_is_timed_on_torchmass(quick):
    timed = [case["title"] for case, row in rows(quick[1]) if row["engine"] == "torchmass eager" and row["times"]]
    assert timed == [case["case"]["title"] for case in quick[1]["cases"]]
    assert len(timed) >= 9
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


def test_every_requirement_is_judged(quick):
    judged = quick[1]["must_reach"]
    assert len(judged) >= 7
    for verdict in judged:
        assert verdict["ratios"] or verdict["missing"]
        assert verdict["requirement"] in quick[0]
        if verdict["missing"]:
            assert not verdict["reached"]


def test_a_requirement_is_reached_where_every_work_reaches_it(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from cases import CASES
    from harness import Row
    from requirements import OURS, Requirement, judge

    cases = {case.key: case for case in CASES}
    assert len(cases) == len(CASES)
    two = [cases["hopf 1"], cases["hopf 80"]]
    rows = lambda ours, rival: [Row(OURS, times=[ours]), Row("rival", times=rival)]
    wanted = Requirement("10 times", "rival", OURS, ("hopf 1", "hopf 80"), 10)
    both = judge(wanted, list(zip(two, [rows(1.0, [20.0]), rows(1.0, [9.0, 10.0, 30.0])], strict=True)))
    assert (both.ratios, both.reached) == ({"hopf 1": 20.0, "hopf 80": 10.0}, True)
    assert judge(wanted, list(zip(two, [rows(1.0, [20.0]), rows(1.0, [9.0])], strict=True))).reached is False
    without = judge(wanted, list(zip(two, [rows(1.0, [20.0]), rows(1.0, [])], strict=True)))
    assert (without.missing, without.reached) == ({"hopf 80": "no rival here"}, None)
    close = Requirement("at most", OURS, "rival", ("hopf 1",), 1.3, at_most=True)
    assert judge(close, [(two[0], rows(1.2, [1.0]))]).reached is True
    assert judge(close, [(two[0], rows(1.4, [1.0]))]).reached is False


def test_short_calls_are_timed_in_batches(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import numpy as np
    from cases import CASES
    from engine import Engine, Work
    from harness import Effort, measure

    numbers = {"output": np.ones(3)}
    engine = Engine("instant", lambda case: Work(lambda: numbers, lambda found: found))
    (row,) = measure(CASES[0], [engine], Effort(repetitions=2))
    assert row.agrees
    assert row.batch > 10
    assert len(row.times) == 2
    assert max(row.times) < 1e-3


@pytest.mark.parametrize(("seconds", "before"), [(2.0, 1), (8.0, 0)])
def test_a_call_before_one_that_counts_is_made_where_a_call_is_short_without_its_compilation(
    seconds, before, monkeypatch
):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import harness
    import numpy as np
    from cases import CASES
    from engine import Engine, Work

    now, calls = [0.0], []

    def build(case):
        """What compiles for ten seconds, then takes its time."""
        compiling, numbers = [10.0], {"output": np.ones(3)}

        def call():
            now[0] += seconds * case.steps / CASES[0].steps + (compiling.pop() if compiling else 0.0)
            calls.append(case.steps)

        return Work(call, lambda _: numbers)

    monkeypatch.setattr(harness, "perf_counter", lambda: now[0])
    (row,) = harness.measure(CASES[0], [Engine("compiled", build)], harness.Effort(repetitions=2, budget=100.0))
    assert row.warm_up == pytest.approx(10.0 + seconds)
    assert row.times == pytest.approx([seconds, seconds])
    assert calls.count(CASES[0].steps) == 1 + 2 * (1 + before)


def test_engines_that_others_are_only_compared_with_are_not_timed(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import numpy as np
    from cases import CASES
    from engine import Engine, Work
    from harness import Effort, measure

    work = lambda numbers: lambda case: Work(lambda: numbers, lambda found: found)
    one, two = {"output": np.ones(3)}, {"output": np.full(3, 1.1)}
    engines = [Engine("reference", work(one), timed=False), Engine("rival", work(two)), Engine("bound", work({}))]
    reference, rival, bound = measure(CASES[0], engines, Effort(repetitions=1, batches=False))
    assert (reference.times, reference.status) == ([], "only compared with")
    assert not rival.agrees
    assert rival.times
    assert bound.agrees is None
    assert bound.times


def test_the_fastest_of_a_family_counts(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from cases import CASES
    from harness import Row
    from requirements import OURS, Requirement, judge

    case = CASES[0]
    rows = [
        Row(OURS, times=[1.0], memory=10.0),
        Row("rival (slow)", times=[9.0], memory=50.0),
        Row("rival (fast)", times=[6.0], memory=300.0),
        Row("rival (left out)"),
        Row("rivalling", times=[2.0]),
    ]
    faster = Requirement("7 times", "rival", OURS, (case.key,), 7)
    assert judge(faster, [(case, rows)]).ratios == {case.key: 6.0}
    one = Requirement("9 times", "rival (slow)", OURS, (case.key,), 9)
    assert judge(one, [(case, rows)]).reached is True
    smaller = Requirement("20 times less memory", "rival", OURS, (case.key,), 20, of="memory")
    assert judge(smaller, [(case, rows)]).ratios == {case.key: 30.0}
    assert judge(smaller, [(case, rows[:1])]).missing == {case.key: "not run"}


def test_the_made_up_connectome_is_one(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import numpy as np
    from connectome import SEMI_AXES, generated

    found = generated(60)
    assert np.array_equal(found.weights, generated(60).weights)
    assert np.allclose(found.weights.sum(1), 1)
    assert np.count_nonzero(found.weights) == 60 * 59
    assert not np.any(np.diag(found.weights))
    assert not np.allclose(found.weights, found.weights.T)
    assert np.allclose(found.lengths, found.lengths.T)
    assert found.lengths.max() < 2 * max(SEMI_AXES)
    assert np.isclose(found.delays(75.0).max(), 75.0)
    near, far = np.percentile(found.lengths, (25, 75))
    assert found.weights[found.lengths < near].mean() > 3 * found.weights[found.lengths > far].mean()
    assert 0.04 < np.count_nonzero(generated(200, 0.05).weights) / 200**2 < 0.06


def test_delays_that_are_not_interpolated_are_whole_steps(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import numpy as np
    from network_cases import CASES

    for case in CASES:
        if case.longest:
            steps = case.delays() / case.dt
            assert np.isclose(case.delays().max(), case.longest)
            assert np.allclose(steps, np.rint(steps), atol=1e-3) == (not case.linear)
            assert np.isclose(case.lengths().max() / case.speed, case.longest)
            assert case.memory or case.density < 1 or case.regions > 100 or case.checks * case.dt > case.longest


def test_requirements_of_networks_name_their_cases(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from network_cases import CASES
    from network_requirements import NETWORK_REQUIREMENTS

    keys = {case.key for case in CASES}
    assert len(keys) == len(CASES) == len({case.title for case in CASES})
    for requirement in NETWORK_REQUIREMENTS:
        assert requirement.works
        assert keys.issuperset((*requirement.works, *requirement.against))
        assert len(requirement.against) in (0, len(requirement.works))
    assert len({requirement.text for requirement in NETWORK_REQUIREMENTS}) == len(NETWORK_REQUIREMENTS)


def test_networks_are_timed(tmp_path):
    printed, written = run_quickly(
        "networks", tmp_path / "networks.json", "--only", "Heun, dt 0.1", "--engines", "torch"
    )
    assert [case["case"]["regions"] for case in written["cases"]] == [84] * 6 + [76, 80]
    for case, row in rows(written):
        assert row["engine"].startswith("torchmass")
        assert row["agrees"] or row["status"].startswith("left out"), (case["title"], row)
    assert all(case["case"]["title"] in printed for case in written["cases"])


def test_recurrent_layers_are_timed_beside_an_lstm(tmp_path):
    printed, written = run_quickly("recurrent", tmp_path / "recurrent.json", "--only", "HORN")
    assert {case["case"]["gradient"] for case in written["cases"]} == {False, True}
    for case, row in rows(written):
        assert row["times"], (case["title"], row)
        assert row["agrees"] == (True if row["engine"].startswith("torchmass") else None)
        assert case["title"] in printed


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs jax")
def test_a_batch_of_networks_agrees_with_jax(tmp_path):
    _, written = run_quickly("networks", tmp_path / "networks.json", "--only", "simulations")
    agreed = {row["engine"]: row["agrees"] for _, row in rows(written)}
    assert agreed["JAX vmap + scan"]
    assert agreed["matrix product"] is None


def test_trajectories_of_others_are_met_and_what_is_missing_is_named(tmp_path):
    printed, written = run_quickly("parity", tmp_path / "parity.json")
    for name, module in {
        "The Virtual Brain": "tvb.simulator",
        "brainmass": "brainmass",
        "tvboptim": "tvboptim",
    }.items():
        found = written["rows"][name]
        assert f"## {name}" in printed
        if importlib.util.find_spec(module.partition(".")[0]) is None and "TORCHMASS_RIVALS" not in os.environ:
            assert "pip install 'torchmass[parity]', or name the folder" in found["status"]
            assert found["status"] in printed
            continue
        assert found["rows"]
        for row in found["rows"]:
            assert row["difference"] < 1e-10 or row["remark"].startswith("differs"), row


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_cold_start_is_timed(tmp_path):
    printed, written = run_quickly("cold", tmp_path / "cold.json")
    cold, cached = (written["runs"][kind][0] for kind in ("cold", "cached"))
    assert cold["first"] > cached["first"]
    assert cold["compiler"] > 10 * cached["compiler"]
    assert "| cold |" in printed
    assert "| cached |" in printed


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_memory_is_measured(tmp_path):
    printed, written = run_quickly("memory", tmp_path / "memory.json")
    assert set(written["runs"]) == set(written["most"])
    for run in written["runs"].values():
        assert "no checkpoint" in run.get("status", "") or run["above"] < 100
    assert written["runs"]["hopf"]["seconds"] > 0
    assert "| forward, 1,000 samples" in printed


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_speed_of_a_model_is_printed(tmp_path):
    printed, written = run_quickly("zoo", tmp_path / "zoo.json", "--only", "WongWang")
    assert list(written["millions"]) == ["WongWangStep", "WongWangExcInhStep", "ReducedWongWangStep"]
    for name, speeds in written["millions"].items():
        assert f"| {name} | {speeds['forward']:.0f} | {speeds['gradient']:.0f} |" in printed


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
@pytest.mark.parametrize(("name", "cases"), [("fitting", 2), ("inference", 1)])
def test_fits_and_simulations_for_inference_are_timed(name, cases, tmp_path):
    printed, written = run_quickly(name, tmp_path / f"{name}.json")
    assert len(written["cases"]) == cases
    for case, row in rows(written):
        assert row["agrees"] or row["status"].startswith("missing: pip install"), (case["title"], row)
        assert row["agrees"] or row["engine"].startswith(("tvboptim", "vbi"))
    for verdict in written["must_reach"]:
        assert verdict["ratios"] or verdict["missing"]
        assert verdict["requirement"] in printed
