"""The FastCPU backend for Arm64 on the cases of test_cpu_kernels.py, under the sanitizers.

Elsewhere than on Arm64, a cross compiler builds a program with the kernels, and QEMU runs it.
"""

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from build_tools import SOURCE
from sanitized_python import build_target, output, run_cases

IS_NATIVE = platform.machine() == "aarch64"
COMPILER = "g++" if IS_NATIVE else "aarch64-linux-gnu-g++"
QEMU = shutil.which("qemu-aarch64") or shutil.which("qemu-aarch64-static")
CAN_RUN = sys.platform == "linux" and shutil.which(COMPILER) and (IS_NATIVE or QEMU)
IS_REQUIRED = os.environ.get("GPUSTACK_DRAW_TEST_ARM") == "required"

pytestmark = [
    pytest.mark.build,
    pytest.mark.timeout(900),  # the first test builds the program
    pytest.mark.skipif(
        not CAN_RUN and not IS_REQUIRED,
        reason="needs Linux on Arm64, or a cross compiler (g++-aarch64-linux-gnu) and qemu-user",
    ),
]

CASES = SOURCE / "tests" / "cpu_kernels"
# int8 products have no target for Arm64 yet.
FILES = sorted(path for path in CASES.glob("*_cases.py") if path.name != "int8_cases.py")


@pytest.fixture(scope="session")
def program() -> Path:
    options = {"CMAKE_BUILD_TYPE": "Release"}  # for ggml
    if not IS_NATIVE:
        options |= {"CMAKE_SYSTEM_NAME": "Linux", "CMAKE_SYSTEM_PROCESSOR": "aarch64"}
        options["CMAKE_CXX_COMPILER"] = COMPILER
        options["CMAKE_C_COMPILER"] = COMPILER.replace("g++", "gcc")
    return build_target(CASES, "cpu_kernels", "cpu-kernels-arm64", **options) / "cpu_kernels"


@pytest.fixture(autouse=True)
def emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run programs in QEMU with the cross compiler's libraries, on a CPU with all extensions."""
    if not IS_NATIVE:
        library = Path(output(COMPILER, "-print-file-name=libc.so.6")).resolve()
        monkeypatch.setenv("GPUSTACK_DRAW_EMULATOR", str(QEMU))
        monkeypatch.setenv("QEMU_LD_PREFIX", str(library.parents[1]))
        monkeypatch.setenv("QEMU_CPU", "max")


@pytest.mark.parametrize("cases", FILES, ids=lambda path: path.stem)
def test_cases(program: Path, cases: Path, tmp_path: Path) -> None:
    run_cases(program, cases, reports=tmp_path, sanitizer_options="detect_leaks=0")


@pytest.mark.skipif(IS_NATIVE, reason="needs QEMU")
@pytest.mark.parametrize(
    ("cpu", "targets"), [("cortex-a53", "neon neon"), ("max", "neon neon_bf16 neon_bf16")]
)
def test_the_best_target_of_a_cpu_is_chosen(
    program: Path, monkeypatch: pytest.MonkeyPatch, cpu: str, targets: str
) -> None:
    monkeypatch.setenv("QEMU_CPU", cpu)
    reply = subprocess.run(
        [str(QEMU), program], input="targets\n", capture_output=True, text=True, check=False
    )
    assert reply.stdout == f"ok {targets}\n"  # the last one is the best


@pytest.mark.skipif(IS_NATIVE, reason="needs QEMU")
def test_neon_runs_on_the_oldest_cpus(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QEMU_CPU", "cortex-a53")
    run_cases(
        program, CASES / "attention_cases.py", reports=tmp_path, sanitizer_options="detect_leaks=0"
    )
