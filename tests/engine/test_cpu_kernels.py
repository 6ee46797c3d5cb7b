"""The FastCPU backend against ggml's CPU code and float64 references, under the sanitizers.

The cases are in tests/cpu_kernels/*_cases.py. They run every target that this machine supports, and
the AVX-512, AVX-512 BF16 and AMX targets emulated with AVX2.
"""

import platform
from pathlib import Path

import pytest
from build_tools import SOURCE
from sanitized_python import build_extension, needs_sanitizers, run_cases

pytestmark = [
    pytest.mark.build,
    pytest.mark.timeout(900),  # the first test builds the extension
    needs_sanitizers,
    pytest.mark.skipif(
        platform.machine() != "x86_64" or " avx2 " not in Path("/proc/cpuinfo").read_text(),
        reason="needs an x86-64 CPU with AVX2",
    ),
]

CASES = SOURCE / "tests" / "cpu_kernels"


@pytest.fixture(scope="session")
def kernels() -> Path:
    options = {"CMAKE_BUILD_TYPE": "Release"}  # for ggml
    return build_extension(CASES, "cpu_kernels", "cpu-kernels-sanitized", **options)


@pytest.mark.parametrize("cases", sorted(CASES.glob("*_cases.py")), ids=lambda path: path.stem)
def test_cases(kernels: Path, cases: Path, tmp_path: Path) -> None:
    run_cases(kernels, cases, reports=tmp_path, sanitizer_options="detect_leaks=0")
