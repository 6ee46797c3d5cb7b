"""The estimated memory of a drawing."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from resolved_models import GB, weighing

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.memory.estimate import estimate
from gpustack_draw.memory.work import GGML_CPU, DeviceTraits, Work
from gpustack_draw.resolver.resolved_model import ResolvedModel

FAST = DeviceTraits(name="FastCPU", stores_scores=False, copies_features=False)


def peak(model: ResolvedModel, size: tuple[int, int] = (512, 512), **fields: Any) -> int:
    width, height = size
    return estimate(Work(model=model, width=width, height=height, **fields)).peak


def test_a_file_for_two_components_counts_once() -> None:
    assert weighing("flux2-klein", 5 * GB, "taesd").weight_bytes == 5 * GB


def test_estimate_has_the_weights_and_the_larger_phase() -> None:
    # 1024 tokens of the picture and 512 of the prompt: 0.3 + 0.4 GB; decoding 1.7 + 0.07 GB.
    assert peak(weighing("flux2-klein", 4 * GB)) == (
        100_000_000 + 4 * GB + 512 * 512 * 6_500 + 4096**2 * 4
    )
    # With the tiny decoder, denoising needs more.
    assert peak(weighing("flux2-klein", 4 * GB, "taesd")) == (
        100_000_000 + 4 * GB + 1536**2 * 32 * 4 + 1536 * 4096 * 60
    )


def test_additions_take_the_memory_of_their_files() -> None:
    light = weighing("flux2-klein", GB)
    assert peak(light, addition_bytes=GB) == peak(light) + GB


def test_estimate_on_the_fast_cpu_has_neither_copies_nor_scores() -> None:
    def with_sd1(*components: str) -> int:
        return peak(weighing("sd1", 2 * GB, *components), device=FAST)

    assert with_sd1() == 100_000_000 + 2 * GB + 512 * 512 * 2_850
    assert with_sd1("taesd") == 100_000_000 + 2 * GB + 512 * 512 * 950
    klein = weighing("flux2-klein", 4 * GB, "taesd")
    assert peak(klein, device=FAST) == 100_000_000 + 4 * GB + 1536 * 4096 * 90


@pytest.mark.parametrize(
    ("family", "bytes_per_pixel", "latent_pixels"),
    [("wan", 7_600, 4096), ("wan-ti2v", 10_300, 1024)],
)
def test_estimate_of_a_vae_for_videos(
    family: str, bytes_per_pixel: int, latent_pixels: int
) -> None:
    assert peak(weighing(family, 4 * GB)) == (
        100_000_000 + 4 * GB + 512 * 512 * bytes_per_pixel + latent_pixels**2 * 4
    )


def test_estimate_counts_references_as_tokens_and_as_pictures_to_encode() -> None:
    klein = weighing("flux2-klein", 4 * GB, "taesd")
    reference = np.zeros((1024, 1024, 3), np.uint8)
    pictures = EnginePictures(references=(reference, reference))
    # 1024 tokens of the picture, 4096 of each reference and 512 of the prompt.
    assert peak(klein, device=FAST, pictures=pictures) == (
        100_000_000 + 4 * GB + 2 * 1024**2 * 60 + 9728 * 4096 * 90
    )
    one = EnginePictures(references=(reference,))
    sd1 = weighing("sd1", 2 * GB)
    assert peak(sd1, device=FAST, pictures=one) == (
        100_000_000 + 2 * GB + 1024**2 * 60 + 1024**2 * 2_850
    )


def test_estimate_of_a_masked_picture() -> None:
    klein = weighing("flux2-klein", 4 * GB)
    pictures = EnginePictures(
        image=np.zeros((512, 512, 3), np.uint8), mask=np.zeros((512, 512), np.uint8)
    )
    plain = peak(klein)
    assert peak(klein, pictures=pictures) == plain + 2 * 512 * 512 * 60


def test_estimate_of_a_control_net() -> None:
    """It keeps the scores of its attention on every device, and its results beside the UNet's."""
    sd1 = weighing("sd1", 2 * GB)
    with_net = replace(sd1, family=sd1.family.with_control_net())
    pictures = EnginePictures(control=np.zeros((1024, 1024, 3), np.uint8))
    net = 128**4 * 8 * 4 + 128**2 * 320 * 120
    for device, unet in (
        (FAST, 128**2 * 320 * 90),
        (GGML_CPU, 128**4 * 8 * 4 + 128**2 * 320 * 60),
    ):
        with_size = partial(peak, size=(1024, 1024), device=device)
        plain, inputs = 100_000_000 + 2 * GB, 1024**2 * 60
        assert with_size(with_net, pictures=pictures) == plain + inputs + unet + net
        assert with_size(with_net) == with_size(sd1)


def test_estimate_grows_with_the_picture() -> None:
    small = weighing("sd1", 2 * GB)
    sizes = [peak(small, (side, side)) for side in (64, 256, 512, 1024, 8192)]
    assert sizes == sorted(sizes)
    assert 2.2 * GB < peak(small) < 5 * GB
    assert peak(small, (8192, 8192)) > 500 * GB
