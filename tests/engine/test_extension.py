"""The compiled extension that is installed: what it exports, tells and offers."""

import importlib.metadata
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_version_is_the_one_of_the_package() -> None:
    assert _core.__version__ == importlib.metadata.version("gpustack-draw")


def test_names_are_those_of_the_engine() -> None:
    assert list(names.SAMPLERS) == _core.samplers()
    assert list(names.SCHEDULERS) == _core.schedulers()


def test_it_is_optimised() -> None:
    assert _core.build_info()["optimised"] == "yes"


def test_build_info_tells_what_bug_reports_need() -> None:
    info = _core.build_info()
    assert set(info) == {"optimised", "compiler", "ggml", "instructions"}
    assert all(info.values())


@pytest.mark.skipif(
    sys.version_info[:2] != (3, 11), reason="stubs differ by version of Python; 3.11 writes ours"
)
def test_stub_is_the_one_of_this_build(tmp_path: Path, update_golden: bool) -> None:
    pytest.importorskip("pybind11_stubgen")
    command = [sys.executable, "-m", "pybind11_stubgen", "gpustack_draw._core", "-o", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    generated = (tmp_path / "gpustack_draw" / "_core.pyi").read_text()
    if update_golden:
        STUB.write_text(generated)
    assert STUB.read_text() == generated, "pytest --update-golden writes it again"
