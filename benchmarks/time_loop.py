"""How long does the time loop take? torchmass, JAX, numba, brainmass and C on the same work, in float32."""

import argparse
import warnings
from dataclasses import replace

import machine

QUICK_STEPS = 100  # as many as are checked, so that nothing is compiled twice


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="threads (and cores) for every engine")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_STEPS} steps, one run each, without torch.compile"
    )
    parser.add_argument("--only", default="", help="only the cases whose title contains this")
    parser.add_argument("--repetitions", type=int, default=15, help="counted runs per engine at most")
    parser.add_argument("--budget", type=float, default=15.0, help="seconds per engine and case")
    machine.add_json(parser, "time_loop")
    return parser.parse_args()


def main(options: argparse.Namespace) -> None:
    """Measure, print markdown, write JSON."""
    # what follows imports numpy, torch and jax, which read the pinning once
    import torch
    from cases import CASES
    from conclusion import conclude
    from harness import Effort, measure
    from report import table
    from requirements import REQUIREMENTS

    warnings.filterwarnings("ignore", message="dynamo_pgo force disabled")  # machine.pin did
    torch.set_num_threads(options.threads)
    described = machine.describe(options.threads)
    engines, effort = _engines(options), Effort(options.repetitions, options.budget)
    cases = [case for case in CASES if options.only in case.title]
    if options.quick:
        effort = replace(effort, repetitions=1, batches=False)
        cases = [
            replace(c, steps=QUICK_STEPS, sigma=0.0, title=f"{c.title} (quick: {QUICK_STEPS} steps)") for c in cases
        ]
    measured = []
    for case in cases:
        torch._dynamo.reset()  # a case pays for its own compilation
        measured.append((case, measure(case, engines, effort)))
        print(table(*measured[-1]), flush=True)
    conclude(options, described, measured, REQUIREMENTS)


def _engines(options: argparse.Namespace) -> list:
    import limit
    import with_brainmass
    import with_jax
    import with_numba
    import with_torch

    torch_engines, by_hand = with_torch.engines(compiled=not options.quick), limit.engines(options.threads)
    return [*torch_engines, *with_jax.engines(), *with_brainmass.engines(), *with_numba.engines(), *by_hand]


if __name__ == "__main__":
    chosen = arguments()
    machine.pin(chosen.threads)
    main(chosen)
