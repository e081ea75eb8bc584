"""How long does a recurrent layer of masses take? HORN and Jansen–Rit against nn.LSTM of the same size, on two threads.

And where does a product of the recurrent matrix with the whole batch at every step, as an eager loop has it, overtake
the fused loop, which multiplies for one sequence after another?
"""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

import fresh
import machine

if TYPE_CHECKING:
    from recurrent_cases import RecurrentCase

QUICK_HIDDEN, QUICK_SAMPLES = 32, 20


def main(options: argparse.Namespace) -> None:
    """Measure, print markdown, write JSON."""
    # what follows imports torch, which reads the pinning once
    import with_torch_recurrent
    from comparison import compare
    from recurrent_cases import CASES

    cases = [case for case in CASES if options.only in case.title]
    if options.quick:
        cases = [quickened(case) for case in cases if case.hidden <= QUICK_HIDDEN]
    reference, *rivals = with_torch_recurrent.engines()
    chosen = [reference, *(engine for engine in rivals if options.engines in engine.name)]
    compare(options, cases, chosen)


def quickened(case: "RecurrentCase") -> "RecurrentCase":
    """Does it all still run?"""
    return replace(case, samples=QUICK_SAMPLES, sequences=min(case.sequences, 4))


if __name__ == "__main__":
    given = fresh.comparing(__file__, __doc__, repetitions=9, budget=4.0).parse_args()
    machine.pin(given.threads)
    main(given)
