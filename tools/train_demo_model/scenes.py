"""Random scenes: objects, places, colors, and a matching caption."""

from __future__ import annotations

import multiprocessing
import os
import random
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from train_demo_model.outlines import coverage
from train_demo_model.vocabulary import COLOR_NAMES, COLORS, EDIT_WORDS, OBJECT_NAMES, OBJECTS, ROW

#: Sides of the training pictures in pixels; masks are drawn at the largest.
SIDES = (128, 256)
CANVAS = max(SIDES)

#: Positions of objects: center (x, y) and radius as fractions of the picture's side.
#: Sizes: small < 0.345 of the side <= normal < 0.54 <= big (the longer side of the object).
SLOTS: dict[str, tuple[float, float, float]] = {
    "center": (0.5, 0.5, 0.235),
    "center small": (0.5, 0.5, 0.142),
    "center big": (0.5, 0.5, 0.375),
    "left": (0.255, 0.5, 0.207),
    "right": (0.745, 0.5, 0.207),
    "top": (0.5, 0.255, 0.207),
    "bottom": (0.5, 0.745, 0.207),
    "left small": (0.172, 0.5, 0.142),
    "right small": (0.828, 0.5, 0.142),
    "top small": (0.5, 0.172, 0.142),
    "bottom small": (0.5, 0.828, 0.142),
    "left big": (0.35, 0.5, 0.315),
    "right big": (0.65, 0.5, 0.315),
    "top big": (0.5, 0.35, 0.315),
    "bottom big": (0.5, 0.65, 0.315),
}
SLOT_NAMES = list(SLOTS)
PLACES = ("left", "right", "top", "bottom")
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}

#: Types of scenes and their shares. Training starts with mostly single objects in the center, so
#: that their words are learned early.
KINDS = ("single", "alike", "two", "partial", "empty")
FIRST_SHARES, ALL_SHARES = (0.84, 0.04, 0.04, 0.02, 0.06), (0.46, 0.14, 0.28, 0.04, 0.08)
FIRST_PLACED, ALL_PLACED = 0.22, 0.42

#: Weights of single objects: those with many points are the hardest to learn.
OBJECT_SHARES = [{"sun": 2.5, "star": 1.5}.get(name, 1.0) for name in OBJECT_NAMES]

#: Share of captions with a word of instructions, which has no effect in them.
EDIT_WORD_SHARE = 0.05

#: Maximum random shift of an object as a fraction of the side, and maximum random scaling.
SHIFT = 0.006
STRETCH = 0.02


class Thing(NamedTuple):
    """An object in a picture; `look` in 0..1 selects the variation of its mask."""

    name: str
    color: str
    slot: str
    look: float
    #: Difference from the color in 0..1 for each channel.
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Scene:
    """One picture: the background, the objects and its caption as rows.

    `gaps` are the numbers of unknown words before each caption word, `trailing` at the end.
    """

    background: str
    objects: list[Thing]
    caption: list[int]
    gaps: list[int]
    trailing: int
    #: Difference of the background from its color in 0..1 for each channel.
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)
    #: Displacement of all objects (x, y) as fractions of the side.
    shift: tuple[float, float] = (0.0, 0.0)


#: The most objects of a scene.
MAX_OBJECTS = 3
#: Color names and their values in 0..1.
PALETTE = {name: np.array(rgb, np.float32) / 255 for name, rgb in COLORS.items()}


class MaskStore:
    """Coverage masks of every object in every slot, in several random variations.

    `masks` has (M + 1, side, side) numbers in 0..255 by side; the last mask is empty.
    """

    def __init__(self, variations: int, seed: int = 1) -> None:
        """Draw all masks, with all CPUs; the seed determines the variations."""
        self.variations = variations
        rng = random.Random(seed)
        looks = [
            _Look.random(name, slot, rng)
            for name in OBJECT_NAMES
            for slot in SLOT_NAMES
            for _ in range(variations)
        ]
        self.masks = {side: np.zeros((len(looks) + 1, side, side), np.uint8) for side in SIDES}
        with multiprocessing.Pool(os.cpu_count()) as pool:
            for index, mask in enumerate(pool.imap(_Look.draw, looks, chunksize=64)):
                for side, masks in self.masks.items():
                    masks[index] = _averaged(mask, side)


class Layout(NamedTuple):
    """N scenes as small arrays, from which the pictures are painted.

    `masks` (N, 3) are indexes of a `MaskStore`, `shades` (N, 3, 3) the differences of the objects'
    colors from that of the background, `grounds` (N, 3) the colors of the backgrounds, all in
    0..1, and `shifts` (N, 2) the displacements (x, y) as fractions of the side.
    """

    masks: np.ndarray
    shades: np.ndarray
    grounds: np.ndarray
    shifts: np.ndarray


