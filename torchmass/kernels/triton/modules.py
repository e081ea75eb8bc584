"""Generated Triton to a loaded module, by a file in the cache of kernels: Triton reads the source that it compiles."""

import importlib.util
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from types import ModuleType

from torchmass.kernels.cpp.build import cache_dir
from torchmass.packages import require

INTERPRET = "use backend='fused' there, or set TRITON_INTERPRET=1 before Python starts for Triton's interpreter."
INSTALL = "pip install 'torchmass[gpu]'"


def missing() -> str | None:
    """Why no kernel can be had for a GPU here, or None."""
    return None if importlib.util.find_spec("triton") else "triton is not installed"


def interprets() -> bool:
    """Whether Triton interprets kernels, as its environment said when it was imported."""
    from triton import JITFunction, language

    return not isinstance(language.zeros, JITFunction)


@cache
def load(source: str) -> ModuleType:
    """The module of this source. Raises an `ImportError` where Triton is not installed."""
    require("triton", "the fused loop on a GPU", "gpu")
    path = cache_dir() / f"torchmass_{sha256(source.encode()).hexdigest()[:32]}.py"
    if not _holds(path, source):
        with tempfile.NamedTemporaryFile("w", dir=path.parent, suffix=".tmp", encoding="utf-8", delete=False) as file:
            file.write(source)
        Path(file.name).replace(path)  # so that nobody ever sees half a file
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _holds(path: Path, source: str) -> bool:
    try:
        return path.read_text("utf-8") == source
    except OSError:
        return False
