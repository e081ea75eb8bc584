"""A bar that shows how far something long is."""

from typing import Any

from torchmass.packages import require


def drawn(steps: int, label: str, **options: Any) -> Any:
    """A bar of so many steps, as a context; `update(n)` moves it. Raises `ImportError` without tqdm."""
    tqdm = require("tqdm.auto", "progress=True", "fit").tqdm
    return tqdm(total=steps, desc=label, mininterval=0.2, **options)
