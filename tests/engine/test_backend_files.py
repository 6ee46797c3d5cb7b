"""Library files of GPU backends: what cannot be used is one note, and the CPU draws."""

import shutil
import sys
from pathlib import Path

import pytest
from backend_packages import (
    ABI,
    compile_c,
    compile_idle_backend,
    install,
    notes_of_devices,
    run_with,
)

from gpustack_draw import _core
from gpustack_draw.engine.backend_files import check_library, find_backend_files

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs ELF and a C compiler")

EXTENSION = Path(str(_core.__file__))
DAMAGED = "its library is damaged; reinstall it"


def changed(folder: Path, position: int, content: bytes) -> Path:
    """Copy the extension and overwrite bytes of the copy."""
    copy = folder / "copy.so"
    shutil.copy(EXTENSION, copy)
    with copy.open("r+b") as file:
        file.seek(position)
        file.write(content)
    return copy


def test_a_whole_library_has_no_problem() -> None:
    assert check_library(EXTENSION, EXTENSION) == ""


def test_a_library_that_was_cut_short_is_incomplete(tmp_path: Path) -> None:
    cut = tmp_path / "cut.so"
    content = EXTENSION.read_bytes()
    # Its last sections are not loaded.
    for size in (len(content) // 2, len(content) * 9 // 10):
        cut.write_bytes(content[:size])
        problem = check_library(cut, EXTENSION)
        assert problem.startswith(f"its library is incomplete ({size} of at least ")
        assert problem.endswith(" bytes); reinstall it")


@pytest.mark.parametrize("content", [b"", b"\x7fELF", bytes(100_000), b"#!/bin/sh\n" * 100])
def test_a_file_that_is_no_library_is_damaged(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "other.so"
    file.write_bytes(content)
    assert check_library(file, EXTENSION) == DAMAGED


def test_headers_before_zeros_are_damaged(tmp_path: Path) -> None:
    copy = changed(tmp_path, 4096, bytes(EXTENSION.stat().st_size - 4096))
    assert check_library(copy, EXTENSION) == DAMAGED


@pytest.mark.parametrize(("position", "content"), [(18, b"\xb7\x00"), (4, b"\x01"), (5, b"\x02")])
def test_a_library_for_another_processor(tmp_path: Path, position: int, content: bytes) -> None:
    copy = changed(tmp_path, position, content)
    assert check_library(copy, EXTENSION) == "its library is for another type of processor"


def test_a_missing_or_unreadable_library(tmp_path: Path) -> None:
    missing = tmp_path / "missing.so"
    assert check_library(missing, EXTENSION) == "its library is missing; reinstall it"
    problem = check_library(tmp_path, EXTENSION)
    assert problem == "its library cannot be read: Is a directory"


def test_packages_of_the_current_folder_are_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, installed = tmp_path / "here", tmp_path / "installed"
    install(here, "gpustack-draw-vulkan")
    path = install(installed, "gpustack-draw-cuda")
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", ["", str(here), "../here", str(installed)])
    (found,) = find_backend_files(EXTENSION)
    assert (found.package, found.path) == ("gpustack-draw-cuda", path)


# --- in the engine --------------------------------------------------------------------------------

MARKER = """
#include <stdio.h>
__attribute__((constructor)) static void mark(void) { fputs("LOADED\\n", stderr); }
"""


@pytest.mark.build
def test_libraries_elsewhere_are_not_loaded(tmp_path: Path) -> None:
    library = tmp_path / "libggml-vulkan.so"
    compile_c(MARKER, library)
    install(tmp_path, "gpustack-draw-cuda")
    for name in (
        "libggml-cpu.so",
        "libgpustack_draw_vulkan.so",
        "gpustack_draw_cuda/libgpustack_draw_cuda.so",
    ):
        shutil.copy(library, tmp_path / name)
    done = run_with(
        Path(),
        *("-m", "gpustack_draw", "devices", "--debug"),
        folder=tmp_path,
        GGML_BACKEND_PATH=str(library),
    )
    assert done.returncode == 0
    assert "LOADED" not in done.stderr
    assert "gpustack-draw-cuda" not in done.stderr


def incomplete(library: Path) -> None:
    library.write_bytes(EXTENSION.read_bytes()[:1_000_000])


def zeros(library: Path) -> None:
    library.write_bytes(bytes(1_000_000))


def other_processor(library: Path) -> None:
    shutil.copy(changed(library.parent, 18, b"\xb7\x00"), library)


def other_version(library: Path) -> None:
    compile_idle_backend(library, init="__builtin_trap();", abi="engine 0.4.6")


def no_backend(library: Path) -> None:
    compile_c("int other;", library)


def no_loader(library: Path) -> None:
    loader = library.with_name("libno-driver.so.1")
    compile_c("int in_driver;", loader, "-Wl,-soname,libno-driver.so.1")
    options = ("-Wl,--no-as-needed", str(loader))
    compile_idle_backend(library, *options)
    loader.unlink()


def no_driver(library: Path) -> None:
    compile_idle_backend(library)


BROKEN = {
    incomplete: "its library is incomplete (1000000 of at least ",
    zeros: DAMAGED,
    other_processor: "its library is for another type of processor",
    other_version: "its library is for another version of gpustack-draw (engine 0.4.6; this one has"
    f" {ABI})",
    no_backend: "its library is no backend of gpustack-draw",
    no_loader: "libno-driver.so.1: cannot open shared object file: No such file or directory",
    no_driver: "its driver is missing, or finds no GPU",
}


@pytest.mark.build
@pytest.mark.parametrize("make", BROKEN, ids=lambda make: make.__name__)
def test_a_backend_that_cannot_be_used_is_one_note(tmp_path: Path, make) -> None:
    make(install(tmp_path, "gpustack-draw-vulkan"))
    (note,) = notes_of_devices(tmp_path)
    assert note.startswith(f"gpustack-draw: gpustack-draw-vulkan is not used: {BROKEN[make]}")


DRAW = """
import sys, gpustack_draw
lines = []
with gpustack_draw.load(
    "demo", in_process=sys.argv[1] == "1", on_log=lambda level, text: lines.append((level, text))
) as model:
    request = gpustack_draw.DrawRequest(prompt="a red circle", size=(64, 64), sample_steps=1)
    (picture,) = model.draw(request)
print(picture.device, *(text.partition(" ")[0] for level, text in lines if level == "note"))
"""


@pytest.mark.build
@pytest.mark.engine
@pytest.mark.parametrize("in_process", ["0", "1"])
@pytest.mark.parametrize(
    "kinds", [(incomplete, zeros, no_driver), (other_version, no_loader, other_processor)]
)
def test_the_cpu_draws_beside_broken_backends(tmp_path: Path, kinds, in_process: str) -> None:
    packages = ["gpustack-draw-cuda", "gpustack-draw-rocm", "gpustack-draw-vulkan"]
    for make, package in zip(kinds, packages):
        make(install(tmp_path, package))
    done = run_with(tmp_path, "-c", DRAW, in_process)
    assert done.returncode == 0, done.stderr
    device, *notes = done.stdout.split()
    assert "CPU" in device
    assert notes == packages
