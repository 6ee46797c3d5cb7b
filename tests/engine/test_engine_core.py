"""The compiled engine's contract, under the address and undefined-behavior sanitizers.

The extension is built again with tests/stand_in/library.cpp instead of the library, so that the
interaction of Python, threads and the library is tested in seconds. This module runs the cases in
tests/stand_in/cases.py, and tests the ends of processes.
"""

import signal
import subprocess
from pathlib import Path

import pytest
from build_tools import SOURCE
from sanitized_python import build_extension, needs_sanitizers, run_cases
from sanitized_python import run_python as run_sanitized_python

pytestmark = [pytest.mark.build, needs_sanitizers]

CASES = SOURCE / "tests" / "stand_in" / "cases.py"


@pytest.fixture(scope="session")
def stand_in_core() -> Path:
    options = {
        "CMAKE_BUILD_TYPE": "Debug",
        "CMAKE_UNITY_BUILD": "ON",  # builds in half the time
        "GPUSTACK_DRAW_STAND_IN": "ON",
        "GPUSTACK_DRAW_SANITIZE": "ON",
        "GPUSTACK_DRAW_WERROR": "ON",
        "SKBUILD_PROJECT_VERSION": "0.0.0",
    }
    return build_extension(SOURCE, "_core", "stand-in-sanitized", **options)


def run_python(core: Path, *arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
    return run_sanitized_python(core, CASES.parent, *arguments, **options)


def test_cases(stand_in_core: Path, tmp_path: Path) -> None:
    leaks = "detect_leaks=1:leak_check_at_exit=0"
    run_cases(stand_in_core, CASES, reports=tmp_path, sanitizer_options=leaks)


START = """
import sys, threading, time
from load_core import load_core

core = load_core()
began = threading.Event()

def draw(engine, prompt="slow", on_progress=None, sample_steps=1000):
    engine.generate(
        prompt, width=16, height=16, sampler="euler", scheduler="discrete", seed=0,
        numbers={"sample_steps": sample_steps}, on_progress=on_progress,
    )

def load(model, on_log=None):
    return core.Engine(files={"model": model}, on_log=on_log)

def in_background(function):
    threading.Thread(target=function, daemon=True).start()

class Late:
    sleep = staticmethod(time.sleep)

    def __del__(self):
        self.sleep(0.3)  # lengthens the exit of Python, so that other threads reach it

late = Late()
engine = load("slow-to-free")
"""


@pytest.mark.parametrize(
    "script",
    [
        "",
        "cycle = [engine]; cycle.append(cycle); del engine",
        "in_background(lambda: draw(engine, on_progress=lambda *_: began.set())); began.wait()",
        "in_background(lambda: draw(engine)); time.sleep(0.1)",
        "in_background(lambda: draw(engine, sample_steps=6)); time.sleep(0.1)",
        "in_background(lambda: load('slow noisy', on_log=lambda *_: began.set())); began.wait()",
        "in_background(lambda: draw(engine)); in_background(lambda: load('m')); time.sleep(0.1)",
    ],
)
def test_exit_of_python(stand_in_core: Path, script: str) -> None:
    done = run_python(stand_in_core, "-c", START + script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_calls_at_exit_are_rejected(stand_in_core: Path) -> None:
    script = "import atexit\natexit.register(lambda: draw(engine))\n" + START
    done = run_python(stand_in_core, "-c", script)
    assert done.stderr.splitlines()[-1].endswith("EngineError: Python is exiting")


def test_exit_of_a_forked_process(stand_in_core: Path) -> None:
    script = """
import os
in_background(lambda: draw(engine)); time.sleep(0.1)
if (child := os.fork()) == 0:
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    # Python 3.12 and later warn about a fork beside other threads, which is tested here.
    quiet = ("-W", "ignore::DeprecationWarning")
    done = run_python(stand_in_core, *quiet, "-c", START + script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "")


@pytest.mark.parametrize(
    ("word", "signal_number"), [("aborts", signal.SIGABRT), ("segfaults", signal.SIGSEGV)]
)
@pytest.mark.parametrize("script", ["load('{}')", "draw(engine, '{}')"])
def test_a_crash_of_the_library_ends_the_process(
    stand_in_core: Path, word: str, signal_number: signal.Signals, script: str
) -> None:
    done = run_python(
        stand_in_core,
        *("-c", START + script.format(word)),
        sanitizer_options="detect_leaks=0:handle_segv=0:handle_abort=0",
    )
    assert done.returncode == -signal_number
