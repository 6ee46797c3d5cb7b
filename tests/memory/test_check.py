"""The checks of a drawing's memory: what does not fit, and options that do nothing."""

from dataclasses import replace
from typing import Any

import pytest
from resolved_models import GB, weighing

from gpustack_draw.errors import NotEnoughMemoryError, UsageError
from gpustack_draw.memory.check import check_memory, check_options
from gpustack_draw.memory.choose import choose
from gpustack_draw.memory.work import DeviceTraits, Work
from gpustack_draw.request.memory_options import MemoryOptions

FAST = DeviceTraits(
    name="FastCPU", stores_scores=False, copies_features=False, vae_copies_features=False
)
GPU = DeviceTraits(name="CUDA0", is_gpu=True, shares_memory=False, free_bytes=100 * GB)


def work(family: str = "sd1", weights: int = 2 * GB, **fields: Any) -> Work:
    size = fields.pop("size", (1024, 1024))
    return Work(model=weighing(family, weights), width=size[0], height=size[1], **fields)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("offload_to_cpu", True, "the weights are in its memory anyway"),
        ("clip_on_cpu", True, "the text encoders run on it anyway"),
        ("vae_on_cpu", True, "the VAE runs on it anyway"),
        ("diffusion_fa", True, "it chooses the attention by itself"),
        ("max_vram", 6.0, "it has no memory of its own"),
    ],
)
def test_options_that_do_nothing_on_a_cpu(name: str, value: object, reason: str) -> None:
    options = MemoryOptions(**{name: value})  # type: ignore[arg-type]
    with pytest.raises(UsageError) as caught:
        check_options(work(device=FAST), options)
    assert caught.value.message == f"{name} has no effect on FastCPU: {reason}"
    assert caught.value.hint == f"leave {name} out, or choose a GPU with device"
    assert caught.value.argument == name
    check_options(work(device=GPU), options)
    check_options(work(device=FAST), MemoryOptions(**{name: None}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("drawing", "reason"),
    [
        (
            work("chroma-radiance", device=FAST),
            "Chroma Radiance draws without a VAE, so nothing is decoded",
        ),
        (
            work(device=FAST, seamless="both"),
            "a picture with tile='both' is decoded at once, or it has a seam",
        ),
    ],
)
def test_tiles_that_are_impossible(drawing: Work, reason: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_options(drawing, MemoryOptions(vae_tiling="on"))
    assert caught.value.message == f"vae_tiling='on' has no effect: {reason}"
    assert (caught.value.hint, caught.value.argument) == ("leave it out", "vae_tiling")
    check_options(drawing, MemoryOptions())


def test_flash_attention_that_breaks_pictures() -> None:
    with pytest.raises(UsageError) as caught:
        check_options(work("chroma", device=GPU), MemoryOptions(diffusion_fa=True))
    assert caught.value.message == "diffusion_fa breaks pictures of Chroma on CUDA0"
    assert (caught.value.hint, caught.value.argument) == ("leave diffusion_fa out", "diffusion_fa")


def test_tiles_are_suggested_where_they_were_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing, options = work(device=FAST), MemoryOptions(vae_tiling="off")
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 4 * GB)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(drawing, choose(drawing, options), options)
    assert caught.value.message.endswith(" to draw 1024x1024, and 4.00 GB are free")
    assert caught.value.hint == "decode it in tiles with vae_tiling='auto'"


def test_too_little_memory_beside_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing, options = work(device=GPU), MemoryOptions(offload_to_cpu=True)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: GB)
    plan = choose(drawing, options)
    assert (plan.fits, plan.host_free_bytes) == (False, GB)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(drawing, plan, options)
    assert caught.value.message == (
        "'x' needs about 2.10 GB beside the GPU to be loaded, and 1.00 GB are free"
    )
    assert caught.value.hint.startswith("close other programs, or use a smaller quantization")


def test_a_gpu_that_fits_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: GB)
    drawing = work(device=GPU)
    check_memory(drawing, choose(drawing), MemoryOptions())


def test_a_gpu_that_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 50 * GB)
    small = replace(GPU, free_bytes=GB)
    drawing = work(weights=60 * GB, device=small)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(drawing, choose(drawing), MemoryOptions())
    assert caught.value.message.endswith(" to be loaded, and 1.00 GB of CUDA0 are free")
    assert caught.value.hint == (
        "close other programs that use CUDA0, or use a smaller quantization of the model,"
        " for example Q4_0"
    )
    free = replace(GPU, free_bytes=70 * GB)
    drawing = work(weights=60 * GB, device=free, size=(8192, 8192))
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(drawing, choose(drawing), MemoryOptions())
    assert caught.value.hint == (
        "draw a smaller picture with size, or close other programs that use CUDA0"
    )
    drawing = work(weights=2 * GB, device=small)
    options = MemoryOptions(offload_to_cpu=False, clip_on_cpu=False)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(drawing, choose(drawing, options), options)
    assert caught.value.hint == (
        "draw on the CPU with device, or use a smaller quantization of the model"
    )


def test_a_gpu_that_shares_the_memory_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: GB)
    shared = replace(GPU, shares_memory=True)
    plan = choose(work(device=shared))
    assert (plan.free_bytes, plan.host_free_bytes) == (GB, None)
