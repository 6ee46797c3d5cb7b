"""Tests of input pictures of clients: neither paths nor more pixels than the memory holds."""

import pytest
from hostile_requests import announced_png, png
from served import options_of

from gpustack_draw import DrawRequest, PictureOptions
from gpustack_draw.errors import UsageError
from gpustack_draw.serve.studio.references import References


def applied(**pictures: object) -> DrawRequest:
    request = DrawRequest(prompt="a cat", pictures=PictureOptions(**pictures))
    return References(options_of("demo")).applied(request)


def test_pictures_within_the_limit_pass() -> None:
    large = announced_png(9_000, 10_000)
    assert applied(image=[large, png()]).pictures.image == (large, png())


def test_all_pictures_of_a_request_are_limited_together() -> None:
    with pytest.raises(UsageError) as raised:
        applied(image=[announced_png(6000, 6000)] * 2, ref_image=[announced_png(6000, 6000)])
    assert (raised.value.message, raised.value.hint, raised.value.argument) == (
        "the pictures have 108 megapixels together, more than 100",
        "scale them down first",
        "image",
    )


def test_a_broken_picture_is_left_to_the_library() -> None:
    assert applied(image=[b"broken"]).pictures.image == (b"broken",)


def test_a_path_never_comes_from_a_client() -> None:
    with pytest.raises(TypeError):
        applied(image=["/etc/passwd"])
