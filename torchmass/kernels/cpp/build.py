"""C++ source to a loaded shared library: compiled once for a source, a compiler and a CPU, and kept on disk."""

import atexit
import ctypes
import json
import logging
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path

# Never -Ofast or -ffast-math: linked into a library they flush denormals to zero in the whole process, torch included.
FLAGS = (
    *("-std=c++17", "-O3", "-march=native", "-fopenmp-simd"),
    *("-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared"),
    "-fno-unswitch-loops",  # it copies the time loop for every optional output: 5 s to compile instead of 1
)
# Lets GCC move instructions of independent functions into each other, within the registers: Jansen–Rit takes 32 ns a
# vector and step instead of 38. What has no elementary functions is better left in order: Hopf takes 10 instead of 7.
SPREAD = ("-fschedule-insns", "-fsched-pressure")
# For steps of thousands of operations, on which GCC spends its time following memory: 8 s to compile instead of 19.
LARGE, LARGE_SOURCE = ("-O1", "--param=sccvn-max-alias-queries-per-access=50", "-fno-tree-dse"), 250_000
INCLUDE = Path(__file__).resolve().parent / "include"
INSTALL = "install g++ or clang++, or point CXX at a compiler"


class NoCompilerError(RuntimeError):
    """There is no C++ compiler that runs."""


class CompilationError(RuntimeError):
    """The compiler, or the loader after it, refused a generated source."""


@cache
def said_once(message: str) -> None:
    """Log `message` at level info, the first time in this process only."""
    logging.getLogger("torchmass").info(message)


def compiler() -> str | None:
    """The command that starts the C++ compiler: CXX where it is set, else the first of g++, clang++, c++; or None."""
    return shlex.join(_words()) or None


def missing() -> str | None:
    """Why nothing can be built here, or None."""
    words = _words()
    if not words:
        cxx = os.environ.get("CXX", "").strip()
        return f"CXX is {cxx!r}, which is no program here" if cxx else "no C++ compiler on PATH"
    try:
        _version(words)
    except NoCompilerError as error:
        return str(error).splitlines()[0].partition(f": {INSTALL}")[0]
    return None


def load(source: str, extra_flags: tuple[str, ...] = ()) -> ctypes.CDLL:
    """The library built from C++ `source`: from this process, else from `cache_dir()`, else compiled now.

    Raises `NoCompilerError` where there is nothing to build with and `CompilationError` where the source is refused.
    """
    words = _words()
    if not words:
        raise NoCompilerError(f"{missing()}: {INSTALL}.")
    return _load(_path(source, words, tuple(extra_flags)), source, words, tuple(extra_flags))


def is_built(source: str, extra_flags: tuple[str, ...] = ()) -> bool:
    """Whether `load` would find the library of this source on disk."""
    return _path(source, _words(), tuple(extra_flags)).exists()


def is_gcc() -> bool:
    """Whether the compiler is GCC, which has flags that clang does not know."""
    return missing() is None and "clang" not in _version(_words()).lower()


def flags(source: str, is_dear: bool) -> tuple[str, ...]:
    """What GCC compiles this source with beside `FLAGS`; `is_dear` says that it has elementary functions."""
    if not is_gcc():
        return ()
    return LARGE if len(source) > LARGE_SOURCE else SPREAD if is_dear else ()


def _path(source: str, words: tuple[str, ...], extra_flags: tuple[str, ...]) -> Path:
    parts = [source, _headers(INCLUDE), FLAGS, extra_flags, words, _version(words), _cpu()]
    return cache_dir() / f"{sha256(json.dumps(parts).encode()).hexdigest()}.so"


@cache
def _headers(folder: Path) -> dict[str, str]:
    return {file.relative_to(folder).as_posix(): file.read_text("utf-8") for file in sorted(folder.rglob("*.h*"))}


