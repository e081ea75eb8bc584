"""How long do whole-brain networks take? torchmass, tvboptim, neurolib, The Virtual Brain and JAX, on the same work."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import fresh
import machine

if TYPE_CHECKING:
    from engine import Engine
    from harness import Row
    from network_cases import NetworkCase

QUICK_STEPS, QUICK_REGIONS = 50, 100  # larger networks are left out of a quick run


def arguments() -> argparse.ArgumentParser:
    """What the command line says."""
    parser = fresh.comparing(__file__, __doc__, repetitions=15, budget=15.0)
    parser.add_argument("--room", type=float, default=8.0, help="GB that one engine may take")
    return parser


def main(options: argparse.Namespace) -> None:
    """Measure, print markdown, write JSON."""
    # what follows imports numpy, torch and jax, which read the pinning once
    from comparison import compare
    from network_cases import CASES
    from network_requirements import NETWORK_REQUIREMENTS
    from peaks import add_memory

    cases = [case for case in CASES if options.only in case.title]
    if options.quick:
        cases = [quickened(case) for case in cases if case.regions <= QUICK_REGIONS]

    def memory(case: "NetworkCase", rows: "Sequence[Row]") -> None:
        if case.memory:
            add_memory(__file__, case, rows, options)

    def products(case: "NetworkCase", row: "Row") -> str:
        if case.simulations == 1 or row.median is None:
            return ""
        return f"{row.engine}: {flops(case) / row.median / 1e9:.0f} GFLOP/s of matrix products"

    compare(options, cases, engines(options.room, options.engines), NETWORK_REQUIREMENTS, memory, products)


def quickened(case: "NetworkCase") -> "NetworkCase":
    """Does it all still run?"""
    return replace(case, steps=QUICK_STEPS, checks=QUICK_STEPS, sigma=0.0, simulations=min(case.simulations, 8))


def flops(case: "NetworkCase") -> int:
    """Additions and multiplications of the weights with the signals, at both stages of a Heun step."""
    return 2 * case.steps * 2 * case.regions**2 * case.simulations


def engines(room: float, name: str = "") -> "list[Engine[NetworkCase]]":
    """All engines, the reference first."""
    import with_jax_networks
    import with_neurolib
    import with_torch_networks
    import with_tvb
    import with_tvboptim

    reference, *ours = with_torch_networks.engines()
    rivals = [*with_jax_networks.engines(), *with_neurolib.engines(), *with_tvb.engines()]
    chosen = [*ours, *with_tvboptim.engines(1e9 * room), *rivals]
    return [reference, *(engine for engine in chosen if name in engine.name)]


if __name__ == "__main__":
    chosen = arguments().parse_args()
    machine.pin(chosen.threads)
    machine.find_rivals()
    if chosen.measure:
        from network_cases import CASES
        from peaks import peak_of

        print(peak_of(chosen.measure, engines(float("inf")), CASES))
    else:
        main(chosen)
