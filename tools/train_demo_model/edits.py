"""Random edits: the scenes before and after, and the instruction as the caption of the latter.

An instruction names the attributes that change; everything else stays. Only words with a row
matter: "make the circle green" is "circle green", "put it on a black background" is "on black
background", "a big one" is "big".
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from train_demo_model.scenes import (
    OPPOSITE,
    PLACES,
    SHIFT,
    SLOTS,
    STRETCH,
    Scene,
    SceneMaker,
    Thing,
)
from train_demo_model.vocabulary import COLOR_NAMES, OBJECT_NAMES, OBJECTS, ROW

#: Types of edits and their shares by the number of objects: one, several equal, two different.
KINDS: dict[str, tuple[float, float, float]] = {
    "recolor": (0.14, 0.24, 0.30),
    "ground": (0.12, 0.16, 0.08),
    "remove": (0.07, 0.08, 0.08),
    "resize": (0.15, 0.0, 0.14),
    "move": (0.15, 0.0, 0.0),
    "exchange": (0.10, 0.20, 0.18),
    "add": (0.10, 0.0, 0.0),
    "both": (0.09, 0.24, 0.14),
    "describe": (0.04, 0.0, 0.0),
    "keep": (0.04, 0.08, 0.08),
}
SIZES = ("small", "", "big")
#: Share of pictures in shades beside the palette, the greatest difference of those, and the
#: greatest displacement of all objects.
VARIED, TINT, DISPLACED = 0.25, 0.06, 0.06
#: Distance of an object from the edge, at least.
MARGIN = 0.004

#: Places of the caption of a result: size, color, name and place of one object, the same of
#: another, the color of the background, and "background". The first is the last token of the
#: template.
SLOT_COUNT = 10

Words = list[str]


@dataclass(frozen=True)
class Edit:
    """The scenes before and after an edit; the caption of the latter is the instruction."""

    before: Scene
    after: Scene
    kind: str


def _parts(slot: str) -> tuple[str, str]:
    """Return place and size of a slot; a normal size is an empty string."""
    place, _, size = slot.partition(" ")
    return place, size


def _group(things: list[Thing]) -> int:
    """Return 0 for one object, 1 for several equal ones, 2 for different ones."""
    if len(things) == 1:
        return 0
    return 1 if len({(thing.name, thing.color) for thing in things}) == 1 else 2


class EditMaker:
    """Generator of random edits, reproducible from one random generator."""

    def __init__(self, rng: random.Random, displaced: float = 0.0) -> None:
        """Create a generator that uses only `rng`; `displaced` is the share of such pictures."""
        self.rng, self.displaced = rng, displaced
        self.scenes = SceneMaker(rng)
        self.makers: dict[str, Callable[[Scene, int], tuple[Scene, Words]]] = {
            "recolor": self._recolor,
            "ground": self._ground,
            "remove": self._remove,
            "resize": self._resize,
            "move": self._move,
            "exchange": self._exchange,
            "add": self._add,
            "both": self._both,
            "describe": self._describe,
            "keep": self._keep,
        }

    def make(self) -> Edit:
        """Return a random edit."""
        before = self._varied(self._start())
        kind, chosen = "add", 0
        if before.objects:
            group = _group(before.objects)
            kind = self.rng.choices(list(KINDS), [shares[group] for shares in KINDS.values()])[0]
            # The edited object; -1 stands for all equal objects.
            chosen = -1 if group == 1 else self.rng.randrange(len(before.objects))
        after, words = self.makers[kind](before, chosen)
        caption, gaps, trailing = self.scenes.spaced(words)
        before, after = self._displaced(before, after)
        return Edit(before, replace(after, caption=caption, gaps=gaps, trailing=trailing), kind)

    def _start(self) -> Scene:
        scene = self.scenes.make()
        if _group(scene.objects) < 2:  # the object that is meant is the hardest to learn
            scene = self.scenes.make()
        if self.rng.random() < 0.03:
            return replace(scene, objects=[])
        first = scene.objects[0]
        two = len(scene.objects) == 2 and scene.objects[1].name != first.name
        if two and self.rng.random() < 0.12:
            small = first._replace(slot=f"{first.slot} small")
            return replace(scene, objects=[small, scene.objects[1]])
        return scene

    def _varied(self, scene: Scene) -> Scene:
        """Change the shades of some pictures, so that colors must be copied."""
        if self.rng.random() > VARIED:
            return scene
        tints = {thing.color: self._tint() for thing in scene.objects}
        things = [thing._replace(tint=tints[thing.color]) for thing in scene.objects]
        return replace(scene, objects=things, tint=self._tint())

    def _tint(self) -> tuple[float, float, float]:
        red, green, blue = (self.rng.uniform(-TINT, TINT) for _ in range(3))
        return red, green, blue

    def _displaced(self, before: Scene, after: Scene) -> tuple[Scene, Scene]:
        """Displace the objects of some pictures, unless the edit names a place."""
        places = [{_parts(thing.slot)[0] for thing in scene.objects} for scene in (before, after)]
        if not places[1] <= places[0] or self.rng.random() >= self.displaced:
            return before, after
        shift = tuple(self._free_shift(axis, [*before.objects, *after.objects]) for axis in (0, 1))
        return replace(before, shift=shift), replace(after, shift=shift)

    def _free_shift(self, axis: int, things: list[Thing]) -> float:
        low, high = -DISPLACED, DISPLACED
        for thing in things:
            center, reach = SLOTS[thing.slot][axis], SLOTS[thing.slot][2] * (1 + STRETCH)
            low = max(low, MARGIN + reach + SHIFT - center)
            high = min(high, 1 - MARGIN - reach - SHIFT - center)
        return self.rng.uniform(min(low, 0), max(high, 0))

    def _noun(self, scene: Scene, chosen: int, needed: bool = False) -> Words:
        """Return words for the edited object: its name, color and name, or none ("it")."""
        things, rng = scene.objects, self.rng
        thing = things[chosen]
        several = chosen >= 0 and len(things) == 2
        if several and things[0].name == things[1].name:
            return [thing.color, thing.name]
        form = rng.random()
        if form < 0.18:
            return [thing.color, thing.name]
        return [thing.name] if several or needed or form < 0.7 else []

    def _changed(self, scene: Scene, chosen: int, **attributes: object) -> Scene:
        """Return a scene with other attributes of the edited object or objects."""
        things = [
            thing._replace(**attributes) if chosen in (i, -1) else thing
            for i, thing in enumerate(scene.objects)
        ]
        return replace(scene, objects=things)

    def _recolor(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        thing, rng = scene.objects[chosen], self.rng
        color = self._other_color(scene.background, thing.color)
        noun = self._noun(scene, chosen)
        form = rng.random()
        if form < 0.7 or noun[:1] == [thing.color]:
            words = [*noun, color]
            if noun and form < 0.06:  # "change the red circle to a green circle"
                words = [*words, thing.name]
        elif form < 0.78:
            words = [*noun, "into", color]
        elif form < 0.82 and not noun:  # "from red to green"
            words = [thing.color, color]
        else:
            words = [color, *noun]
        return self._changed(scene, chosen, color=color, tint=(0.0, 0.0, 0.0)), words

    def _other_color(self, *excluded: str) -> str:
        return self.rng.choice([name for name in COLOR_NAMES if name not in excluded])

    def _absent(self, scene: Scene) -> str:
        taken = {thing.name for thing in scene.objects}
        return self.rng.choice([name for name in OBJECT_NAMES if name not in taken])

    def _ground(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        rng = self.rng
        color = self._other_color(scene.background, *(thing.color for thing in scene.objects))
        noun = self._noun(scene, chosen)
        words = rng.choices(
            (
                ["background", color],
                [color, "background"],
                [*noun, "on", color, "background"],
                ["on", color, "background"],
                ["on", color],
                [*noun, "on", color],
                ["with", color, "background"],
                ["background", "into", color],
            ),
            (0.24, 0.22, 0.26, 0.08, 0.05, 0.05, 0.05, 0.05),
        )[0]
        return replace(scene, background=color, tint=(0.0, 0.0, 0.0)), words

    def _remove(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        noun = self._noun(scene, chosen)
        kept = [] if chosen < 0 else [o for i, o in enumerate(scene.objects) if i != chosen]
        words = [*noun, "remove"] if self.rng.random() < 0.08 else ["remove", *noun]
        return replace(scene, objects=kept), words

    def _resize(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        rng = self.rng
        place, size = _parts(scene.objects[chosen].slot)
        if len(scene.objects) > 1:  # a pair has space for small and normal sizes
            new = "" if size else "small"
            word = rng.choice(("small", "smaller")) if new else "bigger"
        elif rng.random() < 0.45:
            word = rng.choice(("bigger", "smaller"))
            rank = SIZES.index(size) + (1 if word == "bigger" else -1)
            new = SIZES[min(max(rank, 0), len(SIZES) - 1)]
        else:
            new = word = rng.choice(("small", "big"))
        noun = self._noun(scene, chosen)
        words = [*noun, word] if rng.random() < 0.7 else [word, *noun]
        return self._changed(scene, chosen, slot=f"{place} {new}".strip()), words

    def _move(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        rng = self.rng
        place, size = _parts(scene.objects[chosen].slot)
        places = [one for one in ("center", *PLACES) if one != place or rng.random() < 0.2]
        new = rng.choice(places)
        word = {"top": "up", "bottom": "down"}.get(new, new) if rng.random() < 0.35 else new
        words = [*self._noun(scene, chosen), self.scenes.maybe_on(), word]
        return self._changed(scene, chosen, slot=f"{new} {size}".strip()), words

    def _exchange(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        thing, rng = scene.objects[chosen], self.rng
        name = self._absent(scene)
        noun = self._noun(scene, chosen)
        form = rng.random()
        if form < 0.35 or (noun and form < 0.5):
            words = [*noun, "into", name]
        elif form < 0.7 and noun:
            words = ["into", *noun, rng.choice(("with", "with", "")), name]
        else:
            words = [*noun, name]
        after = self._changed(scene, chosen, name=name)
        if rng.random() < 0.15:  # "turn the circle into a green star"
            color = self._other_color(scene.background, thing.color)
            after = self._changed(after, chosen, color=color, tint=(0.0, 0.0, 0.0))
            words = [*words[:-1], color, name]
        return after, words

    def _add(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        """Add an object beside the first one, which makes place if it is in the center."""
        rng = self.rng
        color = self._other_color(scene.background)
        name = self._absent(scene)
        words = ["add", color, name]
        if rng.random() < 0.06:
            color = OBJECTS[name]
            if color == scene.background:
                color = self._other_color(scene.background)
            else:
                words = ["add", name]
        if not scene.objects:
            added = Thing(name, color, "center", rng.random())
            return replace(scene, objects=[added]), words
        first = scene.objects[chosen]
        place, size = _parts(first.slot)
        if place == "center" and size != "small":
            where = rng.choice(PLACES)
        else:
            where = OPPOSITE.get(place) or rng.choice(PLACES)
        if (place == "center" and size != "small") or size == "big":
            first = first._replace(slot=OPPOSITE[where])
        slot = f"{where} small" if place == "center" and size == "small" else where
        added = Thing(name, color, slot, rng.random())
        form = rng.random()
        if form < 0.2:
            words = [*words, where, first.name]
        elif form < 0.6 or (where != "right" and place == "center"):
            words = [*words, self.scenes.maybe_on(), where]
        return replace(scene, objects=[first, added]), words

    def _both(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        """Combine two edits of different attributes."""
        rng = self.rng
        options: list[Callable[[Scene, int], tuple[Scene, Words]]] = [self._recolor, self._ground]
        if len(scene.objects) == 1:
            options += [self._resize, self._move]
        first, second = rng.sample(options, 2)
        between, words = first(scene, chosen)
        after, others = second(between, chosen)
        return after, [*words, rng.choice(("and", "and", ",", "")), *others]

    def _describe(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        """Describe the picture with other attributes: "a green star on a blue background"."""
        thing, rng = scene.objects[chosen], self.rng
        place, size = _parts(thing.slot)
        ground = self._other_color() if rng.random() < 0.7 else scene.background
        color, name = self._other_color(ground), rng.choice(OBJECT_NAMES)
        words, named_place = [color, name], ""
        if rng.random() < 0.25:
            size = rng.choice(("small", "big"))
            words = [size, *words]
        if rng.random() < 0.25:
            place = named_place = rng.choice(PLACES)
        after = replace(scene, background=ground)
        if ground != scene.background:
            after = replace(after, tint=(0.0, 0.0, 0.0))
            words = self.scenes.with_background(words, named_place, ground, named=True)
        else:
            words = [*words, named_place]
        slot = f"{place} {size}".strip()
        changes = {"color": color, "name": name, "slot": slot, "tint": (0.0, 0.0, 0.0)}
        return self._changed(after, chosen, **changes), words

    def _keep(self, scene: Scene, chosen: int) -> tuple[Scene, Words]:
        """Change nothing: no instruction, or one that the picture already follows."""
        thing, rng = scene.objects[chosen], self.rng
        noun = self._noun(scene, chosen)
        options: list[Words] = [
            [],
            ["remove", self._absent(scene)],
            [*noun, thing.color],
            [scene.background, "background"],
        ]
        return scene, rng.choices(options, (0.6, 0.16, 0.12, 0.12))[0]


def result_caption(scene: Scene) -> list[int]:
    """Return the rows of the slots for a scene; unused ones are padding.

    Equal objects are written like different ones, so that an object's words do not depend on
    others; of three, the middle one is the word "three" in place of the first one's size.
    """
    words = [""] * SLOT_COUNT
    is_three = len(scene.objects) == 3
    for thing in scene.objects[::2] if is_three else scene.objects:
        place, size = _parts(thing.slot)
        first = 4 if place in ("right", "bottom") else 0
        if words[first + 2]:
            first = 4 - first
        place = "" if place == "center" else place
        words[first : first + 4] = [size, thing.color, thing.name, place]
    if is_three:
        words[0] = "three"
    words[8:] = [scene.background, "background"]
    return [ROW[word] if word else 0 for word in words]
