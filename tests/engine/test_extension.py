"""The installed extension module: exported symbols, names, build facts and type stub."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from model_files import write_sparse_gguf

from gpustack_draw import _core
from gpustack_draw.request import names

STUB = Path(__file__).resolve().parents[2] / "python" / "gpustack_draw" / "_core.pyi"


@pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("nm") is None, reason="needs nm, on Linux"
)
def test_only_the_init_function_is_exported() -> None:
    command = ["nm", "--dynamic", "--defined-only", "--format=just-symbols", _core.__file__]
    symbols = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert symbols.split() == ["PyInit__core"]


def test_version_matches_the_package() -> None:
    assert _core.__version__ == importlib.metadata.version("gpustack-draw")


def test_names_match_the_engine() -> None:
    assert list(names.SAMPLERS) == _core.samplers()
    assert list(names.SCHEDULERS) == _core.schedulers()


def test_the_library_logs_which_model_takes_no_references(tmp_path: Path) -> None:
    # cpp/engine/engine.cpp refuses references for Z-Image by this line of the log. The process ends
    # before the library allocates the whole network.
    tensors = {"model.diffusion_model.cap_embedder.0.weight": ((2560,), "F32")}
    path = write_sparse_gguf(tmp_path / "model.gguf", tensors)
    script = """
import os, sys
from gpustack_draw import _core
def on_log(level, line):
    if b"Version: " in line:
        os.write(1, line.split(b" - ", 1)[1])
        os._exit(0)
_core.Engine(files={"model": sys.argv[1]}, on_log=on_log)
"""
    command = [sys.executable, "-c", script, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "Version: Z-Image ", done.stderr


def test_build_is_optimized() -> None:
    assert _core.build_info()["optimized"] == "yes"


def test_build_info_has_the_facts_for_bug_reports() -> None:
    info = _core.build_info()
    facts = {"optimized", "compiler", "ggml", "backends", "stable-diffusion.cpp", "instructions"}
    assert set(info) == facts
    assert all(info.values())


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11),
    reason="stubs depend on the version of Python; this one is from 3.11",
)
def test_stub_matches_this_build(tmp_path: Path, update_golden: bool) -> None:
    pytest.importorskip("pybind11_stubgen")
    command = [sys.executable, "-m", "pybind11_stubgen", "gpustack_draw._core", "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    generated = (tmp_path / "gpustack_draw" / "_core.pyi").read_text()
    if update_golden:
        STUB.write_text(generated)
    assert STUB.read_text() == generated, "pytest --update-golden rewrites it"
