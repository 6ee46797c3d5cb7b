"""Random pictures and instructions to edit them, apart from the training data."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from picture_checker import COLORS, INSIDE, Mask, rasterized
from PIL import Image

COLOR_NAMES, OBJECT_NAMES = list(COLORS), list(INSIDE)
PLACES = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
#: Distance from the middle and longer side of objects by size, as shares of the picture's side.
OFFSETS = {"small": 0.328, "normal": 0.245, "big": 0.15}
LONGER = {"small": 0.284, "normal": 0.414, "big": 0.63}
LONGER_IN_CENTER = {"small": 0.284, "normal": 0.47, "big": 0.75}


@dataclass(frozen=True)
class Thing:
    """An object of a picture."""

    name: str
    color: str
    place: str = "center"
    size: str = "normal"

    def geometry(self) -> tuple[float, float, float]:
        """Return center (x, y) and longer side, as shares of the picture's side."""
        if self.place == "center":
            return 0.5, 0.5, LONGER_IN_CENTER[self.size]
        x, y = PLACES[self.place]
        offset = OFFSETS[self.size]
        return 0.5 + x * offset, 0.5 + y * offset, LONGER[self.size]


@dataclass(frozen=True)
class Scene:
    """A picture: its background and its objects."""

    background: str
    things: tuple[Thing, ...]

    def drawn(self, side: int) -> Image.Image:
        """Return the picture."""
        shapes = [(thing.name, thing.color, *thing.geometry()) for thing in self.things]
        return rasterized(shapes, self.background, side)

    def mask(self, side: int) -> Mask:
        """Return True where an object is."""
        shapes = [(thing.name, "black", *thing.geometry()) for thing in self.things]
        return np.asarray(rasterized(shapes, "white", side))[..., 0] < 128


@dataclass(frozen=True)
class Edit:
    """An instruction, the pictures before and after it, and what it requests.

    `edited` are the objects of both pictures that change, `requested` the attributes to change.
    """

    group: str
    text: str
    seed: int
    before: Scene
    after: Scene
    edited: tuple[Thing, ...]
    requested: tuple[str, ...]


