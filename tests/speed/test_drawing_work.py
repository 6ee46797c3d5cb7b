"""The work of a drawing: units that take the same time are equal, whatever drawing has them."""

import numpy as np
import pytest
from resolved_models import model

from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.request.draw_request import DrawRequest
from gpustack_draw.request.draw_settings import DrawSettings
from gpustack_draw.resolver.plan_drawing import plan_drawing
from gpustack_draw.speed.drawing_work import PhaseWork, drawing_work

SD1 = model("sd1")


def settings(side: int, **options: object) -> DrawSettings:
    request = DrawRequest(prompt="a cat", size=(side, side), **options)  # type: ignore[arg-type]
    return plan_drawing(request, SD1).settings[0]


def phase(name: str, work: tuple[PhaseWork, ...]) -> PhaseWork:
    (found,) = (each for each in work if each.phase == name)
    return found


def test_a_tile_takes_as_long_as_a_picture_of_its_size() -> None:
    whole = phase("decode", drawing_work(SD1, settings(512)))
    tiled = phase("decode", drawing_work(SD1, settings(1024), vae_tile=512))
    assert (tiled.network, tiled.operations) == (whole.network, whole.operations)
    assert (whole.units, tiled.units) == (1, 9)


def test_a_picture_is_encoded_in_fewer_and_larger_tiles() -> None:
    pictures = EnginePictures(image=np.zeros((1024, 1024, 3), np.uint8))
    work = drawing_work(SD1, settings(1024), pictures, vae_tile=512)
    encoding, decoding = phase("encode_pictures", work), phase("decode", work)
    assert encoding.units < decoding.units
    encoded, decoded = (each.units * each.operations for each in (encoding, decoding))
    assert encoded == pytest.approx(decoded, rel=0.25)


def test_whole_pictures_are_encoded_in_one_phase() -> None:
    """The engine reports the seconds of all of them, which are recorded for a single phase."""
    references = tuple(np.zeros((256, side, 3), np.uint8) for side in (256, 512))
    work = drawing_work(SD1, settings(512), EnginePictures(references=references))
    whole = phase("decode", drawing_work(SD1, settings(512)))
    assert phase("encode_pictures", work).operations == pytest.approx(
        whole.operations * 3 / 4, rel=0.05
    )


def test_both_passes_are_cut_into_tiles() -> None:
    work = drawing_work(SD1, settings(512, hires=2), vae_tile=512)
    assert [each.units for each in work if each.phase == "decode"] == [1, 9]
