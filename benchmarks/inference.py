"""How many simulations does inference get in a second? torchmass and vbi, the same network, step and method."""

import argparse
from dataclasses import replace

import fresh
import machine


def main(options: argparse.Namespace) -> None:
    """Measure, print markdown, write JSON."""
    # what follows imports numpy and torch, which read the pinning once
    import torch
    import with_torch_inference
    import with_vbi
    from conclusion import conclude
    from harness import Effort, measure
    from inference_cases import CASES, INFERENCE_REQUIREMENTS
    from report import table

    torch.set_num_threads(options.threads)
    described = machine.describe(options.threads)
    effort, cases = Effort(options.repetitions), CASES
    if options.quick:
        effort, cases = Effort(1, batches=False), tuple(replace(case, simulations=2, duration=20.0) for case in CASES)
    measured = []
    for case in cases:
        rows = measure(case, [*with_torch_inference.engines(), *with_vbi.engines()], effort)
        measured.append((case, rows))
        print(table(case, rows), flush=True)
        for row in rows:
            if row.median is not None:
                print(f"{row.engine}: {case.simulations / row.median:.3g} simulations a second", flush=True)
    conclude(options, described, measured, INFERENCE_REQUIREMENTS)


if __name__ == "__main__":
    parser = fresh.arguments(__file__, __doc__)
    parser.add_argument("--repetitions", type=int, default=5, help="counted runs per engine at most")
    parser.set_defaults(threads=1)  # vbi's simulations use one; a core each is how several are run
    chosen = parser.parse_args()
    machine.pin(chosen.threads)
    machine.find_rivals()
    main(chosen)
