"""Files of others, downloaded once, checked, with the terms on which they may be used."""

import re
from pathlib import Path

from torchmass.packages import require


def download(url: str, sha256: str, *, licence: str, citation: str = "", folder: str | Path | None = None) -> Path:
    """A public file, from `folder`, by default the user's cache, or downloaded to it; returns its path.

    `url` begins with http, https or ftp, or is `doi:10.5281/zenodo.<number>/<file>`, a file of Zenodo, Figshare or
    Dataverse. `sha256` is what `sha256sum` says of the file: what has another is deleted. `licence` is that of the
    data, such as "CC BY 4.0"; it and `citation` are printed before anything is downloaded.

    Raises `ImportError` without pooch, `ValueError` for a checksum or a licence that is none and for a file with
    another checksum, and what requests raises where the file cannot be had.
    """
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256):
        raise ValueError(
            f"sha256 must be the 64 hexadecimal digits that `sha256sum` prints of the file, got {sha256!r}."
        )
    if not licence.strip():
        raise ValueError(f"licence must say on which terms {url} may be used, such as 'CC BY 4.0', got {licence!r}.")
    pooch = require("pooch", "download", "data")
    folder = Path(folder) if folder is not None else Path(pooch.os_cache("torchmass"), "datasets")
    name, known = pooch.utils.unique_file_name(url), f"sha256:{sha256.lower()}"
    if not (folder / name).is_file():
        print(f"{url}\nlicence: {licence}" + (f"\nplease cite: {citation}" if citation else ""))
    return Path(pooch.retrieve(url, known, fname=name, path=folder))
