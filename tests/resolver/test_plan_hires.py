"""The second pass of a request: its size, steps and strength, or the reason why there is none."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from input_files import noise
from resolved_models import model
from upscaling_models import random_weights, write_weights

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import DrawError, ModelFileError, UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import HiresSettings, describe_size
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.plan_drawing import Drawing, plan_drawing

SQUARE = noise(512, 512)
MASK = np.zeros((512, 512), np.uint8)
MASK[100:200, 100:200] = 255


def plan(family: str = "sd1", *, pictures: dict[str, Any] | None = None, **options: Any) -> Drawing:
    options = {"prompt": "a cat", "seed": 7, "hires": 2, **options}
    request = DrawRequest(pictures=PictureOptions(**pictures or {}), **options)
    return plan_drawing(request, model(family))


def hires(family: str = "sd1", **options: Any) -> HiresSettings:
    found = plan(family, **options).settings[0].hires
    assert found is not None
    return found


def test_without_hires_there_is_no_second_pass() -> None:
    assert plan(hires=None).settings[0].hires is None


def test_defaults() -> None:
    drawing = plan(count=2)
    assert [(each.width, each.height, each.seed) for each in drawing.settings] == [
        *((512, 512, 7), (512, 512, 8))
    ]
    expected = HiresSettings(
        scale=2, width=1024, height=1024, upscaler="lanczos", steps=10, strength=0.5
    )
    assert [each.hires for each in drawing.settings] == [expected] * 2
    assert drawing.notes == ()
    assert describe_size(drawing.settings[0]) == [
        "512x512",
        "hires 1024x1024 (lanczos, 10 steps, strength 0.5)",
    ]


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({}, 10),
        ({"sample_steps": 30}, 15),
        ({"sample_steps": 4}, 4),
        ({"hires_strength": 0.25}, 5),
        ({"hires_strength": 1}, 20),
        ({"hires_strength": 0}, 1),
        ({"hires_steps": 7}, 7),
        ({"hires_steps": 1}, 1),
        ({"hires_steps": 7, "hires_strength": 0}, 1),
    ],
)
def test_the_steps_that_are_run(options: dict[str, Any], steps: int) -> None:
    assert hires(**options).steps == steps
    # The recorded number draws the same again.
    assert hires(**{**options, "hires_steps": steps}) == hires(**options)


def test_the_size_is_rounded_up_to_what_the_model_needs() -> None:
    drawing = plan(size=(512, 768), hires=1.3)
    found = drawing.settings[0].hires
    assert found is not None
    assert (found.width, found.height) == (704, 1024)
    assert drawing.notes == (
        "666x998 was rounded up to 704x1024: this model needs multiples of 64",
    )
    exact = plan("sd3", size=(512, 768), hires=1.25)
    assert not any("rounded up" in note for note in exact.notes)


def test_it_starts_from_what_an_input_picture_became() -> None:
    drawing = plan(pictures={"image": noise(500, 300), "strength": 0.3})
    (settings,) = drawing.settings
    assert (settings.width, settings.height, settings.strength) == (448, 256, 0.3)
    assert settings.hires is not None
    assert (settings.hires.width, settings.hires.height) == (896, 512)


@pytest.mark.parametrize("upscaler", ["lanczos", "latent"])
@pytest.mark.parametrize("family", [name for name, each in FAMILIES.items() if not each.why_not])
def test_every_family_draws_it_or_is_refused(family: str, upscaler: str) -> None:
    pictures = FAMILIES[family].pictures
    inputs = {"image": SQUARE, "mask": MASK} if "mask" in pictures.required else {}
    if "reference" in pictures.required:
        inputs = {"image": SQUARE}
    size = {} if inputs else {"size": (512, 512)}
    if pictures.start and (upscaler == "lanczos" or not pictures.concatenated):
        assert hires(family, hires_upscaler=upscaler, pictures=inputs, **size).width >= 1024
        return
    with pytest.raises(UsageError):
        plan(family, hires_upscaler=upscaler, pictures=inputs, **size)


@pytest.mark.parametrize(
    ("family", "options", "message", "hint", "argument"),
    [
        (
            "wan",
            {},
            "Wan starts from no picture, and the second pass starts from one",
            "draw one pass: --no-hires",
            "hires",
        ),
        (
            "sd1",
            {"size": (4096, 512), "hires": 4},
            "4 times 4096x512 is 16384x2048: a side can have 8192 pixels at most",
            "draw a smaller picture with --size, or choose a smaller --hires",
            "hires",
        ),
        (
            "sd1",
            {"hires": 1.0001},
            "1.0001 times 512x512 is not larger: this model needs multiples of 64",
            "choose a larger --hires",
            "hires",
        ),
        (
            "sd1",
            {"pictures": {"image": SQUARE, "mask": MASK, "masked_only": 8}},
            "hires cannot enlarge a masked area that is drawn alone",
            "leave --masked-only out: then all of the picture is enlarged",
            "hires",
        ),
        (
            "sd1",
            {"pictures": {"image": SQUARE, "mask": MASK}, "hires_upscaler": "latent"},
            "a latent upscaler cannot keep the picture outside of the mask",
            "type --hires-upscaler lanczos",
            "hires_upscaler",
        ),
        (
            "flux1-fill",
            {"pictures": {"image": SQUARE, "mask": MASK}, "hires_upscaler": "latent"},
            "a latent upscaler cannot keep the picture outside of the mask",
            "type --hires-upscaler lanczos",
            "hires_upscaler",
        ),
        (
            "flux1-controls",
            {"pictures": {"image": SQUARE}, "hires_upscaler": "latent"},
            "FLUX.1 Control takes pictures of the latent's size, so its latent cannot be enlarged",
            "type --hires-upscaler lanczos",
            "hires_upscaler",
        ),
        (
            "sd1",
            {"scheduler": "karras", "hires_steps": 1, "hires_strength": 1},
            "scheduler 'karras' cannot draw in one step",
            "type --hires-steps 2 or more, or another --scheduler",
            "hires_steps",
        ),
    ],
)
def test_a_second_pass_that_cannot_be_drawn(
    family: str, options: dict[str, Any], message: str, hint: str, argument: str
) -> None:
    with pytest.raises(UsageError) as caught:
        plan(family, **options)
    assert caught.value.message == message
    assert with_options(caught.value.hint) == hint
    assert caught.value.argument == argument


def test_only_latent_upscalers_do_without_the_encoder() -> None:
    found = replace(model("sd1"), decoder_only="taesd_decoder.safetensors")
    request = DrawRequest(prompt="a cat", hires=2)
    with pytest.raises(ModelFileError) as caught:
        plan_drawing(request, found)
    assert caught.value.message == (
        "'taesd_decoder.safetensors' has no encoder, with which Stable Diffusion 1 reads pictures"
    )
    latent = replace(request, hires_upscaler="latent")
    assert plan_drawing(latent, found).settings[0].hires is not None


def test_full_strength_is_noted_where_nothing_remains() -> None:
    note = "with hires_strength=1 nothing of the first pass remains; lower values keep more"
    assert plan("flux1", hires_strength=1).notes[-1:] == (note,)
    assert plan("sd1", hires_strength=1).notes == ()


def test_an_upscaling_model_is_found_and_checked(tmp_path: Path) -> None:
    path = write_weights(tmp_path / "4x-Test.safetensors", random_weights(1, 4, seed=1))
    drawing = plan(hires_upscaler=str(path))
    assert drawing.upscaler is not None
    assert drawing.upscaler.path == path
    found = drawing.settings[0].hires
    assert found is not None
    assert (found.upscaler, found.reference, found.is_latent) == ("4x-Test", "", False)
    assert plan().upscaler is None
    with pytest.raises(DrawError) as caught:
        plan(hires_upscaler=str(tmp_path / "missing.pth"))
    assert caught.value.argument == "hires_upscaler"
    other = write_weights(tmp_path / "other.safetensors", {"a": np.zeros((2, 2), np.float32)})
    with pytest.raises(DrawError) as caught:
        plan(hires_upscaler=str(other))
    assert caught.value.argument == "hires_upscaler"
