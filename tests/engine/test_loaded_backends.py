"""Drawing with a GPU backend from a library file: ggml's CPU code, as a GPU named "Loaded0"."""

import sys
from pathlib import Path

import pytest
from backend_packages import compile_cpu_as_gpu, install, run_with

pytestmark = [
    pytest.mark.build,
    pytest.mark.engine,
    pytest.mark.skipif(sys.platform != "linux", reason="needs ELF"),
]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    if not compile_cpu_as_gpu(install(folder, "gpustack-draw-vulkan")):
        pytest.skip("needs the engine's source and archives of a build, and g++")
    return folder


def test_its_device_is_listed_and_used_by_default(packages: Path) -> None:
    done = run_with(packages, "-m", "gpustack_draw", "devices", "--debug")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert [row[1:3] for row in rows if row[0] == "*"] == [["Loaded0", "gpu"]]
    assert done.stderr.count("info: one device was found") == 1


def test_what_its_build_lacks_is_stated(packages: Path) -> None:
    done = run_with(packages, "-m", "gpustack_draw", "devices", "--debug")
    assert [" Loaded0 " in line for line in done.stdout.splitlines() if "without" in line] == [True]
    assert ", without matrix cores" in done.stdout
    assert "info: Loaded was built without shaders for matrix cores, bf16\n" in done.stderr


DRAW = """
import sys, gpustack_draw
import numpy as np

request = gpustack_draw.DrawRequest(prompt="a red circle", size=(64, 64), sample_steps=1, seed=7)
lines, pictures = [], []


def log(level, text):
    lines.append((level, text))


for device in sys.argv[2:]:
    with gpustack_draw.load(
        "demo", device=device, in_process=sys.argv[1] == "1", on_log=log
    ) as model:
        (picture,) = model.draw(request)
    pictures.append(np.asarray(picture).astype(float))
    print(picture.device)
errors = [np.mean((picture - pictures[0]) ** 2) for picture in pictures]
print(round(min(10 * np.log10(255**2 / max(error, 1e-9)) for error in errors)))
print(*{level for level, text in lines if "the loaded backend starts" in text})
"""


@pytest.mark.parametrize(
    ("in_process", "devices"),
    [("0", ["CPU", "Loaded0"]), ("1", ["Loaded0", "CPU", "Loaded0", "auto"])],
)
def test_it_draws_in_turn_with_a_cpu(packages: Path, in_process: str, devices: list[str]) -> None:
    """use_device() takes backends out of ggml's registry and puts them back, loaded ones too."""
    done = run_with(packages, "-c", DRAW, in_process, *devices)
    assert done.returncode == 0, done.stderr
    *used, decibels, levels = done.stdout.split()
    assert used == [device.replace("auto", "Loaded0") for device in devices]
    assert int(decibels) >= 45
    assert levels == "warning"