def lay_out(scenes: list[Scene], variations: int) -> Layout:
    """Return scenes as arrays, for a store with a number of variations."""
    empty = len(OBJECT_NAMES) * len(SLOT_NAMES) * variations
    masks = np.full((len(scenes), MAX_OBJECTS), empty, np.int32)
    shades = np.zeros((len(scenes), MAX_OBJECTS, 3), np.float32)
    grounds = np.stack([_shade(scene.background, scene.tint) for scene in scenes])
    for i, scene in enumerate(scenes):
        for j, thing in enumerate(scene.objects):
            place = _OBJECT_INDEX[thing.name] * len(SLOT_NAMES) + _SLOT_INDEX[thing.slot]
            masks[i, j] = place * variations + int(thing.look * variations)
            shades[i, j] = _shade(thing.color, thing.tint) - grounds[i]
    shifts = np.array([scene.shift for scene in scenes], np.float32)
    return Layout(masks, shades, grounds, shifts)


_OBJECT_INDEX = {name: index for index, name in enumerate(OBJECT_NAMES)}
_SLOT_INDEX = {name: index for index, name in enumerate(SLOT_NAMES)}


def _shade(color: str, tint: tuple[float, float, float]) -> np.ndarray:
    return np.clip(PALETTE[color] + np.array(tint, np.float32), 0, 1)


def _averaged(mask: np.ndarray, side: int) -> np.ndarray:
    factor = CANVAS // side
    blocks = mask.reshape(side, factor, side, factor).mean((1, 3))
    return (blocks + 0.5).astype(np.uint8)


class _Look(NamedTuple):
    """An object with its center and radius in pixels of the canvas."""

    name: str
    x: float
    y: float
    radius: float

    @classmethod
    def random(cls, name: str, slot: str, rng: random.Random) -> _Look:
        x, y, radius = SLOTS[slot]
        x, y = x + rng.uniform(-SHIFT, SHIFT), y + rng.uniform(-SHIFT, SHIFT)
        # Objects never touch the edge.
        radius *= 1 + rng.uniform(-STRETCH, STRETCH)
        radius = min(radius, x - 0.004, y - 0.004, 0.996 - x, 0.996 - y)
        return cls(name, x * CANVAS, y * CANVAS, radius * CANVAS)

    def draw(self) -> np.ndarray:
        return coverage(self.name, self.x, self.y, self.radius, CANVAS)


