"""Our backend for CPUs beside ggml's and beside references in float64, under the sanitizers.

The cases are in tests/cpu_kernels/*_cases.py. They try every level of instructions that this
machine has, and AVX-512, AVX-512 BF16 and AMX in terms of AVX2.
"""

import platform
from pathlib import Path

import pytest
from build_tools import SOURCE
from sanitized_python import build_extension, needs_sanitizers, run_cases

pytestmark = [
    pytest.mark.build,
    pytest.mark.timeout(900),  # the first one builds
    needs_sanitizers,
    pytest.mark.skipif(
        platform.machine() != "x86_64" or " avx2 " not in Path("/proc/cpuinfo").read_text(),
        reason="needs an x86-64 CPU with AVX2",
    ),
]

CASES = SOURCE / "tests" / "cpu_kernels"


@pytest.fixture(scope="session")
def kernels() -> Path:
    options = {"CMAKE_BUILD_TYPE": "Release"}  # of ggml's
    return build_extension(CASES, "cpu_kernels", "cpu-kernels-sanitized", **options)


@pytest.mark.parametrize("cases", sorted(CASES.glob("*_cases.py")), ids=lambda path: path.stem)
def test_cases(kernels: Path, cases: Path, tmp_path: Path) -> None:
    run_cases(kernels, cases, reports=tmp_path, sanitizer_options="detect_leaks=0")
