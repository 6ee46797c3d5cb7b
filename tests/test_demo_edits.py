"""Tests of the scores of edited pictures, with exact, missing and damaging edits."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))

from demo_edits.inpainting import Inpainting, is_object_right, is_outside_equal, make_inpaintings
from demo_edits.instructions import Edit, Scene, Thing, make_edits
from demo_edits.scores import score

STAR = Thing("star", "red", "left")
HOUSE = Thing("house", "blue", "right")
BEFORE = Scene("white", (STAR, HOUSE))


def edit(after: Scene, requested: str) -> Edit:
    edited = tuple(set(BEFORE.things) ^ set(after.things))
    return Edit("", "", 0, BEFORE, after, edited, (requested,))


def parts(one: Edit, result: Image.Image) -> tuple[bool, bool, bool]:
    found = score(one, BEFORE.drawn(128), result)
    return found.changed, found.kept, found.pixels


GREEN_STAR = replace(BEFORE, things=(replace(STAR, color="green"), HOUSE))
RECOLORED = edit(GREEN_STAR, "color")


@pytest.mark.parametrize("one", make_edits(2, seed=3), ids=lambda one: f"{one.group}: {one.text}")
def test_the_exact_edit_is_right_and_the_source_is_not(one: Edit) -> None:
    source, exact = one.before.drawn(128), one.after.drawn(128)
    assert score(one, source, exact).right
    assert not score(one, source, source).changed


def test_a_change_of_the_other_object_does_not_keep_the_rest() -> None:
    after = Scene("white", (replace(STAR, color="green"), replace(HOUSE, color="pink")))
    assert parts(RECOLORED, after.drawn(128)) == (True, False, False)


def test_a_change_of_the_background_does_not_keep_the_rest() -> None:
    assert parts(RECOLORED, replace(GREEN_STAR, background="pink").drawn(128)) == (
        True,
        False,
        False,
    )


def test_a_removal_of_the_wrong_object_does_not_keep_the_rest() -> None:
    removed = edit(Scene("white", (HOUSE,)), "count")
    assert parts(removed, Scene("white", (HOUSE,)).drawn(128)) == (True, True, True)
    assert parts(removed, Scene("white", (STAR,)).drawn(128))[1] is False


def test_a_speck_and_another_outline_are_seen_in_the_pixels() -> None:
    pixels = np.asarray(GREEN_STAR.drawn(128)).copy()
    pixels[:20, 60:75] = 0
    assert parts(RECOLORED, Image.fromarray(pixels))[2] is False
    black = edit(replace(BEFORE, background="black"), "background")
    assert parts(black, replace(BEFORE, background="black").drawn(128)) == (True, True, True)
    moon = Scene("black", (STAR, Thing("moon", "blue", "right")))
    assert parts(black, moon.drawn(128)) == (True, False, False)


@pytest.mark.parametrize("one", make_inpaintings(4, seed=5), ids=lambda one: one.prompt)
def test_an_inpainting_needs_its_object_and_equal_pixels_outside(one: Inpainting) -> None:
    source, mask = one.before.drawn(128), one.mask(128)
    things = [
        one.expected if thing.place == one.expected.place else thing for thing in one.before.things
    ]
    exact = Image.composite(replace(one.before, things=tuple(things)).drawn(128), source, mask)
    assert is_object_right(one, exact)
    assert is_outside_equal(one, source, exact)
    assert not is_object_right(one, source)
    damaged = exact.copy()
    damaged.putpixel((1, 1), (1, 2, 3))
    assert not is_outside_equal(one, source, damaged)
