"""How long does a step of a fit take? torchmass and tvboptim on its README example; and populations at once."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import fresh
import machine

if TYPE_CHECKING:
    from engine import Engine
    from fitting_cases import Case
    from harness import Row


def arguments() -> argparse.ArgumentParser:
    """What the command line says."""
    return fresh.comparing(__file__, __doc__, repetitions=7, budget=10.0)


def engines(name: str) -> "list[Engine[Any]]":
    """The reference first."""
    import with_torch_fitting
    import with_tvboptim_fitting

    reference, *others = [*with_torch_fitting.engines(), *with_tvboptim_fitting.engines()]
    return [reference, *(engine for engine in others if name in engine.name)]


def main(options: argparse.Namespace) -> None:
    """Measure, print markdown, write JSON."""
    # what follows imports numpy, torch and jax, which read the pinning once
    from comparison import compare
    from fitting_cases import CASES, TR, Population, RestingState
    from peaks import add_memory
    from requirements import OURS, Requirement

    cases = [case for case in CASES if options.only in case.title]
    if options.quick:
        quick = {"steps": 3 * int(TR)}, {"steps": 50, "candidates": 3}
        cases = [replace(case, **quick[isinstance(case, Population)]) for case in cases]

    def memory(case: "Case", rows: "Sequence[Row]") -> None:
        if isinstance(case, RestingState) and not options.quick:
            add_memory(__file__, case, rows, options)

    requirements = [
        Requirement("a step of a fit to FC: ≥ 10 times faster than tvboptim", "tvboptim", OURS, ("rww 84 to FC",), 10),
        Requirement(
            "a step of a fit to FC: less memory than tvboptim", "tvboptim", OURS, ("rww 84 to FC",), 1, of="memory"
        ),
        Requirement("a population: ≥ 20 times faster than one by one", "one by one", OURS, ("population",), 20),
    ]
    compare(options, cases, engines(options.engines), requirements, memory)


if __name__ == "__main__":
    chosen = arguments().parse_args()
    machine.pin(chosen.threads)
    machine.find_rivals()
    if chosen.measure:
        from fitting_cases import CASES
        from peaks import peak_of

        print(peak_of(chosen.measure, engines(""), CASES))
    else:
        main(chosen)