def with_article(words: str) -> str:
    """Return words with the indefinite article."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def _plural(name: str) -> str:
    return name if name == "fish" else name + ("es" if name == "cross" else "s")


RECOLOR = (
    "make the {n} {c}",
    "make it {c}",
    "paint the {n} {c}",
    "please turn the {n} {c}",
    "change the color of the {n} to {c}",
    "change the {n} to {c}, keep everything else",
    "{a} one",
)
GROUND = (
    "put the {n} on {a} background",
    "put it on {a} background",
    "make the background {c}",
    "change the background to {c}",
    "{a} background, please",
    "on {a} backdrop",
)
REMOVE = ("remove the {n}", "delete the {n}", "erase the {n}", "take the {n} away")
RESIZE = {
    "big": ("make it big", "a big one", "make the {n} huge", "a large {n}"),
    "small": ("make it small", "a small one", "make the {n} tiny", "a little {n}"),
    "bigger": ("make it bigger", "make the {n} larger"),
    "smaller": ("make it smaller", "the {n} should be smaller"),
}
MOVE = {
    "left": ("move it left", "move the {n} to the left", "put it on the left"),
    "right": ("move it right", "move the {n} to the right", "put the {n} on the right"),
    "top": ("move it up", "move the {n} to the top", "put it at the top"),
    "bottom": ("move it down", "move the {n} to the bottom", "place it at the bottom"),
    "center": ("move it to the center", "put the {n} in the middle"),
}
EXCHANGE = (
    "turn the {n} into {m}",
    "make it {m}",
    "replace the {n} with {m}",
    "change the {n} into {m}",
)
ADD = ("add {m}", "add {m} {p}", "insert {m}")
PLACE_WORDS = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
}


class EditMaker:
    """Generator of random edits of every group."""

    def __init__(self, seed: int) -> None:
        """Seed the generator."""
        self.rng = random.Random(seed)
        self.makers: dict[str, Callable[[], Edit]] = {
            "color": self._color,
            "color of one of two": self._color_of_two,
            "color of equal ones": self._color_of_equal,
            "background": self._background,
            "remove": self._remove,
            "size": self._size,
            "place": self._place,
            "other object": self._exchange,
            "add": self._add,
            "two changes": self._two_changes,
        }

    def make(self, group: str, number: int) -> Edit:
        """Return the next edit of a group."""
        return replace(self.makers[group](), group=group, seed=5000 + number)

    def _colors(self, count: int) -> list[str]:
        return self.rng.sample(COLOR_NAMES, count)

    def single(self, sizes: tuple[str, ...] = ("normal",), placed: float = 0.4) -> Scene:
        """Return a picture of one object; `placed` is the share that is not in the center."""
        background, color = self._colors(2)
        place = self.rng.choice(list(PLACES)) if self.rng.random() < placed else "center"
        name, size = self.rng.choice(OBJECT_NAMES), self.rng.choice(sizes)
        return Scene(background, (Thing(name, color, place, size),))

    def pair(self) -> Scene:
        """Return a picture of two different objects."""
        background, one, two = self._colors(3)
        first, second = self.rng.sample(OBJECT_NAMES, 2)
        place = self.rng.choice(("left", "top"))
        things = (Thing(first, one, place), Thing(second, two, OPPOSITE[place]))
        return Scene(background, things)

    def _edit(
        self, forms: tuple[str, ...], before: Scene, after: Scene, requested: str, **words: str
    ) -> Edit:
        """Return an edit; its edited objects are those that differ between the scenes."""
        text = self.rng.choice(forms).format(**words)
        edited = tuple(set(before.things) ^ set(after.things))
        return Edit("", text, 0, before, after, edited, tuple(requested.split()))

    def new_color(self, scene: Scene) -> str:
        """Return a color that a picture does not have."""
        taken = {scene.background, *(thing.color for thing in scene.things)}
        return self.rng.choice([name for name in COLOR_NAMES if name not in taken])

    def _recolored(self, before: Scene, chosen: Thing, forms: tuple[str, ...]) -> Edit:
        color = self.new_color(before)
        after = _changed(before, chosen, color=color)
        words = {"n": chosen.name, "c": color, "a": with_article(color)}
        return self._edit(forms, before, after, "color", **words)

    def _color(self) -> Edit:
        before = self.single(("normal", "small", "big"))
        return self._recolored(before, before.things[0], RECOLOR)

    def _color_of_two(self) -> Edit:
        before = self.pair()
        forms = tuple(form for form in RECOLOR if "{n}" in form)
        return self._recolored(before, self.rng.choice(before.things), forms)

    def _color_of_equal(self) -> Edit:
        background, old, new = self._colors(3)
        name = self.rng.choice(OBJECT_NAMES)
        places = self.rng.choice((("left", "right"), ("left", "center", "right")))
        size = "small" if len(places) == 3 else "normal"
        before = Scene(background, tuple(Thing(name, old, place, size) for place in places))
        things = tuple(replace(thing, color=new) for thing in before.things)
        forms = ("make the {n} {c}", "make them {c}", "paint the {n} {c}")
        words = {"n": _plural(name), "c": new}
        return self._edit(forms, before, replace(before, things=things), "color", **words)

    def _background(self) -> Edit:
        before = self.rng.choice((self.single(("normal", "big")), self.pair()))
        color = self.new_color(before)
        name = self.rng.choice(before.things).name
        words = {"n": name, "c": color, "a": with_article(color)}
        after = replace(before, background=color)
        forms = GROUND if len(before.things) == 1 else GROUND[2:]
        return self._edit(forms, before, after, "background", **words)

    def _remove(self) -> Edit:
        before = self.pair()
        chosen = self.rng.choice(before.things)
        kept = tuple(thing for thing in before.things if thing != chosen)
        return self._edit(REMOVE, before, replace(before, things=kept), "count", n=chosen.name)

    def _size(self) -> Edit:
        word = self.rng.choice(list(RESIZE))
        new = {"bigger": "big", "smaller": "small"}.get(word, word)
        before = self.single(("normal",), placed=0.3)
        after = _changed(before, before.things[0], size=new)
        return self._edit(RESIZE[word], before, after, "size", n=before.things[0].name)

    def _place(self) -> Edit:
        before = self.single(("normal", "small"))
        old = before.things[0].place
        new = self.rng.choice([place for place in MOVE if place != old])
        after = _changed(before, before.things[0], place=new)
        return self._edit(MOVE[new], before, after, "place", n=before.things[0].name)

    def _exchange(self) -> Edit:
        before = self.rng.choice((self.single(("normal", "big")), self.pair()))
        chosen = self.rng.choice(before.things)
        taken = {thing.name for thing in before.things}
        name = self.rng.choice([one for one in OBJECT_NAMES if one not in taken])
        forms = EXCHANGE if len(before.things) == 1 else tuple(f for f in EXCHANGE if "{n}" in f)
        words = {"n": chosen.name, "m": with_article(name)}
        return self._edit(forms, before, _changed(before, chosen, name=name), "name", **words)

    def _add(self) -> Edit:
        before = self.single(placed=1.0)
        first = before.things[0]
        name = self.rng.choice([one for one in OBJECT_NAMES if one != first.name])
        added = Thing(name, self.new_color(before), OPPOSITE[first.place])
        after = replace(before, things=(first, added))
        words = {"m": with_article(f"{added.color} {name}"), "p": PLACE_WORDS[added.place]}
        return self._edit(ADD, before, after, "count name color place", **words)

    def _two_changes(self) -> Edit:
        before = self.single()
        thing, color = before.things[0], self.new_color(before)
        recolored = _changed(before, thing, color=color)
        if self.rng.random() < 0.5:
            ground = self.new_color(recolored)
            forms = (
                "make the {n} {c} and put it on {g} background",
                "make it {c} and the background {h}",
            )
            after, requested = replace(recolored, background=ground), "color background"
            words = {"g": with_article(ground), "h": ground}
        else:
            size = self.rng.choice(("small", "big"))
            forms = ("make the {n} {c} and {s}", "make it {s} and {c}")
            after, requested = _changed(recolored, recolored.things[0], size=size), "color size"
            words = {"s": size}
        return self._edit(forms, before, after, requested, n=thing.name, c=color, **words)


def _changed(scene: Scene, chosen: Thing, **attributes: str) -> Scene:
    """Return a scene in which one object has other attributes."""
    things = (replace(one, **attributes) if one == chosen else one for one in scene.things)
    return replace(scene, things=tuple(things))


def make_edits(count: int, seed: int) -> list[Edit]:
    """Return `count` edits of every group."""
    maker = EditMaker(seed)
    return [maker.make(group, i) for group in maker.makers for i in range(count)]
