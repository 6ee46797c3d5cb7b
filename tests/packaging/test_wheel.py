"""Tests of wheels that `nox -s wheel` built in dist/wheelhouse/, on a machine with Python only."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from build_tools import SOURCE

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
WHEELS = sorted((SOURCE / "dist" / "wheelhouse").glob(f"*-{TAG}-*.whl"))

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(not WHEELS, reason="no wheel for this Python is in dist/wheelhouse"),
]


@pytest.fixture(scope="module", params=WHEELS, ids=lambda wheel: wheel.name)
def wheel(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_it_is_a_small_manylinux_wheel(wheel: Path) -> None:
    assert "-manylinux_2_" in wheel.name
    assert wheel.stat().st_size < 60e6


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
