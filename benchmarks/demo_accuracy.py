"""Measure how often the embedded model draws its prompt correctly, and how crisp its outlines are.

    python benchmarks/demo_accuracy.py [--count 40] [--steps N] [--side 256] [--sheet FILE]

Draws random prompts with the real engine, reads the pictures with tests/support/picture_checker.py
and prints a table. The wordings differ from those of the training data. With another seed the
prompts differ, too, so that the model cannot be tuned to one list.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from picture_checker import COLORS, INSIDE, FoundObject, Reading, read_picture

COLOR_NAMES, OBJECT_NAMES = list(COLORS), list(INSIDE)
ATTRIBUTES = ("background", "color", "object", "place", "size", "count", "all")
SYNONYMS = {
    "circle": ("ball", "disc", "dot"),
    "square": ("box",),
    "cross": ("plus",),
    "house": ("home", "cottage"),
    "flower": ("blossom",),
    "cup": ("mug",),
    "gray": ("grey",),
    "purple": ("violet",),
    "tree": ("pine",),
    "big": ("large", "huge"),
    "small": ("tiny", "little"),
}
PLAIN = ("{o} on {b} background",)
WORDINGS = (
    "{o} on {b} background",
    "{o} against {b} backdrop",
    "{b} background with {o}",
    "a drawing of {o}, {b} background",
    "please draw {o} on {b} background for me",
    "simple flat icon: {o} - {b} background",
    "{b} background, {o} in the middle",
    "picture showing {o} in front of {b} background",
    "{o} over {b} background, minimalist, clean",
)
PLACE_WORDS = {
    "left": ("on the left", "on the left side", "at the left"),
    "right": ("on the right", "on the right side", "at the right"),
    "top": ("at the top", "in the upper part"),
    "bottom": ("at the bottom", "in the lower part"),
}
RELATIONS = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "top": ("above",),
    "bottom": ("below", "under"),
}
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}


@dataclass(frozen=True)
class Thing:
    """The expected object; an empty place or size matches any."""

    name: str
    color: str
    place: str = ""
    size: str = ""


@dataclass(frozen=True)
class Prompt:
    """A prompt and the expected content of its picture."""

    group: str
    text: str
    seed: int
    background: str
    things: tuple[Thing, ...]


@dataclass
class Score:
    """The correct attributes of one picture."""

    prompt: Prompt
    hits: dict[str, bool]
    overlaps: list[float] = field(default_factory=list)


def _article(words: str) -> str:
    return ("an " if words[0] in "aeiou" else "a ") + words


def _plural(name: str) -> str:
    if name == "fish":
        return name
    return name + ("es" if name == "cross" else "s")


class PromptMaker:
    """Generator of random prompts of every group."""

    def __init__(self, seed: int) -> None:
        """Seed the generator."""
        self.rng = random.Random(seed)
        self.names = self.rng.sample(OBJECT_NAMES, len(OBJECT_NAMES))

    def make(self, group: str, number: int) -> Prompt:
        """Return the next prompt of a group."""
        background, one, two = self._colors()
        if group in ("two alike", "three alike"):
            return self._alike(group, number, background, one)
        if group in ("left/right of", "above/below", "and"):
            return self._pair(group, number, background, (one, two))
        name = self.names[number % len(self.names)]
        size = self.rng.choice(("small", "big")) if "size" in group else ""
        place = self.rng.choice(list(PLACE_WORDS)) if "place" in group else ""
        words = f"{size} {one} {name}".strip()
        forms = WORDINGS if group == "wording" else PLAIN
        if group == "wording":
            words = self._reworded(words)
        thing = _article(words)
        if place:
            thing += " " + self.rng.choice(PLACE_WORDS[place])
        text = self.rng.choice(forms).format(o=thing, b=_article(background))
        if group == "no background":
            text, background = thing, "white"
        if group == "wording":
            text = self.rng.choice((str, str.upper, str.capitalize, str))(text)
        expected = Thing(name, one, place or "center", size or ("" if place else "normal"))
        return Prompt(group, text, 1000 + number, background, (expected,))

    def _colors(self) -> tuple[str, str, str]:
        background, one, two = self.rng.sample(COLOR_NAMES, 3)
        if one == "white":  # invisible where the background is left out
            one, background = background, one
        return background, one, two

    def _reworded(self, words: str) -> str:
        picked = [self.rng.choice((word, *SYNONYMS.get(word, ()))) for word in words.split()]
        return " ".join(picked)

    def _alike(self, group: str, number: int, background: str, color: str) -> Prompt:
        name = self.names[number % len(self.names)]
        count, places = ("two", ("left", "right"))
        if group == "three alike":
            count, places = ("three", ("left", "center", "right"))
        text = f"{count} {color} {_plural(name)} on {_article(background)} background"
        things = tuple(Thing(name, color, place) for place in places)
        return Prompt(group, text, 2000 + number, background, things)

    def _pair(self, group: str, number: int, background: str, colors: tuple[str, str]) -> Prompt:
        names = self.rng.sample(OBJECT_NAMES, 2)
        place = self.rng.choice(("top", "bottom") if "above" in group else ("left", "right"))
        joint = "and" if group == "and" else self.rng.choice(RELATIONS[place])
        place = "left" if group == "and" else place
        first, second = (_article(f"{c} {n}") for c, n in zip(colors, names, strict=True))
        text = f"{first} {joint} {second} on {_article(background)} background"
        things = (
            Thing(names[0], colors[0], place),
            Thing(names[1], colors[1], OPPOSITE[place]),
        )
        return Prompt(group, text, 3000 + number, background, things)


SINGLE_GROUPS = ("plain", "wording", "no background")
OTHER_GROUPS = (
    "place",
    "size",
    "place and size",
    "two alike",
    "three alike",
    "left/right of",
    "above/below",
    "and",
)


def make_prompts(count: int, seed: int, groups: tuple[str, ...]) -> list[Prompt]:
    """Return `count` prompts of every group."""
    maker = PromptMaker(seed)
    return [maker.make(group, i) for group in groups for i in range(count)]


def _object_hits(things: tuple[Thing, ...], found: tuple[FoundObject, ...]) -> dict[str, bool]:
    """Return the attributes that are correct for all objects, in the best order of objects."""
    best: dict[str, bool] = {}
    for order in itertools.permutations(found, len(things)):
        pairs = list(zip(things, order, strict=True))
        hits = {
            "color": all(thing.color == seen.color for thing, seen in pairs),
            "object": all(thing.name == seen.name for thing, seen in pairs),
            "place": all(thing.place in ("", seen.place) for thing, seen in pairs),
            "size": all(thing.size in ("", seen.size) for thing, seen in pairs),
        }
        if not best or sum(hits.values()) > sum(best.values()):
            best = hits
    return best or dict.fromkeys(("color", "object", "place", "size"), False)


def score(prompt: Prompt, reading: Reading) -> Score:
    """Return the score of a picture, compared with its prompt."""
    hits = {
        "background": reading.background == prompt.background,
        "count": len(reading.objects) == len(prompt.things),
        **_object_hits(prompt.things, reading.objects),
    }
    hits["all"] = all(hits.values())
    return Score(prompt, hits, [seen.iou for seen in reading.objects])


def table(scores: list[Score]) -> str:
    """Return a table of all groups as text."""
    groups = list(dict.fromkeys(s.prompt.group for s in scores))
    sums = {
        "all single": [s for s in scores if s.prompt.group in SINGLE_GROUPS],
        "all others": [s for s in scores if s.prompt.group not in SINGLE_GROUPS],
    }
    parts = {group: [s for s in scores if s.prompt.group == group] for group in groups} | sums
    lines = [f"{'group':15} {'n':>4} " + " ".join(f"{name:>10}" for name in ATTRIBUTES) + "    IoU"]
    for group, members in parts.items():
        if members:
            shares = [100 * np.mean([s.hits[name] for s in members]) for name in ATTRIBUTES]
            overlaps = [overlap for s in members for overlap in s.overlaps] or [0.0]
            figures = " ".join(f"{share:9.1f}%" for share in shares)
            lines.append(f"{group:15} {len(members):4} {figures} {np.mean(overlaps):6.3f}")
    return "\n".join(lines)


def contact_sheet(
    scores: list[Score], pictures: list[Image.Image], columns: int = 10
) -> Image.Image:
    """Return a sheet of all pictures with their prompts; captions of incorrect ones are red."""
    cell, text_height = 128, 44
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (cell + 6), rows * (cell + text_height)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (result, picture) in enumerate(zip(scores, pictures, strict=True)):
        x, y = (i % columns) * (cell + 6) + 3, (i // columns) * (cell + text_height) + 3
        sheet.paste(picture.resize((cell, cell), Image.Resampling.BOX), (x, y))
        ink = (0, 100, 0) if result.hits["all"] else (200, 0, 0)
        pen.multiline_text((x, y + cell + 1), _wrapped(result.prompt.text), ink, spacing=0)
    return sheet


def _wrapped(text: str, width: int = 21) -> str:
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\n".join(lines[:4])


def measure(
    prompts: list[Prompt], draw: Callable[[Prompt], Image.Image]
) -> tuple[list[Score], list[Image.Image]]:
    """Draw and score every prompt."""
    pictures = [draw(prompt) for prompt in prompts]
    return [score(p, read_picture(i)) for p, i in zip(prompts, pictures, strict=True)], pictures


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Accuracy of the embedded model.")
    parser.add_argument("--model", default="demo")
    parser.add_argument("--count", type=int, default=40, help="prompts of each group")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random prompts")
    parser.add_argument("--groups", nargs="*", default=[*SINGLE_GROUPS, *OTHER_GROUPS])
    parser.add_argument("--steps", type=int, help="sampling steps (default: the model's)")
    parser.add_argument("--cfg-scale", type=float, help="guidance (default: the model's)")
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--sheet", type=Path, help="save a contact sheet")
    parser.add_argument("--json", type=Path, help="save the result of every picture")
    return parser.parse_args()


def main() -> None:
    """Draw the prompts, score the pictures and print the table."""
    import gpustack_draw

    options = _arguments()
    prompts = make_prompts(options.count, options.seed, tuple(options.groups))
    chosen = {"sample_steps": options.steps, "cfg_scale": options.cfg_scale}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    start = time.monotonic()
    with gpustack_draw.load(options.model) as model:

        def draw(prompt: Prompt) -> Image.Image:
            size = (options.side, options.side)
            return model.generate(prompt.text, seed=prompt.seed, size=size, **chosen)

        scores, pictures = measure(prompts, draw)
    print(table(scores))
    print(f"{(time.monotonic() - start) / len(prompts):.2f} s per picture")
    if options.sheet:
        contact_sheet(scores, pictures).save(options.sheet, optimize=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(s) for s in scores], indent=1))


if __name__ == "__main__":
    main()
