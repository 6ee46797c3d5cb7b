"""Tests of the start-up time: modules that must not be imported early."""

import json
import os
import subprocess
import sys
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
# A parser with as many options as the command has.
PLAIN_HELP = """
import argparse
parser = argparse.ArgumentParser()
for number in range(44):
    parser.add_argument(f"--option-{number}", metavar="N", help="a help text of two lines, " * 5)
parser.parse_args(["--help"])
"""
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
    unwanted = {
        *("numpy", "PIL", "huggingface_hub"),
        *("gpustack_draw._core", "gpustack_draw.api", "gpustack_draw.inputs.read_picture"),
    }
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


def cpu_seconds(command: list[str]) -> float:
    """Run a command and return the CPU time of its process."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs the CPU time of one process")
def test_help_takes_hardly_longer_than_argparse(tmp_path: Path) -> None:
    """The limit is a factor of 1.1, plus a margin for a busy machine.

    The CPU time is compared with that of a plain parser with as many options; interleaved, so that
    noise affects both; with compiled modules, as in an installation.
    """
    python = [*PYTHON, "-X", f"pycache_prefix={tmp_path}", "-c"]
    cpu_seconds([*python, USE_ROOT + HELP])
    plain, ours = [], []
    for _ in range(15):
        plain.append(cpu_seconds([*python, PLAIN_HELP]))
        ours.append(cpu_seconds([*python, USE_ROOT + HELP]))
    assert min(ours) / min(plain) < 1.1 + 0.15
