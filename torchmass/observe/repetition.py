"""The repetition time of a scanner."""

LEAST = 100.0  # ms; 0.72 or 2 is meant in seconds


def checked_tr(tr: float | None) -> float | None:
    """A repetition time in ms, or None; raises a `ValueError` for one that was meant in seconds."""
    if tr is not None and not LEAST <= tr < float("inf"):
        raise ValueError(f"tr is in ms and at least {LEAST:g}, got {tr}; {tr} s are tr={1000 * tr:g}.")
    return None if tr is None else float(tr)
