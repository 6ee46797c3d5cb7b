"""Pictures that do not fit are refused before a model is loaded; the numbers beside the others."""

import numpy as np
import pytest
from resolved_models import model

from gpustack_draw.engine.picture_numbers import check_pictures, picture_numbers
from gpustack_draw.errors import UsageError
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.choose_settings import choose_settings
from gpustack_draw.resolver.families import FAMILIES


def picture(width: int, height: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    return np.zeros((height, width, 3), np.uint8)


def settings_of(family: str, steps: int = 20) -> DrawSettings:
    request = DrawRequest(prompt="x", size=(512, 256), sample_steps=steps, scheduler="discrete")
    return choose_settings(request, model(family))[0][0]


@pytest.mark.parametrize(
    ("family", "pictures", "message"),
    [
        (
            "sd1",
            EnginePictures(image=picture(256, 512)),
            "image is 256x512, but the drawing is 512x256",
        ),
        (
            "flux2-klein",
            EnginePictures(references=(picture(64, 64), picture(100, 90))),
            "reference 2 is 100x90, but its sides must be multiples of 16",
        ),
        (
            "qwen-image",
            EnginePictures(references=(picture(48, 64),)),
            "reference 1 is 48x64, but its sides must be multiples of 32",
        ),
    ],
)
def test_wrong_sizes(family: str, pictures: EnginePictures, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_pictures(pictures, settings_of(family), FAMILIES[family])
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("family", "pictures", "message"),
    [
        ("z-image", EnginePictures(references=(picture(64, 64),)), "takes no references"),
        ("sd1", EnginePictures(references=(picture(64, 64),)), "takes no references"),
        ("wan", EnginePictures(image=picture(512, 256)), "cannot start from a picture"),
        ("sd1", EnginePictures(control=picture(512, 256)), "takes no control picture"),
    ],
)
def test_families_that_cannot(family: str, pictures: EnginePictures, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_pictures(pictures, settings_of(family), FAMILIES[family])
    assert caught.value.message == f"{FAMILIES[family].title} {message}"


def test_pictures_that_fit() -> None:
    pictures = EnginePictures(image=picture(512, 256), references=(picture(64, 32),))
    check_pictures(pictures, settings_of("flux2-klein"), FAMILIES["flux2-klein"])


def test_numbers_of_a_strength() -> None:
    pictures = EnginePictures(image=picture(512, 256))
    numbers = picture_numbers(pictures, settings_of("sd1"), FAMILIES["sd1"], 0.5)
    assert numbers == {"sample_steps": 20, "strength": 9.5 / 20}
    default = picture_numbers(pictures, settings_of("sd1"), FAMILIES["sd1"], None)
    assert default == {"sample_steps": 20, "strength": 14.5 / 20}


def test_several_references_are_numbered_where_the_engine_must_be_asked() -> None:
    def numbers(family: str, count: int) -> dict[str, float]:
        pictures = EnginePictures(references=(picture(64, 64),) * count)
        return picture_numbers(pictures, settings_of(family), FAMILIES[family], None)

    assert numbers("flux1", 1) == {}
    assert numbers("flux1", 2) == {"increase_ref_index": 1}
    assert numbers("flux2-klein", 2) == {}
