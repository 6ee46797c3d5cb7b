"""Build an extension with the address and undefined-behavior sanitizers, and run it.

It runs in a separate Python process that loads the sanitizers first.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from build_tools import SOURCE, engine_source, pybind11_dir, tool

needs_sanitizers = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("g++") is None,
    reason="needs g++ with its sanitizers, on Linux",
)


def build_extension(source: Path, name: str, folder: str, **options: str) -> Path:
    """Build an extension; takes at most a second if it is already built."""
    (extension,) = build_target(source, name, folder, **options).glob(f"{name}*.so")
    return extension


def build_target(source: Path, name: str, folder: str, **options: str) -> Path:
    """Build a target, and return the folder of the build."""
    build = SOURCE / "build" / folder / str(sys.implementation.cache_tag)
    options |= {"Python_EXECUTABLE": sys.executable, "pybind11_DIR": pybind11_dir()}
    # The source of an existing build; otherwise CMake downloads the pinned one.
    if engine := engine_source():
        options["GPUSTACK_DRAW_ENGINE_SOURCE"] = str(engine)
    generator = ["-G", "Ninja"] if tool("ninja") else []
    cmake = tool("cmake")
    assert cmake is not None, "cmake is missing: install the dependency group 'test'"
    defines = [f"-D{option}={value}" for option, value in options.items()]
    output(cmake, "-S", str(source), "-B", str(build), *generator, *defines)
    output(cmake, "--build", str(build), "--target", name, "--parallel", "2")
    return build


def output(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def run_python(
    extension: Path, folder: Path, *arguments: str, sanitizer_options: str = "detect_leaks=0"
) -> subprocess.CompletedProcess[str]:
    """Run a Python that can load the extension and imports from a folder."""
    # The runtimes of the sanitizers and of C++, whose throw they intercept, must be loaded first.
    preloaded = ["libasan.so", "libubsan.so", "libstdc++.so"]
    is_program = extension.suffix != ".so"  # which is linked with the sanitizers
    environment = {
        **os.environ,
        "GPUSTACK_DRAW_EXTENSION": str(extension),
        "GGML_NO_BACKTRACE": "1",
        "OMP_WAIT_POLICY": "passive",  # waiting threads yield their core
        "PYTHONPATH": str(folder),
        "PYTHONMALLOC": "malloc",
        "PYTHONDONTWRITEBYTECODE": "1",
        "LD_PRELOAD": ""
        if is_program
        else " ".join(output("g++", f"-print-file-name={name}") for name in preloaded),
        "ASAN_OPTIONS": sanitizer_options,
        "UBSAN_OPTIONS": sanitizer_options + ":print_stacktrace=1",
    }
    command = [sys.executable, *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=SOURCE, env=environment, text=True, **pipes) as process:
        try:
            stdout, stderr = process.communicate(timeout=850 if is_program else 240)
        except subprocess.TimeoutExpired:
            process.kill()
            stdout, stderr = process.communicate()
            pytest.fail(f"hangs after:\n{stdout[-4000:]}\n{stderr[-4000:]}")
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def run_cases(extension: Path, *cases: Path, reports: Path, sanitizer_options: str) -> None:
    """Run test files of one folder in such a Python; none may be skipped."""
    for folder in (reports / "first", reports / "second"):
        folder.mkdir()
        done = _run_pytest(extension, *cases, reports=folder, sanitizer_options=sanitizer_options)
        reported = "".join(path.read_text() for path in folder.rglob("report.*"))
        # The leak checker itself fails occasionally, without a result.
        if "LeakSanitizer has encountered a fatal error" not in reported:
            break
    output = f"exit status {done.returncode}\n{done.stdout[-12000:]}\n{done.stderr[-8000:]}"
    assert done.returncode == 0, f"{output}\n{reported[:8000]}"
    assert " skipped" not in done.stdout  # names of tests may contain the word


def _run_pytest(
    extension: Path, *cases: Path, reports: Path, sanitizer_options: str
) -> subprocess.CompletedProcess[str]:
    # Verbose, with reports in files: if the process dies, the case and the reason are known.
    options = ["-v", "--noconftest", "-p", "no:cacheprovider", f"--basetemp={reports / 'cases'}"]
    options += [
        "--timeout",
        "60" if extension.suffix == ".so" else "300",
        "-o",
        "timeout_method=thread",
    ]
    return run_python(
        extension,
        cases[0].parent,
        *("-m", "pytest", *options, *map(str, cases)),
        sanitizer_options=f"{sanitizer_options}:log_path={reports}/report",
    )
