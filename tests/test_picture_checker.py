"""Tests of the picture checker with rasterized pictures, correct and wrong ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import picture_checker as checker
import pytest
from PIL import Image

NAMES = list(checker.INSIDE)


@pytest.mark.parametrize("name", NAMES)
def test_every_object_is_read(name):
    reading = checker.read_picture(checker.rasterized([(name, "red", 0.5, 0.5, 0.47)], "gray"))
    assert reading.background == "gray"
    (found,) = reading.objects
    assert (found.name, found.color, found.place, found.size) == (name, "red", "center", "normal")
    assert found.iou > 0.97


@pytest.mark.parametrize("name", NAMES)
def test_small_and_blurred_objects_are_distinguished(name):
    picture = checker.rasterized([(name, "black", 0.5, 0.172, 0.284)], "yellow", side=128)
    blurred = picture.resize((64, 64), Image.Resampling.BOX).resize((128, 128))
    (found,) = checker.read_picture(blurred).objects
    assert (found.name, found.place, found.size) == (name, "top", "small")


@pytest.mark.parametrize(("color", "background"), list(itertools.permutations(checker.COLORS, 2)))
def test_every_pair_of_colors_is_read(color, background):
    picture = checker.rasterized([("star", color, 0.5, 0.5, 0.5)], background, side=64, soft=4)
    reading = checker.read_picture(picture)
    assert reading.background == background
    assert [found.color for found in reading.objects] == [color]


@pytest.mark.parametrize(
    ("x", "y", "place"),
    [
        (0.255, 0.5, "left"),
        (0.65, 0.5, "right"),
        (0.5, 0.35, "top"),
        (0.52, 0.83, "bottom"),
        (0.53, 0.48, "center"),
    ],
)
def test_places(x, y, place):
    (found,) = checker.read_picture(checker.rasterized([("cup", "blue", x, y, 0.3)])).objects
    assert found.place == place


@pytest.mark.parametrize(
    ("longer", "size"), [(0.27, "small"), (0.4, "normal"), (0.49, "normal"), (0.63, "big")]
)
def test_sizes(longer, size):
    (found,) = checker.read_picture(
        checker.rasterized([("fish", "green", 0.5, 0.5, longer)])
    ).objects
    assert found.size == size


def test_two_objects_and_their_order():
    things = [("moon", "yellow", 0.745, 0.5, 0.41), ("house", "brown", 0.255, 0.5, 0.41)]
    reading = checker.read_picture(checker.rasterized(things, "blue"))
    assert [(o.name, o.color, o.place) for o in reading.objects] == [
        ("house", "brown", "left"),
        ("moon", "yellow", "right"),
    ]


def test_three_objects_are_counted():
    things = [("tree", "green", x, 0.5, 0.284) for x in (0.172, 0.5, 0.828)]
    reading = checker.read_picture(checker.rasterized(things, "pink"))
    assert [o.name for o in reading.objects] == ["tree"] * 3


def test_an_empty_picture_has_no_objects():
    reading = checker.read_picture(checker.rasterized([], "purple"))
    assert reading == checker.Reading("purple", ())


def test_noise_and_specks_are_not_objects():
    pixels = np.asarray(checker.rasterized([("ring", "orange", 0.5, 0.5, 0.47)], "black")).astype(
        float
    )
    pixels += np.random.default_rng(1).normal(0, 4, pixels.shape)
    pixels[10:14, 10:14] = 255
    picture = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
    (found,) = checker.read_picture(picture).objects
    assert (found.name, found.color) == ("ring", "orange")


def test_a_wrong_color_is_noticed():
    (found,) = checker.read_picture(checker.rasterized([("heart", "pink", 0.5, 0.5, 0.47)])).objects
    assert found.color != "red"


@pytest.mark.parametrize(
    ("drawn", "expected"),
    [("circle", "ring"), ("square", "diamond"), ("sun", "star"), ("heart", "mushroom")],
)
def test_a_wrong_shape_is_noticed(drawn, expected):
    (found,) = checker.read_picture(checker.rasterized([(drawn, "red", 0.5, 0.5, 0.47)])).objects
    assert found.name == drawn
    mask = np.asarray(checker.rasterized([(drawn, "black", 0.5, 0.5, 0.47)]))[:, :, 0] < 128
    assert checker.template_iou(mask, expected) < 0.85


def test_a_wobbly_outline_lowers_the_overlap():
    line = (np.arange(256) + 0.5) / 128 - 1
    xs, ys = np.meshgrid(line, line)
    angle, radius = np.arctan2(ys, xs), np.hypot(xs, ys)
    smooth = checker.template_iou(radius < 0.5, "circle")
    wobbly = checker.template_iou(radius < 0.5 * (1 + 0.12 * np.sin(7 * angle)), "circle")
    assert smooth > 0.98
    assert wobbly < 0.93


def test_half_an_object_is_not_that_object():
    picture = np.asarray(checker.rasterized([("circle", "red", 0.5, 0.5, 0.47)])).copy()
    picture[128:] = 250
    (found,) = checker.read_picture(Image.fromarray(picture)).objects
    assert found.name != "circle" or found.iou < 0.8


def test_templates_differ_from_each_other():
    size = 96
    line = (np.arange(size) + 0.5) / size
    xs, ys = np.meshgrid(line, line)
    for name in NAMES:
        frame = checker._FRAMES[name]
        scale = frame.longer / 0.9
        mask = checker.INSIDE[name]((xs - 0.5) * scale + frame.x, (ys - 0.5) * scale + frame.y)
        for other in NAMES:
            overlap = checker.template_iou(mask, other)
            assert (overlap > 0.96) if other == name else (overlap < 0.87), (name, other, overlap)


def test_components_join_across_rows():
    mask = np.zeros((6, 8), bool)
    mask[1, 1:3] = mask[1, 5:7] = True
    mask[2, 1:7] = True  # joins both
    mask[5, 0] = True
    assert [int(part.sum()) for part in checker.components(mask)] == [10, 1]


def test_frames_are_finite():
    assert all(math.isfinite(frame.area) for frame in checker._FRAMES.values())


def test_the_color_of_the_background():
    things = [("circle", "red", 0.5, 0.5, 0.9)]
    for name, color in checker.COLORS.items():
        assert checker.background_color(checker.rasterized(things, name)).tolist() == list(color)
