"""Generated C++ is compiled once, kept by content, rebuilt where the kept file is broken, and refused with reasons."""

import ctypes
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import torchmass as tm
from torchmass.kernels.cpp import build

SOURCE = 'extern "C" double twice(double x) { return 2 * x; }\n'
CHILD = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("build", sys.argv[1])
build = importlib.util.module_from_spec(spec)
spec.loader.exec_module(build)
print(build.load(sys.argv[2]).three())
"""
REMEMBERED = (build._load, build._found, build._version, build.said_once)

needs_compiler = pytest.mark.skipif(build.compiler() is None, reason="no C++ compiler here")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty cache, and nothing remembered from another test or for the next."""
    forget()
    monkeypatch.setenv("TORCHMASS_CACHE", str(tmp_path / "cache"))
    yield tmp_path / "cache"
    forget()


def forget():
    for remembered in REMEMBERED:
        remembered.cache_clear()


def call(library: ctypes.CDLL) -> float:
    library.twice.restype, library.twice.argtypes = ctypes.c_double, [ctypes.c_double]
    return library.twice(21.0)


def endings(folder: Path) -> list[str]:
    return sorted(path.suffix for path in folder.iterdir())


def built(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.so")}


@pytest.fixture
def kept(folder, monkeypatch):
    """A library from an earlier run: a copy under another path, as what this process has loaded must stay as it is."""
    build.load(SOURCE)
    copy = folder.with_name("copy")
    shutil.copytree(folder, copy)
    monkeypatch.setenv("TORCHMASS_CACHE", str(copy))
    return next(copy.glob("*.so"))


def no_process(*args, **kwargs):
    raise AssertionError(f"a process was started: {args}")


@needs_compiler
def test_a_source_is_built_loaded_and_called(folder):
    assert call(build.load(SOURCE)) == 42.0
    assert endings(folder) == [".cpp", ".sha256", ".so"]
    assert next(folder.glob("*.cpp")).read_text() == SOURCE
    assert folder.stat().st_mode & 0o777 == 0o700


@needs_compiler
def test_a_source_is_loaded_once_in_a_process(monkeypatch):
    first = build.load(SOURCE)
    monkeypatch.setattr(subprocess, "run", no_process)
    assert build.load(SOURCE) is first


@needs_compiler
def test_what_an_earlier_run_built_is_loaded_without_a_compiler_run(kept, monkeypatch):
    monkeypatch.setattr(subprocess, "run", no_process)
    library = build.load(SOURCE)
    assert library._name == str(kept)
    assert call(library) == 42.0


@needs_compiler
def test_source_flags_and_headers_each_make_another_library(folder, monkeypatch, tmp_path):
    counts = []
    for header, source, flags in [
        ("", SOURCE, ()),
        ("", SOURCE, ("-DN=1",)),
        ("", SOURCE + "\n", ()),
        ("#define N 2\n", SOURCE, ()),
        ("#define N 2\n", SOURCE, ()),
    ]:
        include = tmp_path / f"include{len(header)}"
        include.mkdir(exist_ok=True)
        (include / "n.h").write_text(header)
        monkeypatch.setattr(build, "INCLUDE", include)
        build.load(source, flags)
        counts.append(len(built(folder)))
    assert counts == [1, 2, 3, 4, 4]


@needs_compiler
def test_a_source_finds_the_headers(monkeypatch, tmp_path):
    (tmp_path / "n.h").write_text("#define N 2\n")
    monkeypatch.setattr(build, "INCLUDE", tmp_path)
    assert call(build.load('#include "n.h"\nextern "C" double twice(double x) { return N * x; }\n')) == 42.0


@needs_compiler
def test_another_cpu_or_compiler_makes_another_library(folder, monkeypatch):
    build.load(SOURCE)
    monkeypatch.setattr(build, "_cpu", lambda: ["another"])
    build.load(SOURCE)
    monkeypatch.setattr(build, "_version", lambda words: "another")
    build.load(SOURCE)
    assert len(built(folder)) == 3


@needs_compiler
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: path.write_bytes(b"not a library"),
        lambda path: path.with_suffix(".sha256").unlink(),
        lambda path: path.unlink(),
    ],
    ids=["truncated", "garbage", "no digest", "no library"],
)
def test_a_broken_library_is_built_again(kept, damage):
    damage(kept)
    assert not build._is_whole(kept)
    assert call(build.load(SOURCE)) == 42.0
    assert build._is_whole(kept)
    assert endings(kept.parent) == [".cpp", ".sha256", ".so"]


@needs_compiler
def test_a_whole_library_that_this_system_does_not_load_is_built_again(kept):
    kept.write_bytes(b"for another machine")
    kept.with_suffix(".sha256").write_bytes(build._digest(kept))
    assert call(build.load(SOURCE)) == 42.0


@needs_compiler
def test_processes_that_build_the_same_source_at_once_all_succeed(folder):
    command = [sys.executable, "-c", CHILD, str(build.__file__), 'extern "C" int three() { return 3; }\n']
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(child.communicate()[0], child.returncode) for child in children] == [("3\n", 0)] * 4
    assert endings(folder) == [".cpp", ".sha256", ".so"]