def cache_dir() -> Path:
    """The folder of built kernels: TORCHMASS_CACHE, else in the user's cache; this process's own where that fails."""
    try:
        folder = Path(os.environ.get("TORCHMASS_CACHE") or _user_dir()).absolute()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
        why = f"{folder} cannot be written"
    except (OSError, RuntimeError) as error:  # RuntimeError: a user without a home
        why = str(error)
    said_once(f"built kernels are not kept after this process: {why}; set TORCHMASS_CACHE to a folder of your own.")
    return _process_dir()


def _user_dir() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "torchmass", "kernels")


@cache
def _process_dir() -> Path:
    folder = tempfile.mkdtemp(prefix="torchmass-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _words() -> tuple[str, ...]:
    return _found(os.environ.get("CXX", "").strip(), os.environ.get("PATH"))


@cache
def _found(cxx: str, path: str | None) -> tuple[str, ...]:
    """The compiler's program and, for a CXX like "ccache g++", the words after it; empty if there is none."""
    for words in ([cxx], cxx.split()) if cxx else (["g++"], ["clang++"], ["c++"]):
        program = shutil.which(words[0], path=path)
        if program:
            return program, *words[1:]
    return ()


@cache
def _version(words: tuple[str, ...]) -> str:
    command = [*words, "--version"]
    try:
        done = _run(command)
    except OSError as error:
        raise NoCompilerError(f"{shlex.join(command)} does not start ({error}): {INSTALL}.") from error
    if done.returncode:
        raise NoCompilerError(f"{shlex.join(command)} fails: {INSTALL}.\n{done.stdout[-4000:]}")
    return done.stdout


@cache
def _cpu() -> list[str]:
    """What -march=native depends on, so that machines that share a home do not share what only one can run."""
    marks = ("model name", "flags", "Features", "CPU implementer", "CPU part")  # x86, then ARM
    try:
        first = Path("/proc/cpuinfo").read_text(errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        first = []
    return [line for line in first if line.startswith(marks)] or [platform.machine(), platform.processor()]


@cache
def _load(path: Path, source: str, words: tuple[str, ...], extra_flags: tuple[str, ...]) -> ctypes.CDLL:
    if _is_whole(path):
        try:
            return ctypes.CDLL(str(path))
        except OSError:  # whole, but not for this system: build it again
            pass
    _build(path, source, words, extra_flags)
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        text = f"{path.with_suffix('.cpp')} compiles, but does not load: {error}"
        raise CompilationError(f"{text}. If its folder forbids programs, set TORCHMASS_CACHE to another.") from error


def _is_whole(path: Path) -> bool:
    """Whether the library is what was built, checked before loading: a truncated one kills the process."""
    try:
        return path.with_suffix(".sha256").read_bytes() == _digest(path)
    except OSError:
        return False


def _digest(path: Path) -> bytes:
    return sha256(path.read_bytes()).hexdigest().encode()


def _build(path: Path, source: str, words: tuple[str, ...], extra_flags: tuple[str, ...]) -> None:
    """Compile in a folder beside `path` and move the results into place, so that nobody ever sees half a file."""
    kept, digest = path.with_suffix(".cpp"), path.with_suffix(".sha256")
    with tempfile.TemporaryDirectory(prefix=".build-", dir=path.parent, ignore_cleanup_errors=True) as name:
        text, library, mark = (Path(name, file.name) for file in (kept, path, digest))
        text.write_text(source, "utf-8")
        text.replace(kept)
        command = [*words, *FLAGS, "-iquote", str(INCLUDE), str(kept), *extra_flags, "-o"]
        done = _run([*command, str(library)], TMPDIR=name)  # a compiler that is killed leaves its own files there
        if done.returncode or not library.exists():
            lines = f"the compiler refused {kept}.\n{shlex.join([*command, str(path)])}\n{done.stdout[-4000:]}"
            raise CompilationError(lines)
        mark.write_bytes(_digest(library))
        mark.replace(digest)
        library.replace(path)


def _run(command: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end, its messages in English and in one text."""
    return subprocess.run(
        command,
        env={**os.environ, **environment, "LC_ALL": "C"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
