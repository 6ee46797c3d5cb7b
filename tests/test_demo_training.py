"""Tests of the random edits that the demo model is trained with."""

import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from train_demo_model.edits import Edit, EditMaker
from train_demo_model.scenes import SLOTS, Scene
from train_demo_model.vocabulary import WORDS

#: The longest caption that the training passes to the model whole.
CAPTION_WORDS = 14


@pytest.fixture(scope="module")
def edits() -> list[Edit]:
    maker = EditMaker(random.Random(3))
    return [maker.make() for _ in range(3000)]


def words(edit: Edit) -> list[str]:
    return [WORDS[row - 1] for row in edit.after.caption]


def look(scene: Scene) -> tuple[str, tuple[float, float, float], list[tuple[object, ...]]]:
    return scene.background, scene.tint, sorted(tuple(thing) for thing in scene.objects)


def test_objects_stay_inside_the_picture_and_apart(edits: list[Edit]) -> None:
    for edit in edits:
        for scene in (edit.before, edit.after):
            boxes = []
            for thing in scene.objects:
                center = [SLOTS[thing.slot][axis] + scene.shift[axis] for axis in (0, 1)]
                radius = SLOTS[thing.slot][2]
                assert all(radius <= one <= 1 - radius for one in center), edit
                boxes.append((*center, radius))
            for i, (x, y, radius) in enumerate(boxes):
                for other_x, other_y, other_radius in boxes[:i]:
                    apart = max(abs(x - other_x), abs(y - other_y))
                    assert apart > radius + other_radius, edit


def test_a_picture_has_at_most_two_shades_besides_the_background(edits: list[Edit]) -> None:
    for edit in edits:
        for scene in (edit.before, edit.after):
            assert len({(thing.color, thing.tint) for thing in scene.objects}) <= 2
            assert scene.background not in {thing.color for thing in scene.objects}


def test_an_instruction_is_short_and_names_what_changes(edits: list[Edit]) -> None:
    for edit in edits:
        assert len(edit.after.caption) <= CAPTION_WORDS
        if look(edit.before) != look(edit.after):
            assert edit.after.caption
        if edit.before.background != edit.after.background:
            assert edit.after.background in words(edit)
        old = {thing.name for thing in edit.before.objects}
        assert {thing.name for thing in edit.after.objects} - old <= set(words(edit))


def test_what_is_kept_is_equal_in_both_pictures(edits: list[Edit]) -> None:
    for edit in edits:
        assert edit.before.shift == edit.after.shift
        if edit.before.background == edit.after.background and "add" not in words(edit):
            kept = set(edit.before.objects) & set(edit.after.objects)
            changed = len(edit.before.objects) - len(kept)
            is_equal_group = len({(one.name, one.color) for one in edit.before.objects}) == 1
            assert is_equal_group or changed <= 1
