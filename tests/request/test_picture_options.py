"""Tests of the options for input pictures: parsing, checks, and what an option needs."""

import numpy as np
import pytest

from gpustack_draw.cli.option_names import with_options
from gpustack_draw.errors import UsageError
from gpustack_draw.request.picture_options import PictureOptions
from gpustack_draw.request.picture_values import (
    check_expand,
    check_masked_only,
    parse_expand,
    parse_fit,
    parse_padding,
)

EXPAND_HINT = (
    "pixels to add on each side, each 0 to 8192 and not all 0: one number, or four as"
    " TOP,RIGHT,BOTTOM,LEFT"
)


@pytest.mark.parametrize(
    ("text", "sides"),
    [
        ("128,0,128,0", (128, 0, 128, 0)),
        (" 1, 2 ,3,4 ", (1, 2, 3, 4)),
        ("64", (64, 64, 64, 64)),
        ("0,8192,0,0", (0, 8192, 0, 0)),
    ],
)
def test_sides_to_expand_are_parsed(text: str, sides: tuple[int, ...]) -> None:
    assert parse_expand(text) == sides
    assert check_expand(text) == sides
    assert check_expand(list(sides)) == sides
    assert check_expand(np.array(sides)) == sides


@pytest.mark.parametrize(
    "value",
    [
        *("", "1,2", "1,2,3", "1,2,3,4,5", "0", "0,0,0,0", "-1,0,0,0", "8193,0,0,0", "a", "1,,2,3"),
        *("1.5,0,0,0", "9" * 5000, (1, 2), (0, 0, 0, 0), (-1, 0, 0, 1), (1.5, 0, 0, 0), True, 1.5),
        *((), (True, 0, 0, 0), ("1", 0, 0, 0), -5, b"12", {}),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_sides_that_cannot_be_expanded_have_a_message(value: object) -> None:
    with pytest.raises(UsageError, match=r"is not TOP,RIGHT,BOTTOM,LEFT") as caught:
        check_expand(value)
    assert caught.value.hint == EXPAND_HINT
    assert caught.value.argument == "expand"
    assert len(caught.value.message) < 150


def test_the_message_repeats_what_was_typed() -> None:
    with pytest.raises(UsageError) as caught:
        parse_expand("10,20")
    assert caught.value.message == "'10,20' is not TOP,RIGHT,BOTTOM,LEFT"
    with pytest.raises(UsageError) as caught:
        parse_fit("Zoom")
    assert caught.value.message == "'Zoom' is not crop, pad or stretch"
    assert caught.value.hint == (
        "crop cuts off what is too much, pad adds a border, stretch changes the shape"
    )
    assert parse_fit(" PAD ") == "pad"


@pytest.mark.parametrize(
    ("value", "padding"), [(True, 32), (False, None), (None, None), (0, 0), (np.int64(8192), 8192)]
)
def test_the_padding_of_a_masked_area(value: object, padding: int | None) -> None:
    assert check_masked_only(value) == padding


def test_a_typed_padding() -> None:
    assert [parse_padding(text) for text in ("0", " 16 ", "8192")] == [0, 16, 8192]


@pytest.mark.parametrize("text", ["", "-1", "8193", "1.5", "x", "9" * 5000])
def test_a_padding_that_is_no_number_of_pixels_has_a_message(text: str) -> None:
    for check in (parse_padding, check_masked_only):
        with pytest.raises(UsageError, match="is not a number of pixels from 0 to 8192") as caught:
            check(text)
        assert caught.value.hint == "pixels around the mask, 0 to 8192, for example 32"
        assert caught.value.argument == "masked_only"


def test_one_picture_or_a_list_becomes_a_tuple() -> None:
    array = np.zeros((4, 4, 3), np.uint8)
    assert PictureOptions(image="a.png").image == ("a.png",)
    assert PictureOptions(image=["a.png", b"b"], ref_image=("c",)).image == ("a.png", b"b")
    assert PictureOptions(image=array).image[0] is array
    assert PictureOptions(image=None, ref_image=None).image == ()
    assert not PictureOptions()
    assert PictureOptions(ref_image="a.png")
    assert PictureOptions(control_image="a.png", fit="pad")


def test_values_are_stored_in_one_form() -> None:
    options = PictureOptions(image="a.png", expand=8, masked_only=True, mask_blur=np.int64(3))
    assert (options.expand, options.sides) == ((8, 8, 8, 8), (8, 8, 8, 8))
    assert (options.masked_only, options.mask_blur) == (32, 3)
    assert PictureOptions(image="a.png").sides == (0, 0, 0, 0)
    assert PictureOptions(image="a.png", mask="alpha").mask_is_alpha
    assert not PictureOptions(image="a.png", mask="./alpha").mask_is_alpha
    assert not PictureOptions(image="a.png", mask=np.zeros((2, 2))).mask_is_alpha


NAME_IMAGE = ("name the picture with image", "name the picture with --image")
NAME_CONTROL = (
    "name the picture with control_image",
    "name the picture with --control-image",
)
NAME_MASK = ("name the area to redraw with mask", "name the area to redraw with --mask")


@pytest.mark.parametrize(
    ("options", "message", "hints"),
    [
        ({"strength": 0.5}, "strength needs the picture to start from", NAME_IMAGE),
        ({"mask": "m.png"}, "mask needs the picture whose part it marks", NAME_IMAGE),
        ({"mask": "alpha"}, "mask needs the picture whose part it marks", NAME_IMAGE),
        ({"expand": "8"}, "expand needs the picture to expand", NAME_IMAGE),
        ({"fit": "pad"}, "fit needs a picture", NAME_IMAGE),
        (
            {"strength": 0.5, "ref_image": "a.png"},
            "strength needs the picture to start from",
            NAME_IMAGE,
        ),
        ({"canny": True}, "canny needs a control picture", NAME_CONTROL),
        (
            {"image": "a.png", "control_strength": 0},
            "control_strength needs a control picture",
            NAME_CONTROL,
        ),
        (
            {"image": "a.png", "mask": "m.png", "control_image": "c.png", "masked_only": 0},
            "masked_only cannot be used together with control_image",
            (
                "leave masked_only out: the whole picture is then drawn",
                "leave --masked-only out: the whole picture is then drawn",
            ),
        ),
        ({"image": "a.png", "mask_blur": 8}, "mask_blur needs a mask", NAME_MASK),
        ({"image": "a.png", "masked_only": True}, "masked_only needs a mask", NAME_MASK),
        ({"image": "a.png", "mask_invert": True}, "mask_invert needs a mask", NAME_MASK),
        (
            {"image": "a.png", "expand": 8, "mask_invert": True},
            "mask_invert needs a mask",
            NAME_MASK,
        ),
    ],
)
def test_an_option_without_what_it_needs_has_a_message(
    options: dict, message: str, hints: tuple[str, str]
) -> None:
    with pytest.raises(UsageError) as caught:
        PictureOptions(**options)
    error = caught.value
    assert (error.message, error.hint, with_options(error.hint)) == (message, *hints)
    assert error.argument == message.split(maxsplit=1)[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mask_invert": "yes"}, "'yes' is not True or False"),
        ({"canny": 1}, "1 is not True or False"),
        ({"control_strength": 2.1}, "2.1 is not a control strength from 0 to 2"),
        ({"control_strength": -0.1}, "-0.1 is not a control strength from 0 to 2"),
        ({"control_strength": float("nan")}, "nan is not a control strength from 0 to 2"),
        ({"control_strength": "1"}, "'1' is not a control strength from 0 to 2"),
        ({"mask_blur": 65}, "65 is not a mask blur from 0 to 64"),
        ({"mask_blur": -1}, "-1 is not a mask blur from 0 to 64"),
        ({"mask_blur": 1.5}, "1.5 is not a mask blur from 0 to 64"),
        ({"fit": "zoom"}, "'zoom' is not crop, pad or stretch"),
        ({"fit": 1}, "1 is not crop, pad or stretch"),
        ({"masked_only": -1}, "-1 is not a number of pixels from 0 to 8192"),
        ({"expand": (1, 2)}, "(1, 2) is not TOP,RIGHT,BOTTOM,LEFT"),
    ],
)
def test_a_value_that_is_not_allowed_has_a_message(options: dict, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        PictureOptions(image="a.png", mask="m.png", control_image="c.png", **options)
    assert caught.value.message == message
