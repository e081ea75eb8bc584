"""What other packages bring: their functions, imported where used, and the files they ship."""

import importlib
import importlib.util
from pathlib import Path
from typing import Any


def require(module: str, what: str, extra: str) -> Any:
    """The module that `what` needs, imported; raises an `ImportError` that names the extra when it is missing."""
    package = module.partition(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(module)
    except ImportError as error:
        raise ImportError(f"{what} needs {package}: pip install 'torchmass[{extra}]'.") from error


def shipped(package: str, *parts: str) -> Path:
    """A file inside an installed package, which is found, not imported: that might import all of its analyses.

    Raises `ImportError` without the package and `FileNotFoundError` where it comes without the file.
    """
    name, spec = package.replace("_", "-"), importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"{parts[-1]} is part of the package {name}: pip install 'torchmass[data]'.")
    path = Path(next(iter(spec.submodule_search_locations))).joinpath(*parts)
    if not path.is_file():
        raise FileNotFoundError(f"the installed {name} has no {path}; install it anew: pip install 'torchmass[data]'.")
    return path