@needs_compiler
def test_a_refused_source_is_kept_and_named_with_the_compilers_words(folder):
    with pytest.raises(build.CompilationError, match=r"'y' was not declared|undeclared identifier 'y'") as error:
        build.load('extern "C" double twice(double x) { return y; }\n')
    source = next(folder.iterdir())
    assert endings(folder) == [".cpp"]
    assert str(source) in str(error.value)
    assert "-O3" in str(error.value)


@needs_compiler
def test_a_library_that_cannot_be_loaded_says_so():
    with pytest.raises(build.CompilationError, match=r"does not load.*nowhere"):
        build.load('extern "C" double nowhere(); extern "C" double twice(double) { return nowhere(); }\n')


@needs_compiler
@pytest.mark.parametrize("stop", [KeyboardInterrupt, OSError])
def test_a_build_that_is_stopped_leaves_no_temporary_files(folder, monkeypatch, stop):
    build.load(SOURCE)
    before = endings(folder)

    def stopped(command, **kwargs):
        Path(command[-1]).write_bytes(b"half")
        raise stop

    monkeypatch.setattr(subprocess, "run", stopped)
    with pytest.raises(stop):
        build.load(SOURCE + "\n")
    assert endings(folder) == sorted([*before, ".cpp"])


def test_without_a_compiler_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert build.compiler() is None
    with pytest.raises(build.NoCompilerError, match=r"install g\+\+ or clang\+\+, or point CXX at a compiler"):
        build.load(SOURCE)


def test_a_cxx_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("CXX", "g+++")
    assert build.compiler() is None
    with pytest.raises(build.NoCompilerError, match=r"CXX is 'g\+\+\+'"):
        build.load(SOURCE)


@pytest.mark.parametrize("text", ["#!/bin/sh\nexit 3\n", "not a program"], ids=["fails", "does not start"])
def test_a_cxx_that_is_no_compiler_is_named(monkeypatch, tmp_path, text):
    program = tmp_path / "compile"
    program.write_text(text)
    program.chmod(0o700)
    monkeypatch.setenv("CXX", str(program))
    with pytest.raises(build.NoCompilerError, match=r"compile --version (fails|does not start).*CXX"):
        build.load(SOURCE)


@needs_compiler
def test_cxx_may_have_words_after_the_program(monkeypatch):
    command = build.compiler()
    monkeypatch.setenv("CXX", f"{command} -DN=2")
    assert build.compiler() == f"{command} -DN=2"
    assert call(build.load('extern "C" double twice(double x) { return N * x; }\n')) == 42.0


@needs_compiler
def test_a_cache_that_cannot_be_written_is_replaced_and_said_once(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TORCHMASS_CACHE", str(tmp_path / "file" / "cache"))
    with caplog.at_level("INFO", logger="torchmass"):
        assert call(build.load(SOURCE)) == 42.0
        build.load(SOURCE + "\n")
    assert len(caplog.messages) == 1
    assert "TORCHMASS_CACHE" in caplog.messages[0]


def test_a_named_cache_needs_no_home(folder, monkeypatch):
    monkeypatch.setattr(Path, "home", no_process)
    assert build.cache_dir() == folder


def test_a_user_without_a_home_builds_for_this_process(monkeypatch):
    def homeless():
        raise RuntimeError("no home")

    monkeypatch.delenv("TORCHMASS_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert build.cache_dir() == build._process_dir()


def test_the_cache_lies_among_the_users_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("TORCHMASS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert build.cache_dir() == tmp_path / "xdg" / "torchmass" / "kernels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert build.cache_dir() == tmp_path / "home" / ".cache" / "torchmass" / "kernels"


@needs_compiler
@pytest.mark.skipif(shutil.which("nm") is None, reason="no nm, which lists what a library exports, here")
def test_a_kernel_exports_its_loop_and_nothing_that_could_stand_for_a_part_of_another(folder):
    class Mine(tm.NeuralMass):
        x = tm.State(0.1, "", "Activity.")
        a = tm.Param(-0.1234567, "", "Rate.")
        x_inp = tm.Input("", "Input.", port=True)

        @staticmethod
        def derivative(s, u, p):
            return (p.a * s.x - 0.1234567 * s.x**3 + u.x_inp,)

    node = Mine(1, noise_x=tm.WhiteNoise(0.1)).free("a")
    tm.Simulator(node, dt=0.1, backend="fused").run(1.0)["x"].sum().backward()
    command = ["nm", "-D", "--defined-only", *map(str, folder.glob("*.so"))]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {tuple(line.split()[1:]) for line in lines if len(line.split()) == 3} == {("T", "forward"), ("T", "adjoint")}


@needs_compiler
def test_kernels_in_one_process_draw_each_their_own_noise():
    """A C++17 inline constant is one for the whole process, unless it is hidden: the first kernel's sources for all."""
    driven = [("noise_x", "noise_y"), ("noise_x_inp", "noise_y_inp")]
    nodes = [tm.HopfStep(2, **{name: tm.WhiteNoise(0.1) for name in names}) for names in driven]
    expected = [tm.Simulator(node, dt=0.1, backend="eager").run(2.0, seed=1) for node in nodes]
    for _ in range(2):
        for node, path in zip(nodes, expected, strict=True):
            found = tm.Simulator(node, dt=0.1, backend="fused").run(2.0, seed=1)
            torch.testing.assert_close(dict(found), dict(path), rtol=1e-12, atol=1e-14)
