"""A measurement in a process of its own: a script runs itself again and is told to answer with one line of JSON."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import machine

CHILD = "--measure"


def arguments(script: str, description: str | None) -> argparse.ArgumentParser:
    """The options that such scripts share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--threads", type=int, default=2, help="threads (and cores)")
    parser.add_argument("--quick", action="store_true", help="small work: does it all still run?")
    machine.add_json(parser, Path(script).stem)
    parser.add_argument(CHILD, default="", help=argparse.SUPPRESS)
    return parser


def comparing(script: str, description: str | None, repetitions: int, budget: float) -> argparse.ArgumentParser:
    """Those, and which cases and engines are compared, and for how long."""
    parser = arguments(script, description)
    parser.add_argument("--only", default="", help="only the cases whose title contains this")
    parser.add_argument("--engines", default="", help="only the engines whose name contains this, and the reference")
    parser.add_argument("--repetitions", type=int, default=repetitions, help="counted runs per engine at most")
    parser.add_argument("--budget", type=float, default=budget, help="seconds per engine and case")
    return parser


def measured(script: str, what: str, options: argparse.Namespace, **environment: str) -> dict[str, Any]:
    """What `script` finds when it measures `what` in a new process; {"status": why not} where that fails."""
    command = [sys.executable, script, CHILD, what, "--threads", str(options.threads)]
    command += ["--quick"] if options.quick else []
    run = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if run.returncode:
        last = run.stderr.strip().splitlines()[-1:] or [f"ended with {run.returncode}"]  # a signal leaves no message
        return {"status": f"failed: {last[0][:200]}"}
    found: dict[str, Any] = json.loads(run.stdout.strip().splitlines()[-1])
    return found
