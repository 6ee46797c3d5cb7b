"""The numbers that the engine needs beside input pictures."""

from dataclasses import replace

import numpy as np
from resolved_models import model

from gpustack_draw.engine.picture_numbers import picture_numbers
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


def test_numbers_of_a_strength() -> None:
    pictures = EnginePictures(image=picture(512, 256))
    numbers = picture_numbers(pictures, settings_of("sd1"), FAMILIES["sd1"], 0.5)
    assert numbers == {"sample_steps": 20, "strength": 9.5 / 20}
    default = picture_numbers(pictures, settings_of("sd1"), FAMILIES["sd1"], None)
    assert default == {"sample_steps": 20, "strength": 14.5 / 20}


def test_numbers_of_a_strength_with_noise_levels() -> None:
    """They are not replaced by a longer schedule, as few steps are otherwise."""
    request = DrawRequest(prompt="x", size=(512, 256), sigmas=(1, 0.9, 0.6, 0.3, 0))
    settings = choose_settings(request, model("flux1"))[0][0]
    pictures = EnginePictures(image=picture(512, 256))
    for strength, expected in ((0.5, 1.5 / 4), (0, 0.5 / 4), (1, 1.0)):
        numbers = picture_numbers(pictures, settings, FAMILIES["flux1"], strength)
        assert numbers == {"sample_steps": 4, "strength": expected}


def test_numbers_of_a_control_picture() -> None:
    pictures = EnginePictures(control=picture(512, 256))
    settings = replace(settings_of("sd1"), control_strength=0.0)
    assert picture_numbers(pictures, settings, FAMILIES["sd1"], None) == {"control_strength": 0}


def test_several_references_are_numbered_where_the_engine_must_be_asked() -> None:
    def numbers(family: str, count: int) -> dict[str, float]:
        pictures = EnginePictures(references=(picture(64, 64),) * count)
        return picture_numbers(pictures, settings_of(family), FAMILIES[family], None)

    assert numbers("flux1", 1) == {}
    assert numbers("flux1", 2) == {"increase_ref_index": 1}
    assert numbers("flux2-klein", 2) == {}
