"""The FastCPU backend against ggml's CPU code and float64 references, under the sanitizers.

The cases are in tests/cpu_kernels/*_cases.py. They run every target, and emulate the instructions
that this machine lacks with AVX2.
"""

import platform
from pathlib import Path

import pytest
from build_tools import SOURCE, ggml_archives
from sanitized_python import build_extension, needs_sanitizers, run_cases

INFO = Path("/proc/cpuinfo")
FLAGS = (INFO.read_text() if INFO.exists() else "").partition("flags")[2].partition("\n")[0].split()
AVX512 = {"avx512f", "avx512bw", "avx512vl", "avx512dq"}
NEEDED = {
    "avx_vnni": {"avx_vnni"},
    "avx512_vnni": AVX512 | {"avx512_vnni"},
    "avx512": AVX512,
    "avx512_bf16": AVX512 | {"avx512_bf16"},
    "amx_bf16": AVX512 | {"avx512_bf16", "amx_tile", "amx_bf16"},
}

pytestmark = [
    pytest.mark.build,
    pytest.mark.timeout(900),  # the first test builds the extension
    needs_sanitizers,
    pytest.mark.skipif(
        platform.machine() != "x86_64" or "avx2" not in FLAGS,
        reason="needs an x86-64 CPU with AVX2",
    ),
]

CASES = SOURCE / "tests" / "cpu_kernels"


@pytest.fixture(scope="session")
def kernels() -> Path:
    emulated = [target for target, needed in NEEDED.items() if not needed.issubset(FLAGS)]
    options = {
        "CMAKE_BUILD_TYPE": "Release",  # for ggml
        "EMULATED_TARGETS": ";".join(emulated),
        "GGML_BUILD_DIR": str(ggml_archives() or ""),
    }
    return build_extension(CASES, "cpu_kernels", "cpu-kernels-sanitized", **options)


@pytest.mark.parametrize("cases", sorted(CASES.glob("*_cases.py")), ids=lambda path: path.stem)
def test_cases(kernels: Path, cases: Path, tmp_path: Path) -> None:
    run_cases(kernels, cases, reports=tmp_path, sanitizer_options="detect_leaks=0")
