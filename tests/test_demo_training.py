"""Tests of the random edits that the demo model is trained with."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from train_demo_model.edits import KINDS, SLOT_COUNT, Edit, EditMaker, result_caption
from train_demo_model.scenes import MAX_OBJECTS, SLOT_NAMES, SLOTS, Scene, lay_out
from train_demo_model.vocabulary import COLORS, OBJECT_NAMES, WORDS

#: The longest caption that the training passes to the model whole.
CAPTION_WORDS = 14


@pytest.fixture(scope="module")
def edits() -> list[Edit]:
    maker = EditMaker(random.Random(3), displaced=0.5)
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


def test_the_types_of_edits_are_named(edits: list[Edit]) -> None:
    """Validation measures each type."""
    assert {edit.kind for edit in edits} == set(KINDS)
    for edit in edits:
        if look(edit.before) == look(edit.after):
            assert edit.kind in {"keep", "move", "resize"}
        if edit.kind == "remove":
            assert len(edit.after.objects) < len(edit.before.objects)


def test_a_layout_has_the_objects_of_its_scenes(edits: list[Edit]) -> None:
    """A GPU paints pictures from layouts alone."""
    variations = 3
    scenes = [edit.before for edit in edits]
    layout = lay_out(scenes, variations)
    empty = len(OBJECT_NAMES) * len(SLOT_NAMES) * variations
    for i, scene in enumerate(scenes):
        names = [
            OBJECT_NAMES[j // (len(SLOT_NAMES) * variations)] for j in layout.masks[i] if j < empty
        ]
        assert names == [thing.name for thing in scene.objects]
        assert list(layout.masks[i][len(names) :]) == [empty] * (MAX_OBJECTS - len(names))
        for thing, shade in zip(scene.objects, layout.shades[i], strict=False):
            color = np.clip(np.array(COLORS[thing.color]) / 255 + thing.tint, 0, 1)
            assert layout.grounds[i] + shade == pytest.approx(color, abs=1e-6)


def test_a_caption_determines_its_scene(edits: list[Edit]) -> None:
    """The model draws results from captions: equal ones must not stand for different scenes."""
    seen: dict[tuple[int, ...], object] = {}
    for edit in edits:
        scene = edit.after
        caption = tuple(result_caption(scene))
        assert len(caption) == SLOT_COUNT
        things = sorted((one.name, one.color, one.slot) for one in scene.objects)
        assert seen.setdefault(caption, (scene.background, things)) == (scene.background, things)


def test_a_caption_names_what_the_scene_shows(edits: list[Edit]) -> None:
    for edit in edits:
        named = {WORDS[row - 1] for row in result_caption(edit.after) if row}
        assert {edit.after.background, "background"} <= named
        for thing in edit.after.objects:
            assert {thing.name, thing.color} <= named
