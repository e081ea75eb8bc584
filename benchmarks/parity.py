"""Does torchmass go where others go? The same systems without noise in The Virtual Brain, brainmass and tvboptim."""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import fresh
import machine

RIVALS = ("The Virtual Brain", "brainmass", "tvboptim")
HEAD = """# Parity

The same systems without noise in torchmass and in others, all in float64; written by `make parity`. The difference is
the largest of any state, region and step, relative to the range of that state. Networks have 20 regions, other
weights in both directions, and delays of up to 12 steps, where nothing else is said. Lorenz's and Larter and
Breakspear's models are chaotic and amplify rounding. What differs by more than rounding says why.
"""


def arguments() -> argparse.ArgumentParser:
    """What the command line says."""
    parser = fresh.arguments(__file__, __doc__)
    parser.add_argument("--markdown", type=Path, default=Path(__file__).with_suffix(".md"), help="where the tables go")
    return parser


def main(options: argparse.Namespace) -> None:
    """Compare in a process for each, print and write the tables; a quick run only prints."""
    described, found, parts = machine.describe(options.threads), {}, [HEAD]
    for name in RIVALS:
        found[name] = fresh.measured(__file__, name, options, JAX_ENABLE_X64="1")
        parts.append(table(name, found[name]))
        print(parts[-1], flush=True)
    parts.append(machine.sentence(described) + "\n")
    print(parts[-1])
    machine.write(options, {"machine": described, "rows": found})
    if not options.quick:
        options.markdown.write_text("\n".join(parts))
    if any("failed" in rival.get("status", "") for rival in found.values()):
        sys.exit(1)


def table(name: str, found: dict[str, Any]) -> str:
    """What was compared with one of them, or a row that says why nothing was."""
    lines = [f"## {name}", "", "| what | dt (ms) | steps | difference / range | |", "| --- | --- | --- | --- | --- |"]
    for row in found.get("rows", []):
        lines.append(
            f"| {row['what']} | {row['dt']:g} | {row['steps']:,} | {row['difference']:.0e} | {row['remark']} |"
        )
    if "status" in found:
        lines.append(f"| nothing | | | | {found['status']} |")
    return "\n".join([*lines, "", *([found["note"], ""] if "note" in found else [])])


def measure(name: str, quick: bool) -> dict[str, Any]:
    """The rows of one of them, and what they show."""
    import torch

    torch.set_default_dtype(torch.float64)
    try:
        if name == "brainmass":
            import parity_brainmass as rival
        elif name == "tvboptim":
            import parity_tvboptim as rival
        else:
            import parity_tvb as rival
        return {"rows": [asdict(row) for row in rival.rows(100 if quick else 1000)], "note": rival.NOTE}
    except ImportError as error:
        folder = f"or name the folder that has it in ${machine.RIVALS}"
        return {"status": f"missing {error.name or error}: pip install 'torchmass[parity]', {folder}"}


if __name__ == "__main__":
    chosen = arguments().parse_args()
    machine.pin(chosen.threads)
    machine.find_rivals()
    if chosen.measure:
        print(json.dumps(measure(chosen.measure, chosen.quick)))
    else:
        main(chosen)
