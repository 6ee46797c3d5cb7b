"""A request with input pictures becomes settings and prepared pictures, or is refused."""

from typing import Any

import numpy as np
import pytest
from input_files import noise
from resolved_models import model

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import UsageError
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import PictureSettings, describe_mode
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.resolver.plan_drawing import Drawing, plan_drawing, rules_of

SQUARE = noise(512, 512)
MASK = np.zeros((512, 512), np.uint8)
MASK[100:200, 100:200] = 255


def plan(family: str = "sd1", *, size: Any = None, count: int = 1, **pictures: Any) -> Drawing:
    request = DrawRequest(
        prompt="a cat", size=size, count=count, seed=7, pictures=PictureOptions(**pictures)
    )
    return plan_drawing(request, model(family))


def test_a_request_without_pictures_has_none() -> None:
    drawing = plan()
    (settings,) = drawing.settings
    assert (settings.mode, settings.strength, settings.references) == ("txt2img", None, 0)
    assert (settings.pictures, drawing.pictures) == (None, None)
    assert describe_mode(settings) == []


@pytest.mark.parametrize(
    ("family", "pictures", "described"),
    [
        ("sd1", {"image": SQUARE}, ["img2img", "strength 0.75"]),
        ("sd1", {"image": SQUARE, "strength": 0.3}, ["img2img", "strength 0.3"]),
        ("sd1", {"image": SQUARE, "mask": MASK}, ["inpaint", "strength 0.75"]),
        ("sd1-inpaint", {"image": SQUARE, "mask": MASK}, ["inpaint", "strength 1"]),
        ("sd1", {"image": SQUARE, "expand": 64}, ["inpaint", "strength 0.75"]),
        ("flux2-klein", {"image": SQUARE}, ["edit", "1 reference picture"]),
        ("flux2-klein", {"ref_image": [SQUARE, SQUARE]}, ["edit", "2 reference pictures"]),
        (
            "flux2-klein",
            {"image": SQUARE, "ref_image": SQUARE, "strength": 0.5},
            ["img2img", "strength 0.5", "1 reference picture"],
        ),
    ],
)
def test_the_mode_and_the_strength(
    family: str, pictures: dict[str, Any], described: list[str]
) -> None:
    assert describe_mode(plan(family, **pictures).settings[0]) == described


def test_every_picture_has_the_size_of_the_input() -> None:
    drawing = plan(image=noise(500, 300), count=3)
    assert [(each.width, each.height, each.seed) for each in drawing.settings] == [
        *((448, 256, 7), (448, 256, 8), (448, 256, 9))
    ]
    assert drawing.pictures is not None
    assert drawing.pictures.size == (448, 256)
    assert "the picture is cropped from 500x300 to 448x256: this model needs multiples of 64" in (
        drawing.notes
    )


def test_a_size_that_follows_from_the_picture_changes_nothing() -> None:
    """The recorded size draws a picture again from the same input."""
    for pictures in (
        {"image": noise(500, 300)},
        {"image": noise(300, 300), "expand": "0,100,0,0"},
        {"image": SQUARE, "mask": MASK, "masked_only": True},
    ):
        free = plan(**pictures)
        assert free.pictures is not None
        same = plan(size=free.pictures.size, **pictures)
        assert same.pictures is not None
        assert np.array_equal(same.pictures.engine.image, free.pictures.engine.image)
        assert same.notes == free.notes


def test_another_size_fits_the_picture() -> None:
    drawing = plan(size=(500, 256), image=SQUARE)
    assert drawing.pictures is not None
    assert drawing.pictures.size == (512, 256)
    assert list(map(with_options, drawing.notes))[:2] == [
        "the picture is cropped from 512x512 to 512x256: --fit pad keeps all of it",
        "500x256 was rounded up to 512x256: this model needs multiples of 64",
    ]


def test_pictures_are_recorded_by_their_hashes() -> None:
    drawing = plan(image=SQUARE, mask=MASK, masked_only=16, mask_invert=True)
    recorded = drawing.settings[0].pictures
    assert recorded is not None
    assert (len(recorded.image_hash), len(recorded.mask_hash)) == (12, 12)
    assert recorded == PictureSettings(
        image_hash=recorded.image_hash,
        mask_hash=recorded.mask_hash,
        mask_invert=True,
        mask_blur=4,
        masked_only=16,
    )


@pytest.mark.parametrize(
    ("family", "pictures", "message"),
    [
        ("z-image", {"ref_image": SQUARE}, "Z-Image takes no reference pictures"),
        ("sdxl", {"control_image": SQUARE}, "Stable Diffusion XL takes no control picture"),
        (
            "sd1",
            {"control_image": SQUARE},
            "Stable Diffusion 1 follows a control picture with a ControlNet, and none is named",
        ),
        ("wan", {"image": SQUARE}, "Wan takes no pictures here: it draws from the prompt alone"),
        (
            "sd1-inpaint",
            {"image": SQUARE},
            "Stable Diffusion 1 inpainting redraws a part of a picture, and no mask is named",
        ),
        (
            "sd1",
            {"image": [SQUARE, SQUARE]},
            "Stable Diffusion 1 starts from one picture, and 2 are named",
        ),
    ],
)
def test_a_family_that_cannot(family: str, pictures: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        plan(family, **pictures)
    assert caught.value.message == message


def test_references_have_a_size_that_the_engine_accepts() -> None:
    """It checks multiples of 16 for all families."""
    for family in ("flux1", "flux2-klein", "qwen-image"):
        assert rules_of(model(family)).reference_multiple % 16 == 0
