"""Tests of building from source: if something is missing, the error is one sentence."""

import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest
from build_tools import SOURCE, engine_source, pybind11_dir, tool

import gpustack_draw


def configure(
    build: Path,
    *options: str,
    source: Path = SOURCE,
    environment: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Run CMake's configure step; return its status and its error output as one line."""
    done = subprocess.run(
        [
            tool("cmake") or "cmake",
            *("-S", str(source), "-B", str(build), "-G", "Ninja"),
            f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}",
            f"-Dpybind11_DIR={pybind11_dir()}",
            f"-DPython_EXECUTABLE={sys.executable}",
            "-DGPUSTACK_DRAW_STAND_IN=ON",
            *options,
        ],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, " ".join(done.stderr.split())


@pytest.mark.build
def test_missing_compiler_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    empty = tmp_path / "bin"
    empty.mkdir()
    status, error = configure(
        tmp_path / "build", environment={"PATH": str(empty), "CC": "", "CXX": ""}
    )
    assert status != 0
    assert (
        "gpustack-draw is compiled on your machine and needs a C and C++ compiler:"
        " install gcc and g++ (or clang), for example the package build-essential,"
        " and install gpustack-draw again." in error
    )


MISSING_VULKAN = (
    "A build with Vulkan needs Vulkan's headers, its loader and the shader compiler glslc: install"
    " libvulkan-dev and glslc (Debian, Ubuntu), vulkan-headers, vulkan-loader-devel and glslc"
    " (Fedora) or the Vulkan SDK, and install gpustack-draw again."
)
OLD_VULKAN = (
    "A build with Vulkan needs headers of Vulkan 1.3.272 or newer, and those in '{}' are older:"
    " install the Vulkan SDK or the libvulkan-dev of Debian 13 or Ubuntu 24.04, or set a folder of"
    " newer headers with --config-settings=cmake.define.Vulkan_INCLUDE_DIR=DIR."
)

MISSING_ROCM = (
    "A build with ROCm needs AMD's compiler and libraries: install ROCm 6.1 or newer with hipBLAS"
    " and rocBLAS, add its folder bin to PATH, and install gpustack-draw again."
)
UNKNOWN_BACKEND = (
    "no backend named 'opengl': build one of the packages in backends/, for example with"
    " pip install ./backends/vulkan"
)


@pytest.mark.build
def test_missing_or_old_vulkan_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    headers = tmp_path / "vulkan"
    headers.mkdir()
    (headers / "vulkan.h").touch()
    (headers / "vulkan_core.h").write_text("#define VK_HEADER_VERSION 239\n")
    (tmp_path / "libvulkan.so").touch()
    found = (f"-DVulkan_INCLUDE_DIR={tmp_path}", f"-DVulkan_LIBRARY={tmp_path / 'libvulkan.so'}")
    for options, expected in (
        (("-DCMAKE_DISABLE_FIND_PACKAGE_Vulkan=ON",), MISSING_VULKAN),
        (("-DVulkan_GLSLC_EXECUTABLE=",), MISSING_VULKAN),
        (("-DVulkan_GLSLC_EXECUTABLE=glslc",), OLD_VULKAN.format(tmp_path)),
    ):
        find = "-DCMAKE_DISABLE_FIND_PACKAGE_Vulkan=OFF"
        status, error = configure(tmp_path / "build", "-DSD_VULKAN=ON", find, *found, *options)
        assert status != 0
        assert expected in error


def without_cuda(build: Path, packages: Path) -> tuple[int, str]:
    """Configure a build with CUDA on a machine that has none but the packages in a folder."""
    return configure(
        build,
        "-DSD_CUDA=ON",
        "-DCMAKE_DISABLE_FIND_PACKAGE_CUDAToolkit=ON",
        environment={"PYTHONPATH": str(packages), "CUDACXX": ""},
    )


@pytest.mark.build
def test_missing_cuda_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    status, error = without_cuda(tmp_path / "build", tmp_path)
    assert status != 0
    assert (
        "A build with CUDA needs NVIDIA's compiler nvcc and the library cuBLAS: install the CUDA"
        " toolkit, or build with NVIDIA's Python packages (docs/how-to/gpu.md#cuda), and install"
        " gpustack-draw again." in error
    )


@pytest.mark.build
def test_packages_of_cuda_get_the_names_that_compilers_look_for(tmp_path: Path) -> None:
    toolkit = tmp_path / "nvidia" / "cu13"
    (toolkit / "bin").mkdir(parents=True)
    (toolkit / "bin" / "nvcc").touch()
    (toolkit / "lib").mkdir()
    for library in ("libcublas.so.13", "libcublasLt.so.13"):
        (toolkit / "lib" / library).touch()
    _status, error = without_cuda(tmp_path / "build", tmp_path)
    assert (
        f"NVIDIA's packages in '{toolkit}' lack libcudart: pip install"
        " 'cuda-toolkit[nvcc,cudart,cccl,cublas]==13.0.*'" in error
    )
    assert (toolkit / "lib64" / "libcublas.so").resolve() == toolkit / "lib" / "libcublas.so.13"
    assert (toolkit / "lib64" / "libcublasLt.so").exists()


@pytest.mark.build
def test_a_backend_without_its_tools_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    without_vulkan = "-DCMAKE_DISABLE_FIND_PACKAGE_Vulkan=ON"
    for backend, expected in (
        ("vulkan", MISSING_VULKAN),
        ("rocm", MISSING_ROCM),
        ("opengl", UNKNOWN_BACKEND),
    ):
        options = (f"-DGPUSTACK_DRAW_BACKEND={backend}", without_vulkan, "-DCMAKE_HIP_COMPILER=")
        status, error = configure(tmp_path / "build", *options, source=SOURCE / "backends")
        assert status != 0
        assert expected in error


@pytest.mark.build
def test_unreachable_index_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    status, error = configure(tmp_path / "build", environment={"PIP_NO_INDEX": "1"})
    assert status != 0
    assert (
        "The engine's source (stable-diffusion-cpp-python 0.4.7) could not be downloaded with pip:"
        " connect to a package index, or set a folder that contains stable-diffusion.cpp with"
        " --config-settings=cmake.define.GPUSTACK_DRAW_ENGINE_SOURCE=DIR. Output of pip: ERROR:"
        in error
    )


@pytest.mark.build
def test_folder_without_the_engine_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    status, error = configure(tmp_path / "build", f"-DGPUSTACK_DRAW_ENGINE_SOURCE={tmp_path}")
    assert status != 0
    assert (
        f"'{tmp_path}' contains no stable-diffusion.cpp (include/stable-diffusion.h is missing):"
        " set its top folder with --config-settings=cmake.define.GPUSTACK_DRAW_ENGINE_SOURCE=DIR."
        in error
    )


@pytest.mark.build
def test_the_container_images_have_all_files_that_a_build_needs(tmp_path: Path) -> None:
    source = engine_source()
    if source is None:
        pytest.skip("no engine source in the build folder")
    # Patterns of top folders and files follow "*", which ignores all others.
    patterns = (SOURCE / ".dockerignore").read_text(encoding="utf-8").splitlines()
    context = tmp_path / "context"
    context.mkdir()
    for name in (pattern[1:] for pattern in patterns if pattern.startswith("!")):
        (context / name).symlink_to(SOURCE / name)
    status, error = configure(
        tmp_path / "build",
        *("-DGPUSTACK_DRAW_STAND_IN=OFF", "-DSKBUILD_STATE=wheel", "-DSKBUILD_PROJECT_VERSION=0"),
        f"-DGPUSTACK_DRAW_ENGINE_SOURCE={source}",
        source=context,
    )
    assert status == 0, error


@pytest.mark.build
def test_build_needs_no_network_with_a_local_source(tmp_path: Path) -> None:
    source = engine_source()
    if source is None:
        pytest.skip("no engine source in the build folder")
    status, error = configure(
        tmp_path / "build",
        f"-DGPUSTACK_DRAW_ENGINE_SOURCE={source}",
        environment={"PIP_NO_INDEX": "1"},
    )
    assert status == 0, error


def test_the_engine_names_its_own_commit() -> None:
    """In a build folder of this repository git would name this project's."""
    source = engine_source()
    if source is not None and (source / ".git").exists():
        pytest.skip("built from a clone of stable-diffusion.cpp")
    cmake = (SOURCE / "cmake" / "EngineSource.cmake").read_text(encoding="utf-8")
    pinned = re.findall(r"^set\(engine_commit (\w+)\)", cmake, re.MULTILINE)
    assert gpustack_draw.build_info()["stable-diffusion.cpp"] in [*pinned, "unknown"]


def test_only_the_package_is_installed() -> None:
    installed = distribution("gpustack-draw")
    if "editable" in (installed.read_text("direct_url.json") or ""):
        pytest.skip("an editable install")
    assert installed.files is not None
    strays = [
        str(file)
        for file in installed.files
        if not re.match(r"gpustack_draw(\.libs|-[^/]+\.dist-info)?/", str(file))
        and not re.fullmatch(r"(\.\./)+(bin|Scripts)/gpustack-draw(\.exe)?", str(file))
        and not re.fullmatch(r"(\.\./)+share/[a-z0-9._/-]+/_?gpustack-draw[a-z0-9.]*", str(file))
    ]
    assert strays == []


def test_licenses_of_everything_linked_are_in_the_package() -> None:
    installed = distribution("gpustack-draw")
    assert installed.files is not None
    shipped = {file.name for file in installed.files if file.parent.name == "licenses"}
    assert shipped >= {
        "LICENSE",
        "darts-clone.txt",
        "ggml.txt",
        "llamafile.txt",
        "miniz.txt",
        "nlohmann-json.txt",
        "pybind11.txt",
        "stable-diffusion.cpp.txt",
        "zip.txt",
    }
