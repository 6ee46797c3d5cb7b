"""Scores of edited pictures, and their tables and contact sheets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from picture_checker import CONTRAST, FoundObject, Mask, grown, read_picture
from PIL import Image, ImageDraw

from demo_edits.instructions import Edit, Scene

#: Limits of what stays: mean difference of levels, share of pixels that differ visibly, and
#: overlap of the objects' outlines. Pixels nearer to an edited object than 1/40 do not count.
MEAN_LIMIT, SHARE_LIMIT, OVERLAP_LIMIT, NEAR = 3.0, 0.01, 0.9, 1 / 40


@dataclass(frozen=True)
class Score:
    """Correct properties of an edited picture."""

    edit: Edit
    changed: bool
    kept: bool
    pixels: bool

    @property
    def right(self) -> bool:
        """True if the picture has the change and nothing else changed."""
        return self.changed and self.kept and self.pixels


def score(edit: Edit, source: Image.Image, result: Image.Image) -> Score:
    """Return what is right in the result of an edit."""
    reading = read_picture(result)
    attributes = {
        "background": reading.background == edit.after.background,
        "count": len(reading.objects) == len(edit.after.things),
    }
    of_edited, of_others = _attributes(edit, reading.objects)
    changed = [{**attributes, **of_edited}[name] for name in edit.requested]
    kept = [
        *(right for name, right in attributes.items() if name not in edit.requested),
        *(right for name, right in of_edited.items() if name not in edit.requested),
        *of_others.values(),
    ]
    return Score(edit, all(changed), all(kept), _pixels_kept(edit, source, result))


def _attributes(
    edit: Edit, found: tuple[FoundObject, ...]
) -> tuple[dict[str, bool], dict[str, bool]]:
    """Return the attributes that are right in all edited objects, and in all others."""
    names = ("name", "color", "place", "size")
    things = edit.after.things
    best: tuple[int, list[dict[str, bool]]] = (-1, [])
    for order in itertools.permutations([*found, *[None] * len(things)], len(things)):
        rights = [
            {name: getattr(thing, name) == getattr(seen, name, None) for name in names}
            for thing, seen in zip(things, order, strict=True)
        ]
        best = max(best, (sum(sum(right.values()) for right in rights), rights), key=lambda x: x[0])
    groups: tuple[dict[str, bool], dict[str, bool]] = ({}, {})
    for thing, right in zip(things, best[1], strict=True):
        group = groups[0 if thing in edit.edited else 1]
        for name in names:
            group[name] = group.get(name, True) and right[name]
    edited, others = groups
    return edited or dict.fromkeys(names, True), others


def _pixels_kept(edit: Edit, source: Image.Image, result: Image.Image) -> bool:
    """Return True if the pixels away from the edit are as before, and outlines if they stay."""
    side = source.width
    before, after = (np.asarray(image.convert("RGB")).astype(int) for image in (source, result))
    near = round(NEAR * side)
    edited = Scene("white", edit.edited).mask(side)
    if "background" in edit.requested:
        same = replace(edit.before, things=tuple(set(edit.before.things) - set(edit.edited)))
        region = ~grown(~same.mask(side), near)
    else:
        region = ~grown(edited, near)
    differences = np.abs(before - after)[region]
    if region.any():
        visible = (differences.sum(1) > CONTRAST).mean()
        if differences.mean() > MEAN_LIMIT or visible > SHARE_LIMIT:
            return False
    if set(edit.requested) <= {"color", "background"}:
        drawn = _drawn(after)
        exact = _drawn(np.asarray(edit.after.drawn(side)).astype(int))
        return bool((drawn & exact).sum() / max(1, (drawn | exact).sum()) >= OVERLAP_LIMIT)
    return True


def _drawn(pixels: NDArray[np.int_]) -> Mask:
    """Return True where a picture differs from its background."""
    ground = np.median(np.concatenate([pixels[:3], pixels[-3:]]).reshape(-1, 3), 0)
    mask: Mask = np.abs(pixels - ground).sum(2) > CONTRAST
    return mask


def table(scores: list[Score]) -> str:
    """Return a table of all groups as text."""
    groups = {
        name: [s for s in scores if s.edit.group == name]
        for name in dict.fromkeys(s.edit.group for s in scores)
    }
    lines = [f"{'group':20} {'n':>4}   changed      kept    pixels       all"]
    for name, members in {**groups, "all": scores}.items():
        shares = [
            100 * np.mean([getattr(s, part) for s in members])
            for part in ("changed", "kept", "pixels", "right")
        ]
        lines.append(
            f"{name:20} {len(members):4} " + " ".join(f"{share:8.1f}%" for share in shares)
        )
    return "\n".join(lines)


def contact_sheet(
    scores: list[Score], pictures: list[tuple[Image.Image, Image.Image]], columns: int = 6
) -> Image.Image:
    """Return a sheet of all pictures before and after; captions of incorrect ones are red."""
    cell, text_height = 96, 26
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (2 * cell + 8), rows * (cell + text_height)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (result, pair) in enumerate(zip(scores, pictures, strict=True)):
        x, y = (i % columns) * (2 * cell + 8) + 3, (i // columns) * (cell + text_height) + 3
        for j, picture in enumerate(pair):
            sheet.paste(picture.resize((cell, cell), Image.Resampling.BOX), (x + j * cell, y))
        ink = (0, 100, 0) if result.right else (200, 0, 0)
        first, _, second = result.edit.text.partition(" " if len(result.edit.text) < 30 else ", ")
        text = result.edit.text if len(result.edit.text) < 34 else f"{first}\n{second}"
        pen.multiline_text((x, y + cell), text, ink, spacing=0)
    return sheet