class SceneMaker:
    """Generator of random scenes, reproducible from one random generator."""

    def __init__(self, rng: random.Random) -> None:
        """Create a generator that uses only `rng`."""
        self.rng = rng
        self.first = False

    def make(self) -> Scene:
        """Return a random scene with its caption."""
        shares = FIRST_SHARES if self.first else ALL_SHARES
        kind = self.rng.choices(KINDS, shares)[0]
        if kind == "alike":
            background, objects, words = self._alike()
        elif kind == "two":
            background, objects, words = self._two()
        else:
            background, objects, words = self._single()
        if kind == "empty":
            words = []
        elif kind == "partial":
            words = self._fragment(background, objects[0])
        elif self.rng.random() < EDIT_WORD_SHARE:
            words = [self.rng.choice(EDIT_WORDS), *words]
        things = [Thing(*one, self.rng.random()) for one in objects]
        return Scene(background, things, *self.spaced(words))

    def spaced(self, words: list[str]) -> tuple[list[int], list[int], int]:
        """Return rows of words (empty ones are omitted), gaps before them and after the last."""
        rows = [ROW[word] for word in words if word]
        return rows, self._gaps(len(rows)), self.rng.choice((0, 0, 0, 1, 2, 4))

    def _colors(self, count: int) -> list[str]:
        """Return the background's color, then `count` others."""
        background = "white" if self.rng.random() < 0.17 else self.rng.choice(COLOR_NAMES)
        others = [name for name in COLOR_NAMES if name != background]
        return [background, *self.rng.choices(others, k=count)]

    def _single(self) -> tuple[str, list[tuple[str, str, str]], list[str]]:
        rng = self.rng
        background, color = self._colors(1)
        name = rng.choices(OBJECT_NAMES, OBJECT_SHARES)[0]
        placed = rng.random() < (FIRST_PLACED if self.first else ALL_PLACED)
        place = rng.choice(PLACES) if placed else "center"
        size = rng.choices(("", "small", "big"), (0.6, 0.2, 0.2))[0]
        slot = f"{place} {size}".strip()
        thing = [size, color, name]
        if rng.random() < 0.06:  # without a color: the object's default color
            color = OBJECTS[name]
            if color == background:
                background = "white"
            thing = [size, name]
        elif rng.random() < 0.06:
            thing = [*thing, color] if rng.random() < 0.3 else [size, name, color]
        named_place = place if place != "center" or rng.random() < 0.2 else ""
        words = self.with_background(thing, named_place, background)
        return background, [(name, color, slot)], words

    def _alike(self) -> tuple[str, list[tuple[str, str, str]], list[str]]:
        rng = self.rng
        background, color = self._colors(1)
        name = rng.choice(OBJECT_NAMES)
        count, slots = rng.choice(
            (("two", ("left", "right")), ("three", ("left small", "center small", "right small")))
        )
        # The size of several objects depends on their number only, not on words.
        size = rng.choices(("", "small", "big"), (0.9, 0.06, 0.04))[0]
        words = self.with_background([count, size, color, name], "", background)
        return background, [(name, color, slot) for slot in slots], words

    def _two(self) -> tuple[str, list[tuple[str, str, str]], list[str]]:
        rng = self.rng
        background, first_color, second_color = self._colors(2)
        first, second = rng.sample(OBJECT_NAMES, 2)
        if rng.random() < 0.08:
            first = second  # the same object in two colors
        one, other = [first_color, first], [second_color, second]
        form = rng.random()
        if form < 0.35:  # "a red circle and a blue square": in reading order
            place = "left"
            words = [*one, rng.choice(("and", "and", "and", ",", "with", "")), *other]
        else:
            place = rng.choice(PLACES)
            words = self._related(one, other, place, form)
        words = self.with_background(words, "", background)
        objects = [(first, first_color, place), (second, second_color, OPPOSITE[place])]
        return background, objects, words

    def _related(self, one: list[str], other: list[str], place: str, form: float) -> list[str]:
        """Return words for two objects, the first at `place` relative to the second."""
        join = self.rng.choice(("and", "and", ",", ""))
        if form < 0.78:  # "a red circle left of a blue square"
            return [*one, place, *other]
        if form < 0.85 and place in ("top", "bottom"):
            return [*one, "on" if place == "top" else place, *other]
        if form < 0.94:  # "a red circle on the left and a blue square on the right"
            return [*one, self.maybe_on(), place, join, *other, self.maybe_on(), OPPOSITE[place]]
        return [place, *one, join, OPPOSITE[place], *other]

    def maybe_on(self) -> str:
        """Return the word before a place, or an empty string."""
        return self.rng.choice(("on", ""))

    def with_background(
        self, thing: list[str], place: str, background: str, named: bool = False
    ) -> list[str]:
        """Return a caption with the words of the objects, a place and the background's color.

        White is omitted in half of the captions, unless it must be `named`.
        """
        rng = self.rng
        where = [self.maybe_on(), place] if place else []
        if place and rng.random() < 0.15:
            thing, where = [place, *thing], []
        if background == "white" and not named and rng.random() < 0.5:
            return [*thing, *where]
        ground = [background, "background"]
        form = rng.random()
        if form < 0.40:
            words = [*thing, *where, rng.choice(("on", "on", "with", "")), *ground]
        elif form < 0.56:
            words = [*thing, *where, ",", *ground]
        elif form < 0.66:
            words = [*thing, "on", *ground, ",", *where] if where else [*thing, "on", background]
        elif form < 0.82:
            words = [*ground, rng.choice(("with", ",", "and", "")), *thing, *where]
        elif form < 0.92:
            words = [*ground, ",", *thing, *where]
        else:
            words = [*thing, *where, "on", background]
        return words

    def _fragment(self, background: str, thing: tuple[str, str, str]) -> list[str]:
        """Return a few words of the caption only, as in a negative prompt."""
        name, color, slot = thing
        place, _, size = slot.partition(" ")
        options = [[color], [name], [background, "background"], [color, name], [place], [size]]
        return self.rng.choice(options)

    def _gaps(self, count: int) -> list[int]:
        """Return the numbers of unknown words (articles, fillers) before each caption word."""
        rng = self.rng
        lead = rng.choice((0, 0, 0, 1, 1, 1, 2, 3, 4, 6))
        gaps = rng.choices((0, 1, 2, 3), (0.6, 0.27, 0.09, 0.04), k=count)
        if gaps:
            gaps[0] += lead
        return gaps
