"""Choices that make a drawing fit, and the check before anything is loaded."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from resolved_models import GB, weighing

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.engine.pass_memory import device_traits, work_of
from gpustack_draw.engine.passes import Pass
from gpustack_draw.engine.results import Device
from gpustack_draw.errors import NotEnoughMemoryError
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.memory.check import check_memory
from gpustack_draw.memory.choose import choose
from gpustack_draw.memory.estimate import estimate, estimate_host
from gpustack_draw.memory.memory_plan import NOTHING
from gpustack_draw.memory.weights import Weights, weights_of
from gpustack_draw.memory.work import GGML_CPU, DeviceTraits, MemoryChoices, Work
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.memory_options import MemoryOptions
from gpustack_draw.resolver.plan_drawing import plan_drawing
from gpustack_draw.resolver.resolved_model import ResolvedModel
from gpustack_draw.units import format_bytes


def work_for(heavy: ResolvedModel, request: DrawRequest, device: Device | None = None) -> Work:
    drawing = plan_drawing(request, heavy)
    one = Pass.first(drawing, drawing.settings[0])
    return work_of(one, heavy, device_traits(device), 0)


def check(
    heavy: ResolvedModel,
    size: tuple[int, int] = (512, 512),
    device: Device | None = None,
    *,
    loaded: MemoryChoices | None = None,
) -> None:
    work = work_for(heavy, DrawRequest(prompt="a cat", size=size), device)
    check_memory(work, choose(work, loaded=loaded), MemoryOptions())


@pytest.mark.parametrize(
    ("weights", "size", "message", "hint"),
    [
        (
            8 * GB,
            (512, 512),
            "'x' needs about 8.94 GB to be loaded, and 3.10 GB are free",
            "close other programs, or use a smaller quantization of the model, for example Q4_0",
        ),
        (
            2 * GB,
            (2048, 2048),
            "'x' needs about 44.4 GB to draw 2048x2048, and 3.10 GB are free",
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
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 3_100_000_000)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check(heavy, size)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert caught.value.exit_status == 1


def test_enough_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    light = weighing("flux2-klein", GB)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 100 * GB)
    check(light)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: None)
    check(light)
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: 1)
    with pytest.raises(NotEnoughMemoryError):
        check(light)


GPU = Device("CUDA0", "a GPU", "gpu", 100 * GB, 100 * GB, used=True)


def test_a_gpu_has_its_own_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: GB // 2)
    light = weighing("flux2-klein", GB)
    check(light, device=GPU)
    check(light, device=replace(GPU, memory_free=0))  # not reported by the driver
    with pytest.raises(NotEnoughMemoryError, match=r"and 1\.00 GB of CUDA0 are free"):
        check(light, device=replace(GPU, memory_free=GB))


def test_a_loaded_model_needs_no_memory_for_its_weights() -> None:
    heavy = weighing("sd1", 10 * GB)
    device = replace(GPU, memory_free=4 * GB)
    with pytest.raises(NotEnoughMemoryError):
        check(heavy, device=device)
    check(heavy, device=device, loaded=MemoryChoices())


def test_the_larger_of_two_passes_counts() -> None:
    light = weighing("sd1", 2 * GB)
    work = work_for(light, DrawRequest(prompt="a cat", size=(512, 512), hires=2))
    image = EnginePictures(image=np.zeros((1024, 1024, 3), np.uint8))
    single = Work(model=light, width=1024, height=1024)
    assert estimate(work) == estimate(replace(single, pictures=image))
    assert estimate(work).peak > estimate(single).peak
    plan = replace(choose(work), free_bytes=3 * GB)
    with pytest.raises(NotEnoughMemoryError) as caught:
        check_memory(work, plan, MemoryOptions(), argument="hires")
    message = "'x' needs about 11.3 GB to draw 1024x1024, and 3.00 GB are free"
    assert caught.value.message == message
    assert with_options(caught.value.hint) == (
        "draw a smaller picture with --hires, or close other programs"
    )
    assert caught.value.argument == "hires"


FAST = DeviceTraits(
    name="FastCPU", stores_scores=False, copies_features=False, vae_copies_features=False
)
CUDA = DeviceTraits(name="CUDA0", is_gpu=True, shares_memory=False)


def picture(family: str = "sd1", device: DeviceTraits = FAST, side: int = 1024) -> Work:
    return Work(model=weighing(family, 2 * GB), width=side, height=side, device=device)


def bytes_of(work: Work, **choices: Any) -> int:
    return estimate(replace(work, choices=MemoryChoices(**choices))).peak


def test_a_picture_that_fits_is_decoded_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    work = picture()
    set_free(monkeypatch, bytes_of(work))
    plan = choose(work)
    assert (plan.fits, plan.choices, plan.notes) == (True, MemoryChoices(), ())
    set_free(monkeypatch, None)
    assert choose(work).choices == MemoryChoices()


@pytest.mark.parametrize("side", [768, 512, 384])
def test_the_largest_tiles_that_fit(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    work = picture()
    needed = bytes_of(work, vae_tile=side)
    set_free(monkeypatch, needed)
    plan = choose(work)
    assert (plan.fits, plan.choices) == (True, MemoryChoices(vae_tile=side))
    whole, free = format_bytes(bytes_of(work)), format_bytes(needed)
    reason = f"because it would need about {whole}, and {free} are free"
    assert plan.notes == (f"decoded in tiles of {side} pixels, {reason}",)


def test_no_tiles_below_a_sensible_size(monkeypatch: pytest.MonkeyPatch) -> None:
    work = picture()
    least = bytes_of(work, vae_tile=256)
    set_free(monkeypatch, least - 1)
    plan = choose(work)
    assert (plan.fits, plan.needed.peak, plan.notes) == (False, least, ())


def test_tiles_that_save_nothing_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """On ggml's CPU, the scores of attention need more than the decoder."""
    work = picture(device=GGML_CPU, side=2048)
    assert bytes_of(work) == bytes_of(work, vae_tile=256)
    set_free(monkeypatch, 5 * GB)
    assert choose(work).choices == MemoryChoices()
    assert choose(work, MemoryOptions(low_memory=True)).choices == MemoryChoices()


