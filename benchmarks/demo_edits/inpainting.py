"""Random pictures with a mask over one object and a prompt for another one in its place."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
from picture_checker import INSIDE, Mask, read_picture
from PIL import Image, ImageDraw, ImageFilter

from demo_edits.instructions import OPPOSITE, EditMaker, Scene, Thing, with_article

RELATIONS = {"left": "left of", "right": "right of", "top": "above", "bottom": "below"}
PLACE_WORDS = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
    "center": "in the middle",
}
#: Half the width of the blended border around the mask, in pixels of the picture.
MASK_BLUR = 4


@dataclass(frozen=True)
class Inpainting:
    """A picture, its mask (x, y, half width, half height as shares), and the expected object."""

    prompt: str
    seed: int
    before: Scene
    area: tuple[float, float, float, float]
    is_round: bool
    expected: Thing

    def mask(self, side: int) -> Image.Image:
        """Return the mask: white is redrawn."""
        x, y, width, height = self.area
        mask = Image.new("L", (side, side), 0)
        pen = ImageDraw.Draw(mask)
        box = [side * (x - width), side * (y - height), side * (x + width), side * (y + height)]
        (pen.ellipse if self.is_round else pen.rectangle)(box, 255)
        return mask


def make_inpaintings(count: int, seed: int) -> list[Inpainting]:
    """Return random inpaintings of one of two objects, or of the only one."""
    rng = random.Random(seed)
    maker = EditMaker(seed)
    return [_inpainting(rng, maker, i) for i in range(count)]


def _inpainting(rng: random.Random, maker: EditMaker, number: int) -> Inpainting:
    before = maker.pair() if rng.random() < 0.5 else maker.single()
    hidden = rng.choice(before.things)
    color = maker.new_color(before)
    name = rng.choice([one for one in INSIDE if one not in {o.name for o in before.things}])
    expected = replace(hidden, name=name, color=color)
    words = with_article(f"{color} {name}")
    if len(before.things) == 2:
        (other,) = (thing for thing in before.things if thing != hidden)
        words += f" {RELATIONS[hidden.place]} {with_article(f'{other.color} {other.name}')}"
    elif hidden.place in OPPOSITE or rng.random() < 0.3:
        words += f" {PLACE_WORDS[hidden.place]}"
    prompt = f"{words} on {with_article(before.background)} background"
    is_round = rng.random() < 0.5
    return Inpainting(
        prompt, 7000 + number, before, _area(rng, hidden, is_round), is_round, expected
    )


def _area(rng: random.Random, hidden: Thing, is_round: bool) -> tuple[float, float, float, float]:
    """Return a random area around an object that is at least as large as the new one."""
    x, y, longer = hidden.geometry()
    least = longer / 2 * (1.42 if is_round else 1.0)
    width, height = (least + rng.uniform(0.01, 0.03) for _ in range(2))
    return x + rng.uniform(-0.01, 0.01), y + rng.uniform(-0.01, 0.01), width, height


def is_outside_equal(one: Inpainting, source: Image.Image, result: Image.Image) -> bool:
    """Return True if all pixels outside the mask and its blur are equal to the bit."""
    mask: Mask = np.asarray(one.mask(source.width)) > 0
    outside = ~_dilated(mask, 2 * MASK_BLUR)
    before, after = (np.asarray(image.convert("RGB")) for image in (source, result))
    return bool((before[outside] == after[outside]).all())


def _dilated(mask: Mask, reach: int) -> Mask:
    """Return a mask with all points within a square of `reach` pixels around its points."""
    size = 2 * reach + 1
    return np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(size))) > 0


def is_object_right(one: Inpainting, result: Image.Image) -> bool:
    """Return True if the expected object is in the picture, in its place."""
    expected = one.expected
    found = read_picture(result).objects
    return any(
        (seen.name, seen.color, seen.place) == (expected.name, expected.color, expected.place)
        for seen in found
    )


def inpainting_table(masked: list[Inpainting], results: list[Image.Image]) -> str:
    """Return the shares of inpainted pictures that are right, as text."""
    outside = [
        is_outside_equal(one, one.before.drawn(result.width), result)
        for one, result in zip(masked, results, strict=True)
    ]
    inside = [is_object_right(one, result) for one, result in zip(masked, results, strict=True)]
    shares = (
        f"outside equal {100 * np.mean(outside):.1f}%, object right {100 * np.mean(inside):.1f}%"
    )
    return f"{len(masked)} inpainted: {shares}"
