"""How many simulations does inference get in a second? torchmass and vbi, the same network, step and method."""

import argparse
from dataclasses import replace

import fresh
import machine


def main(options: argparse.Namespace) -> None:
    """Measure, print markdown, write JSON."""
    # what follows imports numpy and torch, which read the pinning once
    import with_torch_inference
    import with_vbi
    from comparison import compare
    from inference_cases import CASES, INFERENCE_REQUIREMENTS

    cases = [replace(case, simulations=2, duration=20.0) for case in CASES] if options.quick else CASES
    engines = [*with_torch_inference.engines(), *with_vbi.engines()]
    rate = lambda case, row: f"{row.engine}: {case.simulations / row.median:.3g} simulations a second"
    compare(options, cases, engines, INFERENCE_REQUIREMENTS, say_more=rate)


if __name__ == "__main__":
    parser = fresh.arguments(__file__, __doc__)
    parser.add_argument("--repetitions", type=int, default=5, help="counted runs per engine at most")
    parser.set_defaults(budget=15.0, threads=1)  # vbi's simulations use one; a core each is how several are run
    chosen = parser.parse_args()
    machine.pin(chosen.threads)
    machine.find_rivals()
    main(chosen)
