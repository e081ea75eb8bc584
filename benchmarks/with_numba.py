"""The same Heun loop written by hand for numba, in float32, on one thread."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from cases import DT, Case
from engine import Engine, Work

ONE, TWO, HALF, MILLI = (np.float32(value) for value in (1, 2, 0.5, 1e-3))  # a bare 1.0 would be of double precision


def build(case: Case) -> Work | None:
    """Forward only; time is the outer loop, so that LLVM can put nodes into vectors."""
    if case.network or case.gradient:
        return None
    loop, start, u = _loop(case.model), np.stack(list(case.start().values())), case.drive()
    p = np.array(list(case.parameters().values()), np.float32)

    def run() -> np.ndarray:
        out = np.empty((case.steps, case.nodes), np.float32)
        loop(p, start.copy(), u, np.float32(DT), out)
        return out

    return Work(run, lambda series: {"output": series})


@cache
def _loop(model: str) -> Callable[..., None]:
    """The loop over steps and nodes, compiled at its first call."""
    import numba

    field = numba.njit(FIELDS[model], inline="always")
    compiled: Callable[..., None] = numba.njit(LOOPS[model](field))
    return compiled


def _hopf(x: Any, y: Any, u: Any, p: Any) -> Any:
    a, w, beta = p
    growth = a - beta * (x * x + y * y)
    return growth * x - w * y + u, growth * y + w * x


def _hopf_loop(field: Any) -> Callable[..., None]:
    def loop(p: Any, s: Any, u: Any, dt: Any, out: Any) -> None:
        p, x, y, half = (p[0], p[1], p[2]), s[0], s[1], HALF * dt
        for t in range(out.shape[0]):
            for n in range(out.shape[1]):
                dx, dy = field(x[n], y[n], u[n], p)
                ex, ey = field(x[n] + dt * dx, y[n] + dt * dy, u[n], p)
                x[n] += half * (dx + ex)
                y[n] += half * (dy + ey)
                out[t, n] = x[n]

    return loop


def _jansen_rit(M: Any, E: Any, I: Any, Mv: Any, Ev: Any, Iv: Any, u: Any, p: Any) -> Any:
    Ae, Ai, be, bi, C, a1, a2, a3, a4, s_max, v0, r = p
    S0 = s_max / (ONE + math.exp(r * (v0 - (E - I))))
    S1 = s_max / (ONE + math.exp(r * (v0 - C * a1 * M)))
    S2 = s_max / (ONE + math.exp(r * (v0 - C * a3 * M)))
    dM = Ae * be * S0 - TWO * be * Mv - be * be * M
    dE = Ae * be * (u + C * a2 * S1) - TWO * be * Ev - be * be * E
    dI = Ai * bi * C * a4 * S2 - TWO * bi * Iv - bi * bi * I
    return MILLI * Mv, MILLI * Ev, MILLI * Iv, MILLI * dM, MILLI * dE, MILLI * dI


def _jansen_rit_loop(field: Any) -> Callable[..., None]:
    def loop(p: Any, s: Any, u: Any, dt: Any, out: Any) -> None:
        p = (p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7], p[8], p[9], p[10], p[11])
        M, E, I, Mv, Ev, Iv, half = s[0], s[1], s[2], s[3], s[4], s[5], HALF * dt
        for t in range(out.shape[0]):
            for n in range(out.shape[1]):
                a, b, c, d, e, f = M[n], E[n], I[n], Mv[n], Ev[n], Iv[n]
                k0, k1, k2, k3, k4, k5 = field(a, b, c, d, e, f, u[n], p)
                l0, l1, l2, l3, l4, l5 = field(
                    a + dt * k0, b + dt * k1, c + dt * k2, d + dt * k3, e + dt * k4, f + dt * k5, u[n], p
                )
                M[n], Mv[n] = a + half * (k0 + l0), d + half * (k3 + l3)
                E[n], Ev[n] = b + half * (k1 + l1), e + half * (k4 + l4)
                I[n], Iv[n] = c + half * (k2 + l2), f + half * (k5 + l5)
                out[t, n] = E[n] - I[n]

    return loop


FIELDS = {"hopf": _hopf, "jansen_rit": _jansen_rit}
LOOPS = {"hopf": _hopf_loop, "jansen_rit": _jansen_rit_loop}


def engines() -> list[Engine]:
    """numba by hand."""
    return [Engine("numba", build)]
