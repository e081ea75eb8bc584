"""A bar that shows how far something long is."""

from typing import Any


def drawn(steps: int, label: str, **options: Any) -> Any:
    """A bar of so many steps, as a context; `update(n)` moves it. Raises `ImportError` without tqdm."""
    try:
        from tqdm.auto import tqdm
    except ImportError as error:
        raise ImportError("progress=True draws with tqdm: pip install 'torchmass[fit]'.") from error
    return tqdm(total=steps, desc=label, mininterval=0.2, **options)
