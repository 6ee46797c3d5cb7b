"""Tests of wheels that `nox -s wheel` built in dist/wheelhouse/, on a machine with Python only."""

import json
import platform
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from build_tools import SOURCE, tool
from built_packages import WHEELS, needs_wheel

pytestmark = [pytest.mark.build, needs_wheel]


@pytest.fixture(scope="module", params=WHEELS, ids=lambda wheel: wheel.name)
def wheel(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_it_is_a_small_manylinux_wheel(wheel: Path) -> None:
    assert "-manylinux_2_" in wheel.name
    assert wheel.stat().st_size < 19e6


@pytest.mark.parametrize(
    "check", ["auditwheel show", "twine check --strict", "check-wheel-contents"]
)
def test_it_passes_the_checks_of_packages(wheel: Path, check: str) -> None:
    name, *options = check.split()
    program = tool(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    command = [program, *options, str(wheel)]
    done = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    if name == "auditwheel":  # the libraries keep what the name of the file promises
        (found,) = re.findall(r'platform\s+tag\s+to\s+"(\w+)"', done.stdout)
        assert found in wheel.name


def test_it_contains_the_license_of_the_bundled_library(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        libraries = [name for name in archive.namelist() if re.search(r"\.libs/.", name)]
        terms = archive.read("gpustack_draw/licenses/libgomp.txt").decode("utf-8")
    assert [name.partition("-")[0] for name in libraries] == ["gpustack_draw.libs/libgomp"]
    assert re.search(r"GNU GENERAL PUBLIC LICENSE\s+Version 3", terms)
    assert "END OF TERMS AND CONDITIONS" in terms
    assert "GCC RUNTIME LIBRARY EXCEPTION" in terms


def test_it_draws_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    """Without compiler, library path or packages other than its dependencies."""
    python = tmp_path / "bare" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "bare"], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, wheel], check=True)
    command = [python.with_name("gpustack-draw"), "demo", "a red circle", "--size", "64x64"]
    done = subprocess.run(
        [*command, "--sample-steps", "1", "--output", "circle.png"],
        cwd=tmp_path,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "circle.png\n", done.stderr
    assert (tmp_path / "circle.png").stat().st_size > 0
    script = "import gpustack_draw, json; print(json.dumps(gpustack_draw.build_info()))"
    done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout)
    if platform.machine() == "x86_64":
        # With SOURCE_DATE_EPOCH or GGML_NATIVE unset, ggml would choose others.
        assert facts["instructions"] == "SSE3 AVX AVX2 FMA F16C"
    assert re.fullmatch("[0-9a-f]{8}", facts["stable-diffusion.cpp"])
