"""Available memory, estimated memory, and the check before anything is loaded."""

import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from resolved_models import model

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.engine.memory import available_memory, check_memory, estimate_memory, memory_need
from gpustack_draw.engine.results import Device
from gpustack_draw.errors import NotEnoughMemoryError
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.resolver.choose_settings import choose_settings
from gpustack_draw.resolver.plan_drawing import plan_drawing
from gpustack_draw.resolver.resolved_model import ModelFile, ResolvedModel

GB = 1_000_000_000


def weighing(family: str, count: int, *components: str) -> ResolvedModel:
    files = [ModelFile("model", Path("x.gguf"), count)]
    files += [ModelFile(component, Path("x.gguf"), count) for component in components]
    return replace(model(family), files=tuple(files))


def check(
    heavy: ResolvedModel,
    size: tuple[int, int] = (512, 512),
    device: Device | None = None,
    *,
    loaded: bool = False,
) -> None:
    settings, _ = choose_settings(DrawRequest(prompt="a cat", size=size), heavy)
    check_memory(heavy, settings[0], memory_need(heavy, settings[0], device, loaded=loaded))


def test_a_file_for_two_components_counts_once() -> None:
    assert weighing("flux2-klein", 5 * GB, "taesd").weight_bytes == 5 * GB


def test_estimate_has_the_weights_and_the_larger_phase() -> None:
    # 1024 tokens of the picture and 512 of the prompt: 0.3 + 0.4 GB; decoding 1.7 + 0.07 GB.
    assert estimate_memory(weighing("flux2-klein", 4 * GB), 512, 512) == (
        100_000_000 + 4 * GB + 512 * 512 * 6_500 + 4096**2 * 4
    )
    # With the tiny decoder, denoising needs more.
    assert estimate_memory(weighing("flux2-klein", 4 * GB, "taesd"), 512, 512) == (
        100_000_000 + 4 * GB + 1536**2 * 32 * 4 + 1536 * 4096 * 60
    )


def test_loras_take_the_memory_of_their_files() -> None:
    light = weighing("flux2-klein", GB)
    settings, _ = choose_settings(DrawRequest(prompt="a cat"), light)
    plain = memory_need(light, settings[0], None)
    assert memory_need(light, settings[0], None, addition_bytes=GB).bytes == plain.bytes + GB


def test_estimate_on_the_fast_cpu_has_neither_copies_nor_scores() -> None:
    def estimate(*components: str) -> int:
        return estimate_memory(weighing("sd1", 2 * GB, *components), 512, 512, on_fast_cpu=True)

    assert estimate() == 100_000_000 + 2 * GB + 512 * 512 * 2_850
    assert estimate("taesd") == 100_000_000 + 2 * GB + 512 * 512 * 950
    klein = weighing("flux2-klein", 4 * GB, "taesd")
    assert estimate_memory(klein, 512, 512, on_fast_cpu=True) == (
        100_000_000 + 4 * GB + 1536 * 4096 * 90
    )


@pytest.mark.parametrize(
    ("family", "bytes_per_pixel", "latent_pixels"),
    [("wan", 7_600, 4096), ("wan-ti2v", 10_300, 1024)],
)
def test_estimate_of_a_vae_for_videos(
    family: str, bytes_per_pixel: int, latent_pixels: int
) -> None:
    assert estimate_memory(weighing(family, 4 * GB), 512, 512) == (
        100_000_000 + 4 * GB + 512 * 512 * bytes_per_pixel + latent_pixels**2 * 4
    )


def test_estimate_counts_references_as_tokens_and_as_pictures_to_encode() -> None:
    klein = weighing("flux2-klein", 4 * GB, "taesd")
    reference = np.zeros((1024, 1024, 3), np.uint8)
    pictures = EnginePictures(references=(reference, reference))
    # 1024 tokens of the picture, 4096 of each reference and 512 of the prompt.
    assert estimate_memory(klein, 512, 512, on_fast_cpu=True, pictures=pictures) == (
        100_000_000 + 4 * GB + 2 * 1024**2 * 60 + 9728 * 4096 * 90
    )
    one = EnginePictures(references=(reference,))
    sd1 = weighing("sd1", 2 * GB)
    assert estimate_memory(sd1, 512, 512, on_fast_cpu=True, pictures=one) == (
        100_000_000 + 2 * GB + 1024**2 * 60 + 1024**2 * 2_850
    )


def test_estimate_of_a_masked_picture() -> None:
    klein = weighing("flux2-klein", 4 * GB)
    pictures = EnginePictures(
        image=np.zeros((512, 512, 3), np.uint8), mask=np.zeros((512, 512), np.uint8)
    )
    plain = estimate_memory(klein, 512, 512)
    assert estimate_memory(klein, 512, 512, pictures=pictures) == plain + 2 * 512 * 512 * 60


def test_estimate_of_a_control_net() -> None:
    """It keeps the scores of its attention on every device, and its results beside the UNet's."""
    sd1 = weighing("sd1", 2 * GB)
    with_net = replace(sd1, family=sd1.family.with_control_net())
    pictures = EnginePictures(control=np.zeros((1024, 1024, 3), np.uint8))
    net = 128**4 * 8 * 4 + 128**2 * 320 * 120
    for on_fast_cpu, unet in (
        (True, 128**2 * 320 * 90),
        (False, 128**4 * 8 * 4 + 128**2 * 320 * 60),
    ):
        estimate = partial(estimate_memory, width=1024, height=1024, on_fast_cpu=on_fast_cpu)
        plain, inputs = 100_000_000 + 2 * GB, 1024**2 * 60
        assert estimate(with_net, pictures=pictures) == plain + inputs + unet + net
        assert estimate(with_net) == estimate(sd1)


