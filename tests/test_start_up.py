"""Tests of the start-up time: modules that must not be imported early."""

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

import gpustack_draw

# Importing any of these takes longer than printing --help.
HEAVY = {
    "PIL",
    "asyncio",
    "email",
    "gpustack_draw._core",
    "gpustack_draw.api",
    "gpustack_draw.engine.local_engine",
    "gpustack_draw.request.draw_request",
    "gpustack_draw.pictures.save",
    "http",
    "huggingface_hub",
    "importlib.metadata",
    "inspect",
    "json",
    "logging",
    "multiprocessing",
    "numpy",
    "pathlib",
    "shutil",
    "subprocess",
    "tempfile",
    "threading",
    "typing",
    "urllib",
}
if sys.version_info < (3, 14):  # later versions of argparse import it for colors
    HEAVY.add("dataclasses")

# -I and -S exclude the test's environment and .pth files of editable installations.
PYTHON = [sys.executable, "-I", "-S"]
ROOT = Path(gpustack_draw.__file__).parent.parent
USE_ROOT = f"import sys; sys.path.append({str(ROOT)!r})\n"
HELP = "from gpustack_draw.cli import run; sys.argv = ['gpustack-draw', '--help']; run()"


def modules_after(code: str) -> set[str]:
    """Run code in a new Python process and return the modules that it imported."""
    script = (
        f"{USE_ROOT}try:\n    {code}\nexcept SystemExit: pass\n"
        "modules = sorted(sys.modules); import json; sys.__stderr__.write(json.dumps(modules))"
    )
    result = subprocess.run([*PYTHON, "-c", script], check=True, capture_output=True, text=True)
    return set(json.loads(result.stderr))


@pytest.mark.parametrize(
    "code",
    [
        "import gpustack_draw",
        HELP,
        "from gpustack_draw.cli.main import main; main(['devices', '--help'])",
        "from gpustack_draw.cli.main import main; sys.stderr = None; main(['demo', '--sead', '7'])",
    ],
    ids=["import", "help", "help for devices", "unknown option"],
)
def test_nothing_heavy_is_imported(code: str) -> None:
    bare = modules_after("import argparse")
    assert sorted((modules_after(code) - bare) & HEAVY) == []


def test_a_local_model_needs_no_http_client() -> None:
    modules = modules_after("import gpustack_draw; gpustack_draw.load('demo')")
    assert modules & {"http.client", "ssl", "urllib.request", "huggingface_hub", "PIL"} == set()
    assert "gpustack_draw.resolver.resolve" in modules


def test_a_named_model_on_a_server_needs_no_hub() -> None:
    modules = modules_after("import gpustack_draw.api, gpustack_draw.gpustack_server.engine")
    assert modules & {"gpustack_draw.hub", "huggingface_hub"} == set()


def test_a_wrong_value_needs_neither_numpy_nor_the_engine() -> None:
    code = (
        "from gpustack_draw.cli.main import main; sys.stderr = None;"
        " main(['demo', 'a cat', '--size', '0x0'])"
    )
    unwanted = {"numpy", "PIL", "gpustack_draw._core", "gpustack_draw.api", "huggingface_hub"}
    assert not modules_after(code) & unwanted


def test_nothing_is_imported_before_the_handler_of_ctrl_c() -> None:
    """During imports before that, Ctrl-C would print a traceback."""
    code = (
        "import os, sys, _signal\n"
        f"sys.path.append({str(ROOT)!r})\n"
        "listen, before, imported = _signal.signal, set(sys.modules), []\n"
        "def note(*what):\n"
        "    imported.extend(set(sys.modules) - before)\n"
        "    return listen(*what)\n"
        "_signal.signal = note\n"
        "sys.argv = ['gpustack-draw', '--version']\n"
        "from gpustack_draw.cli import run\n"
        "try: run()\n"
        "finally: print(*sorted(imported), file=sys.stderr)"
    )
    result = subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=False)
    assert result.stderr.split() == ["gpustack_draw", "gpustack_draw.cli"]


def test_completing_needs_nothing_heavy() -> None:
    code = "from gpustack_draw.cli.main import main; main(['completion', '--words', ''])"
    assert not modules_after(code) & {*HEAVY - {"threading"}, "gpustack_draw.hub"}


def test_help_takes_hardly_longer_than_argparse(tmp_path: Path) -> None:
    """The limit is a factor of 1.3, plus a margin for a busy machine.

    Interleaved, so that noise affects both; with compiled modules, as in an installation.
    """

    def seconds_of(code: str) -> float:
        command = [*PYTHON, "-X", f"pycache_prefix={tmp_path}", "-c", code]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start

    seconds_of(USE_ROOT + HELP)
    ratios = []
    for _ in range(15):
        bare = seconds_of("import argparse")
        ratios.append(seconds_of(USE_ROOT + HELP) / bare)
    assert statistics.median(ratios) < 1.3 + 0.15