def test_the_options_of_the_user_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    work = picture()
    set_free(monkeypatch, 100 * GB)
    assert choose(work, MemoryOptions(vae_tiling="on")).choices.vae_tile == 512
    assert choose(work, MemoryOptions(vae_tile_size=320)).choices.vae_tile == 320
    assert choose(work, MemoryOptions(weight_type="q8_0")).choices.weight_type == "q8_0"
    set_free(monkeypatch, GB)
    assert choose(work, MemoryOptions(vae_tiling="off")).choices.vae_tile is None
    assert choose(work, MemoryOptions(vae_tile_size=512)).choices.vae_tile == 512
    small = choose(picture(side=256), MemoryOptions(vae_tiling="on"))
    assert small.choices.vae_tile is None


def test_low_memory_takes_what_needs_least(monkeypatch: pytest.MonkeyPatch) -> None:
    work = picture()
    set_free(monkeypatch, 100 * GB)
    plan = choose(work, MemoryOptions(low_memory=True))
    assert plan.needed.peak == bytes_of(work, vae_tile=256) < bytes_of(work)
    assert [with_options(note) for note in plan.notes] == [
        f"decoded in tiles of {plan.choices.vae_tile} pixels, because of --low-memory"
    ]


def test_flash_attention_is_the_default_of_gpus() -> None:
    assert choose(picture(device=CUDA)).choices.flash_attention
    assert not choose(picture("chroma", CUDA)).choices.flash_attention
    off = choose(picture(device=CUDA), MemoryOptions(diffusion_fa=False))
    assert not off.choices.flash_attention
    assert not choose(picture()).choices.flash_attention


def test_what_a_loaded_model_has_is_kept_while_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    set_free(monkeypatch, 100 * GB)
    work = picture(device=replace(CUDA, free_bytes=100 * GB))
    loaded = MemoryChoices(flash_attention=True, offload=True)
    assert choose(work, loaded=loaded).choices.loading == loaded
    assert choose(work).choices.loading == MemoryChoices(flash_attention=True)


def test_a_gpu_with_the_memory_of_the_machine_is_not_relieved_by_its_cpu(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = picture(device=replace(CUDA, name="Vulkan0", shares_memory=True))
    with_vae = replace(work, choices=MemoryChoices(flash_attention=True, vae_on_cpu=True))
    needed = estimate(with_vae) + estimate_host(with_vae)
    assert needed.peak > estimate(with_vae).peak + GB  # decoding needs the most
    options = MemoryOptions(vae_tiling="off", vae_on_cpu=True, clip_on_cpu=False)
    set_free(monkeypatch, needed.peak - 1)
    assert choose(work, options).fits is False
    set_free(monkeypatch, needed.peak)
    plan = choose(work, options)
    assert (plan.fits, plan.needed, plan.host_needed) == (True, needed, NOTHING)


def set_free(monkeypatch: pytest.MonkeyPatch, count: int | None) -> None:
    monkeypatch.setattr("gpustack_draw.memory.choose.available_memory", lambda: count)


def test_the_weights_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan compares a dozen choices, and a model has thousands of tensors."""
    counted: list[Work] = []

    def count(work: Work) -> Weights:
        counted.append(work)
        return weights_of(work)

    monkeypatch.setattr("gpustack_draw.memory.choose.weights_of", count)
    monkeypatch.setattr("gpustack_draw.memory.estimate.weights_of", count)
    choose(work_for(weighing("sdxl", 6 * GB), DrawRequest(prompt="a cat")))
    assert len(counted) == 1
