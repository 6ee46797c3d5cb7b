"""Import of the compiled engine: a short OpenMP spin time, and errors."""

import os
import re
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from gpustack_draw import build_info
from gpustack_draw.engine.import_core import import_core
from gpustack_draw.errors import EngineError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs ELF and libgomp")

SCRIPT = """
import os
from gpustack_draw.engine.import_core import import_core
import_core()
print(os.environ.get("GOMP_SPINCOUNT"))
"""


BROKEN = """
import sys
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
import gpustack_draw
from gpustack_draw.errors import EngineError
from gpustack_draw.engine.import_core import import_core
gpustack_draw.__path__.insert(0, sys.argv[1])
sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]  # no editable finder
try:
    import_core()
except EngineError as error:
    print(error.message, error.hint, sep="\\n")
"""


@pytest.mark.parametrize(
    ("setting", "spin_count", "after"), [(None, "1000", "None"), ("77", "77", "77"), ("1000",) * 3]
)
@pytest.mark.parametrize("before", ["", "import numpy"])
def test_spin_count_of_a_waiting_thread(
    setting: str | None, spin_count: str, after: str, before: str
) -> None:
    environment = {**os.environ, "OMP_DISPLAY_ENV": "verbose"}  # libgomp prints its settings
    environment.pop("GOMP_SPINCOUNT", None)
    if setting is not None:
        environment["GOMP_SPINCOUNT"] = setting
    command = [sys.executable, "-c", before + SCRIPT]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("built with another OpenMP runtime, or without")
    assert re.findall(r"GOMP_SPINCOUNT = '(\d+)'", done.stderr) == [spin_count]
    assert done.stdout.strip() == after


def test_an_engine_that_cannot_be_loaded_is_reported_in_one_sentence(tmp_path: Path) -> None:
    broken = tmp_path / f"_core{EXTENSION_SUFFIXES[0]}"
    broken.write_bytes(b"no library" * 100)
    command = [sys.executable, "-c", BROKEN, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        f"the engine cannot be loaded: {broken}: invalid ELF header",
        "install the missing library, or reinstall gpustack-draw on this machine",
    ]


COMPILE_IT = (
    "compile it for this CPU: pip install --force-reinstall --no-deps --no-binary=gpustack-draw"
    " gpustack-draw"
)


def test_a_cpu_that_lacks_instructions_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_core(), "missing_instructions", lambda: ["AVX2", "FMA"])
    with pytest.raises(EngineError) as caught:
        import_core()
    assert caught.value.message == (
        "the engine was compiled for CPUs with AVX2, FMA, which this CPU lacks"
    )
    assert caught.value.hint == COMPILE_IT


DRAW = """
import sys
from gpustack_draw.cli import run
sys.executable = sys.argv.pop(1)  # which runs the worker
sys.exit(run())
"""


@pytest.mark.skipif(shutil.which("qemu-x86_64") is None, reason="needs qemu-x86_64 (qemu-user)")
def test_a_cpu_of_2008_gets_a_sentence_instead_of_an_illegal_instruction(tmp_path: Path) -> None:
    sets = build_info()["instructions"].split()
    missing = [name for name in sets if name not in {"SSE3", "NEON", "ARM_FMA", "FP16_VA"}]
    if not missing:
        pytest.skip("the engine is compiled for CPUs without AVX, too")
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec qemu-x86_64 -cpu Nehalem "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    command = [sys.executable, "-c", DRAW, python, "demo", "a red circle", "--size", "64x64"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"gpustack-draw: the engine was compiled for CPUs with {', '.join(missing)}, which this CPU"
        f" lacks\ngpustack-draw: {COMPILE_IT}\n"
    )