def test_estimate_grows_with_the_picture() -> None:
    small = weighing("sd1", 2 * GB)
    sizes = [estimate_memory(small, side, side) for side in (64, 256, 512, 1024, 8192)]
    assert sizes == sorted(sizes)
    assert 2.2 * GB < estimate_memory(small, 512, 512) < 5 * GB
    assert estimate_memory(small, 8192, 8192) > 500 * GB


@pytest.mark.parametrize(
    ("weights", "size", "message", "hint"),
    [
        (
            8 * GB,
            (512, 512),
            "'x' needs about 9.87 GB to be loaded, and 3.10 GB are free",
            "close other programs, or use a smaller quantization of the model, for example Q4_0",
        ),
        (
            2 * GB,
            (2048, 2048),
            "'x' needs about 46.5 GB to draw 2048x2048, and 3.10 GB are free",
            "draw a smaller picture with size, or close other programs",
        ),
    ],
)
def test_not_enough(
    weights: int,
    size: tuple[int, int],
    message: str,
    hint: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heavy = weighing("flux2-klein", weights)
    monkeypatch.setattr("gpustack_draw.engine.memory.available_memory", lambda: 3_100_000_000)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check(heavy, size)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.exit_status == 1


def test_enough_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    light = weighing("flux2-klein", GB)
    monkeypatch.setattr("gpustack_draw.engine.memory.available_memory", lambda: 100 * GB)
    check(light)
    monkeypatch.setattr("gpustack_draw.engine.memory.available_memory", lambda: None)
    check(light)
    monkeypatch.setattr("gpustack_draw.engine.memory.available_memory", lambda: 1)
    with pytest.raises(NotEnoughMemoryError):
        check(light)


GPU = Device("CUDA0", "a GPU", "gpu", 100 * GB, 100 * GB, used=True)


def test_a_gpu_has_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpustack_draw.engine.memory.available_memory", lambda: 1)
    light = weighing("flux2-klein", GB)
    check(light, device=GPU)
    check(light, device=replace(GPU, memory_free=0))  # not reported by the driver
    with pytest.raises(NotEnoughMemoryError, match=r"and 1\.00 GB are free"):
        check(light, device=replace(GPU, memory_free=GB))


def write(root: Path, **contents: str) -> Path:
    for name, text in contents.items():
        path = root / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


linux = pytest.mark.skipif(sys.platform != "linux", reason="reads files of Linux")


@linux
def test_available_memory_of_the_kernel(tmp_path: Path) -> None:
    write(tmp_path, proc__meminfo="MemTotal: 9000 kB\nMemAvailable:    2000 kB\n")
    assert available_memory(tmp_path) == 2_048_000


@linux
def test_nothing_is_reported(tmp_path: Path) -> None:
    assert available_memory(tmp_path) is None


@linux
@pytest.mark.parametrize(
    ("limit", "parent_limit", "available"),
    [("max", "max", 2_048_000), ("500000", "max", 350_000), ("500000", "400000", 100_000)],
)
def test_limit_of_cgroup_v2(tmp_path: Path, limit: str, parent_limit: str, available: int) -> None:
    group = tmp_path / "sys/fs/cgroup/user.slice"
    (group / "job").mkdir(parents=True)
    (group / "memory.max").write_text(parent_limit)
    (group / "memory.current").write_text("300000")
    (group / "job/memory.max").write_text(limit)
    (group / "job/memory.current").write_text("200000")
    (group / "job/memory.stat").write_text("anon 1\ninactive_file 50000\n")
    write(
        tmp_path,
        proc__meminfo="MemAvailable: 2000 kB\n",
        proc__self__cgroup="0::/user.slice/job\n",
    )
    assert available_memory(tmp_path) == available


@linux
def test_limit_of_cgroup_v1(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/memory/job"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("1000000")
    (group / "memory.usage_in_bytes").write_text("700000")
    (group / "memory.stat").write_text("total_inactive_file 100000\n")
    write(
        tmp_path,
        proc__meminfo="MemAvailable: 2000 kB\n",
        proc__self__cgroup="5:cpu,memory:/job\n4:pids:/job\n",
    )
    assert available_memory(tmp_path) == 400_000


def test_this_machine_has_memory() -> None:
    available = available_memory()
    assert available is None or available > 1_000_000


@linux
def test_limit_of_address_space_counts() -> None:
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30));"
        "from gpustack_draw.engine.memory import available_memory; print(available_memory())"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert int(result.stdout) < 2**30


def test_a_loaded_model_needs_no_memory_for_its_weights() -> None:
    heavy = weighing("sd1", 10 * GB)
    device = replace(GPU, memory_free=4 * GB)
    with pytest.raises(NotEnoughMemoryError):
        check(heavy, device=device)
    check(heavy, device=device, loaded=True)


def test_the_larger_of_two_passes_counts() -> None:
    light = weighing("sd1", 2 * GB)
    drawing = plan_drawing(DrawRequest(prompt="a cat", size=(512, 512), hires=2), light)
    need = memory_need(light, drawing.settings[0], None)
    image = EnginePictures(image=np.zeros((1024, 1024, 3), np.uint8))
    assert need.bytes == estimate_memory(light, 1024, 1024, pictures=image)
    assert need.bytes > estimate_memory(light, 1024, 1024)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(light, drawing.settings[0], replace(need, free_bytes=3 * GB))
    message = "'x' needs about 11.1 GB to draw 1024x1024, and 3.00 GB are free"
    assert caught.value.message == message
    assert with_options(caught.value.hint) == (
        "draw a smaller picture with --hires, or close other programs"
    )
    assert caught.value.argument == "hires"
