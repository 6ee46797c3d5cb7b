"""The compiled engine's contract, under the address and undefined-behaviour sanitizers.

The extension is built once more, with tests/stand_in/library.cpp instead of the library, so that
what happens between Python, threads and the library can be tried in seconds. The cases are in
tests/stand_in/cases.py; here they are run, and what ends a process is tried.
"""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from build_tools import engine_source, pybind11_dir, tool

pytestmark = [
    pytest.mark.build,
    pytest.mark.skipif(
        sys.platform != "linux" or shutil.which("g++") is None,
        reason="needs g++ with its sanitizers, on Linux",
    ),
]

ROOT = Path(__file__).resolve().parent.parent
CASES = ROOT / "tests" / "stand_in"


@pytest.fixture(scope="session")
def stand_in_core() -> Path:
    """Build the extension with the stand-in; a second or less when it is built already."""
    build = ROOT / "build" / "stand-in-sanitized" / str(sys.implementation.cache_tag)
    options = {
        "CMAKE_BUILD_TYPE": "Debug",
        "CMAKE_UNITY_BUILD": "ON",  # half the time
        "GPUSTACK_DRAW_STAND_IN": "ON",
        "GPUSTACK_DRAW_SANITIZE": "ON",
        "GPUSTACK_DRAW_WERROR": "ON",
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": pybind11_dir(),
        "SKBUILD_PROJECT_VERSION": "0.0.0",
    }
    # The headers of a build that there is; else CMake downloads the pinned source.
    if source := engine_source():
        options["GPUSTACK_DRAW_ENGINE_SOURCE"] = str(source)
    generator = ["-G", "Ninja"] if tool("ninja") else []
    cmake = tool("cmake")
    assert cmake is not None, "cmake is missing: install the dependency group 'test'"
    defines = [f"-D{name}={value}" for name, value in options.items()]
    output(cmake, "-S", str(ROOT), "-B", str(build), *generator, *defines)
    output(cmake, "--build", str(build), "--parallel", "2")
    (core,) = build.glob("_core*.so")
    return core


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def run_python(
    core: Path, *arguments: str, sanitizer_options: str = "detect_leaks=0"
) -> subprocess.CompletedProcess[str]:
    """Run a Python that can load what the sanitizers are compiled into."""
    # Their runtimes come before all else, and so does the C++ one, whose throw they watch.
    preloaded = ["libasan.so", "libubsan.so", "libstdc++.so"]
    environment = {
        **os.environ,
        "GPUSTACK_DRAW_STAND_IN_CORE": str(core),
        "PYTHONPATH": str(CASES),
        "PYTHONMALLOC": "malloc",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_PRELOAD": " ".join(output("g++", f"-print-file-name={name}") for name in preloaded),
        "ASAN_OPTIONS": sanitizer_options,
        "UBSAN_OPTIONS": sanitizer_options + ":print_stacktrace=1",
    }
    command = [sys.executable, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as process:
        try:
            stdout, stderr = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            pytest.fail(f"hangs after:\n{stdout[-4000:]}\n{stderr[-4000:]}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def test_cases(stand_in_core: Path, tmp_path: Path) -> None:
    # Verbose, and reports go to files: where the process dies, the case and the reason are told.
    options = ["-v", "--noconftest", "-p", "no:cacheprovider", "--timeout", "60"]
    done = run_python(
        stand_in_core,
        *("-m", "pytest", *options, "-o", "timeout_method=thread", str(CASES / "cases.py")),
        sanitizer_options=f"detect_leaks=1:leak_check_at_exit=0:log_path={tmp_path}/report",
    )
    reports = "".join(path.read_text() for path in tmp_path.glob("report.*"))
    assert done.returncode == 0, f"{done.stdout[-8000:]}\n{done.stderr[-8000:]}\n{reports[:8000]}"
    assert "skipped" not in done.stdout


START = """
import sys, threading, time
from load_core import load_core

core = load_core()
began = threading.Event()

def draw(engine, prompt="slow", on_progress=None, sample_steps=1000):
    engine.generate(
        prompt, width=16, height=16, sampler="euler", scheduler="discrete", cfg_scale=1.0,
        guidance=3.5, seed=0, sample_steps=sample_steps, on_progress=on_progress,
    )

def load(model, on_log=None):
    return core.Engine(model=model, on_log=on_log)

def in_background(function):
    threading.Thread(target=function, daemon=True).start()

class Late:
    sleep = staticmethod(time.sleep)

    def __del__(self):
        self.sleep(0.3)  # Python's end takes a while, so that other threads run into it

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
def test_end_of_python(stand_in_core: Path, script: str) -> None:
    done = run_python(stand_in_core, "-c", START + script)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_calls_at_the_end_of_python_are_refused(stand_in_core: Path) -> None:
    script = "import atexit\natexit.register(lambda: draw(engine))\n" + START
    done = run_python(stand_in_core, "-c", script)
    assert done.stderr.splitlines()[-1].endswith("EngineError: Python is ending")


def test_end_of_a_forked_process(stand_in_core: Path) -> None:
    script = """
import os
in_background(lambda: draw(engine)); time.sleep(0.1)
if (child := os.fork()) == 0:
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    # From Python 3.12 on a fork beside threads is warned of; that is what is tried here.
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
