"""Packages with library files of GPU backends, whole and broken ones."""

import os
import subprocess
import sys
from pathlib import Path

from build_tools import SOURCE, engine_source, ggml_archives, tool

import gpustack_draw

ABI = gpustack_draw.build_info()["backends"]
# A library with the interface of a backend that does nothing: INIT is the body of its function.
_DECLARATIONS = """
static void* init(void) { %s }
static void log_to(void* on_line, void* data) { (void)on_line; (void)data; }
struct interface {
  const char* abi;
  void* (*init)(void);
  void (*log_to)(void*, void*);
  const char* missing_shaders;
};
const struct interface gpustack_draw_backend = {"%s", init, log_to, ""};
"""


def library_of(package: str) -> str:
    """Return the file name of a package's library."""
    return f"lib{package.replace('-', '_')}.so"


def install(folder: Path, package: str) -> Path:
    """Install a package without a library in a folder; return the library's path."""
    module = folder / package.replace("-", "_")
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    return module / library_of(package)


def compile_c(code: str, library: Path, *options: str) -> None:
    """Compile C code to a library."""
    source = library.with_suffix(".c")
    source.write_text(code)
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), *options]
    subprocess.run(command, check=True)
    source.unlink()


def compile_idle_backend(library: Path, *options: str, init: str = "return 0;", abi: str = ABI):
    """Compile a backend without devices."""
    compile_c(_DECLARATIONS % (init, abi), library, *options)


def compile_cpu_as_gpu(library: Path) -> bool:
    """Compile a backend that computes on the CPU as "Loaded0", a GPU.

    Returns:
        False if this machine has no ggml to link it with.
    """
    archives, engine = ggml_archives(), engine_source()
    if archives is None or engine is None or tool("g++") is None:
        return False
    includes = (SOURCE / "cpp", engine / "ggml" / "include", engine / "ggml" / "src")
    subprocess.run(
        [
            *("g++", "-std=c++17", "-shared", "-fPIC", "-fvisibility=hidden", "-o", str(library)),
            *(f"-I{folder}" for folder in includes),
            *("-DGGML_MAX_NAME=128", f'-DABI="{ABI}"'),
            str(SOURCE / "tests" / "loaded_backends" / "cpu_as_gpu.cpp"),
            *(str(archives / name) for name in ("libggml-cpu.a", "libggml-base.a")),
            f"-Wl,--version-script={SOURCE / 'backends' / 'exported_symbols.map'}",
            *("-fopenmp", "-Wl,--no-undefined", "-lpthread", "-ldl", "-lm"),
        ],
        check=True,
    )
    return True


def run_with(
    packages: Path, *arguments: str, folder: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run Python with packages that are installed in a folder.

    Args:
        packages: The folder.
        arguments: Arguments of Python.
        folder: The current folder.
        variables: Environment variables to set.
    """
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(packages), **variables},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def notes_of_devices(packages: Path, **options: str) -> list[str]:
    """Return the notes of ``gpustack-draw devices --debug``, which must list a CPU."""
    done = run_with(packages, "-m", "gpustack_draw", "devices", "--debug", **options)
    assert done.returncode == 0, done.stderr
    assert " CPU " in done.stdout
    return [line for line in done.stderr.splitlines() if line.startswith("gpustack-draw: ")]
