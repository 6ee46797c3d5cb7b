"""Read a picture of the demo model: background, objects, their colors, places and sizes.

Only numpy and Pillow are used. Each object is defined by an inequality in the plane, independently
of the drawing code of the training data, so that an error there is noticed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Grid = NDArray[np.float64]
Mask = NDArray[np.bool_]

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (220, 35, 35),
    "green": (35, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (245, 215, 40),
    "orange": (245, 135, 25),
    "purple": (130, 45, 175),
    "pink": (250, 150, 195),
    "brown": (115, 65, 25),
    "white": (250, 250, 250),
    "black": (18, 18, 18),
    "gray": (128, 128, 128),
}

#: Maximum distance of a "center" object from the middle, as a fraction of the side.
CENTER_LIMIT = 0.075
#: Longer side of an object as a fraction of the side: below the first small, otherwise big.
SMALL_LIMIT, BIG_LIMIT = 0.345, 0.54
#: Specks below this fraction of the picture or of the largest object are ignored.
SPECK_OF_PICTURE, SPECK_OF_LARGEST = 0.003, 0.12
#: Minimum summed difference of a pixel from the background.
CONTRAST = 45


def _disc(x: Grid, y: Grid, cx: float, cy: float, r: float) -> Mask:
    return (x - cx) ** 2 + (y - cy) ** 2 <= r * r


def _rect(x: Grid, y: Grid, cx: float, cy: float, w: float, h: float) -> Mask:
    return (np.abs(x - cx) <= w / 2) & (np.abs(y - cy) <= h / 2)


def _wedge(x: Grid, y: Grid, top: float, base: float, half: float) -> Mask:
    """Return an isosceles triangle: tip at height `top`, `half` wide to each side at `base`."""
    return (y <= base) & (y >= top) & (np.abs(x) <= half * (y - top) / (base - top))


def _spiky(x: Grid, y: Grid, points: int, inner: float) -> Mask:
    """Return a star: fold the plane into half a spike, then one straight edge decides."""
    radius, step = np.hypot(x, y), math.pi / points
    angle = np.arctan2(x, -y) % (2 * step)
    angle = np.minimum(angle, 2 * step - angle)
    u, v = radius * np.cos(angle), radius * np.sin(angle)
    ix, iy = inner * math.cos(step), inner * math.sin(step)
    return (ix - 1) * v - iy * (u - 1) >= 0


def _heart(x: Grid, y: Grid) -> Mask:
    """Return the heart curve x = 16 sin^3 t: for each x it has one upper and one lower height."""
    s = np.cbrt(np.clip(x / 16, -1, 1))
    t = np.arcsin(s)

    def height(a: Grid) -> Grid:
        return -13 * np.cos(a) + 5 * np.cos(2 * a) + 2 * np.cos(3 * a) + np.cos(4 * a)

    return (np.abs(x) <= 16) & (y >= height(t)) & (y <= height(math.pi - t))


def _flower(x: Grid, y: Grid) -> Mask:
    turn = math.pi / 3
    angle = (np.arctan2(x, -y) + turn / 2) % turn - turn / 2
    radius = np.hypot(x, y)
    petal = _disc(radius * np.cos(angle), radius * np.sin(angle), 0.6, 0, 0.38)
    return (petal | (radius <= 0.6)) & (radius > 0.25)


def _house(x: Grid, y: Grid) -> Mask:
    roof = _wedge(x, y, -1, -0.1, 1)
    walls = _rect(x, y, 0, 0.37, 1.44, 0.96)
    return (roof | walls) & ~_rect(x, y, 0, 0.6, 0.4, 0.7)


def _tree(x: Grid, y: Grid) -> Mask:
    crown = _wedge(x, y, -1, -0.1, 0.58) | _wedge(x, y, -0.6, 0.6, 0.78)
    return crown | _rect(x, y, 0, 0.79, 0.34, 0.42)


def _fish(x: Grid, y: Grid) -> Mask:
    body = ((x + 0.25) / 0.75) ** 2 + (y / 0.5) ** 2 <= 1
    tail = (x >= 0.2) & (x <= 1) & (np.abs(y) <= 0.55 * (x - 0.2) / 0.8)
    return body | tail


def _cloud(x: Grid, y: Grid) -> Mask:
    puffs = _disc(x, y, -0.58, 0.14, 0.42) | _disc(x, y, 0, -0.14, 0.52)
    return puffs | _disc(x, y, 0.6, 0.16, 0.4) | _rect(x, y, 0.01, 0.33, 1.18, 0.46)


def _arrow(x: Grid, y: Grid) -> Mask:
    head = (x >= 0.1) & (x <= 1) & (np.abs(y) <= 0.75 * (1 - x) / 0.9)
    return head | _rect(x, y, -0.4, 0, 1.2, 0.48)


def _mushroom(x: Grid, y: Grid) -> Mask:
    cap = (x**2 + (y / 0.95) ** 2 <= 1) & (y <= 0)
    return cap | _rect(x, y, 0, 0.4, 0.6, 0.9)


def _cup(x: Grid, y: Grid) -> Mask:
    slope = (y + 0.8) / 1.6
    body = (np.abs(y) <= 0.8) & (x >= -0.9 + 0.12 * slope) & (x <= 0.46 - 0.12 * slope)
    handle = _disc(x, y, 0.5, -0.05, 0.46) & ~_disc(x, y, 0.5, -0.05, 0.22)
    return body | handle


#: Tests for points inside an object, in its own coordinates; y points down.
INSIDE: dict[str, Callable[[Grid, Grid], Mask]] = {
    "circle": lambda x, y: _disc(x, y, 0, 0, 1),
    "square": lambda x, y: np.maximum(np.abs(x), np.abs(y)) <= 1,
    "triangle": lambda x, y: _wedge(x, y, -1, 0.9, 1.1),
    "star": lambda x, y: _spiky(x, y, 5, 0.42),
    "heart": _heart,
    "ring": lambda x, y: _disc(x, y, 0, 0, 1) & ~_disc(x, y, 0, 0, 0.56),
    "cross": lambda x, y: _rect(x, y, 0, 0, 2, 0.68) | _rect(x, y, 0, 0, 0.68, 2),
    "diamond": lambda x, y: np.abs(x) / 0.68 + np.abs(y) <= 1,
    "sun": lambda x, y: _spiky(x, y, 8, 0.62),
    "moon": lambda x, y: _disc(x, y, 0, 0, 1) & ~_disc(x, y, 0.55, 0, 0.82),
    "house": _house,
    "tree": _tree,
    "flower": _flower,
    "fish": _fish,
    "cloud": _cloud,
    "arrow": _arrow,
    "mushroom": _mushroom,
    "cup": _cup,
}


@dataclass(frozen=True)
class Frame:
    """Position of an object: its box, centroid and area."""

    x: float
    y: float
    longer: float
    centroid: tuple[float, float]
    area: float


@dataclass(frozen=True)
class FoundObject:
    """One object in a picture."""

    name: str
    color: str
    iou: float
    place: str
    size: str
    x: float
    y: float


@dataclass(frozen=True)
class Reading:
    """Contents of a picture; objects from left to right, then from top to bottom."""

    background: str
    objects: tuple[FoundObject, ...]


def color_name(rgb: NDArray[np.float64]) -> str:
    """Return the nearest color name."""
    return min(COLORS, key=lambda name: float(np.abs(rgb - np.array(COLORS[name])).sum()))


def _frame_of(mask: Mask, xs: Grid, ys: Grid, pixel: float) -> Frame:
    """Return the frame of the true points of a mask whose pixels are at xs, ys and `pixel` wide."""
    x, y = xs[mask], ys[mask]
    width, height = x.max() - x.min() + pixel, y.max() - y.min() + pixel
    middle = ((x.max() + x.min()) / 2, (y.max() + y.min()) / 2)
    centroid = (float(x.mean()), float(y.mean()))
    return Frame(*middle, max(width, height), centroid, float(mask.sum()) * pixel**2)


def _canonical_frame(name: str) -> Frame:
    reach, pixel = (18.0, 0.06) if name == "heart" else (1.3, 0.005)
    line = np.arange(-reach, reach, pixel)
    xs, ys = np.meshgrid(line, line)
    return _frame_of(INSIDE[name](xs, ys), xs, ys, pixel)


_FRAMES = {name: _canonical_frame(name) for name in INSIDE}


def rasterized(
    things: Sequence[tuple[str, str, float, float, float]],
    background: str = "white",
    side: int = 256,
    soft: int = 2,
) -> Image.Image:
    """Draw objects (name, color, x, y, longer side) on a background, with averaged edges."""
    fine = side * soft
    line = (np.arange(fine) + 0.5) / fine
    xs, ys = np.meshgrid(line, line)
    pixels = np.ones((fine, fine, 3)) * np.array(COLORS[background])
    for name, color, x, y, longer in things:
        frame = _FRAMES[name]
        scale = frame.longer / longer
        inside = INSIDE[name]((xs - x) * scale + frame.x, (ys - y) * scale + frame.y)
        pixels[inside] = COLORS[color]
    averaged = pixels.reshape(side, soft, side, soft, 3).mean((1, 3))
    return Image.fromarray((averaged + 0.5).astype(np.uint8))


def template_iou(mask: Mask, name: str) -> float:
    """Return the overlap of a mask with an object, aligned by box or by centroid and area."""
    rows, columns = mask.shape
    xs, ys = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    seen, own = _frame_of(mask, xs, ys, 1.0), _FRAMES[name]
    by_box = (seen.x, seen.y, own.x, own.y, own.longer / seen.longer)
    by_area = (*seen.centroid, *own.centroid, math.sqrt(own.area / seen.area))
    best = 0.0
    for x, y, own_x, own_y, scale in (by_box, by_area):
        template = INSIDE[name]((xs - x) * scale + own_x, (ys - y) * scale + own_y)
        best = max(best, float((mask & template).sum() / max(1, (mask | template).sum())))
    return best


def _runs(row: Mask) -> list[tuple[int, int]]:
    """Return starts and ends of the runs of true pixels in a row."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], row.astype(np.int8), [0]))))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def components(mask: Mask) -> list[Mask]:
    """Return the connected regions of a mask (pixels that share a side), largest first."""
    parent: list[int] = []

    def root(i: int) -> int:
        while parent[i] != i:
            i = parent[i]
        return i

    placed: list[tuple[int, int, int, int]] = []
    above: list[tuple[int, int, int]] = []
    for y in range(mask.shape[0]):
        current = []
        for start, end in _runs(mask[y]):
            label = len(parent)
            parent.append(label)
            for other_start, other_end, other in above:
                if start < other_end and other_start < end:
                    parent[root(other)] = root(label)
            current.append((start, end, label))
            placed.append((y, start, end, label))
        above = current
    parts: dict[int, Mask] = {}
    for y, start, end, label in placed:
        part = parts.setdefault(root(label), np.zeros_like(mask))
        part[y, start:end] = True
    return sorted(parts.values(), key=lambda part: -int(part.sum()))


def grown(mask: Mask, times: int) -> Mask:
    """Return a mask with all points within `times` steps of it."""
    for _ in range(times):
        padded = np.pad(mask, 1)
        mask = mask | padded[:-2, 1:-1] | padded[2:, 1:-1] | padded[1:-1, :-2] | padded[1:-1, 2:]
    return mask


def _place(x: float, y: float) -> str:
    dx, dy = x - 0.5, y - 0.5
    if max(abs(dx), abs(dy)) < CENTER_LIMIT:
        return "center"
    if abs(dx) > abs(dy):
        return "left" if dx < 0 else "right"
    return "top" if dy < 0 else "bottom"


def _size(longer: float) -> str:
    if longer < SMALL_LIMIT:
        return "small"
    return "normal" if longer < BIG_LIMIT else "big"


def _object(pixels: Grid, ground: Grid, part: Mask) -> FoundObject:
    """Name and measure one connected region that differs from the background."""
    inner = ~grown(~part, max(1, round(pixels.shape[0] / 85)))
    color = np.median(pixels[inner if inner.sum() > 20 else part], 0)
    # The outline runs where a pixel is half object, half background.
    way = color - ground
    share = ((pixels - ground) @ way) / max(1.0, float(way @ way))
    mask = (share > 0.5) & grown(part, 2)
    mask = components(mask)[0] if mask.any() else part
    overlaps = {name: template_iou(mask, name) for name in INSIDE}
    name = max(overlaps, key=lambda n: overlaps[n])
    side = pixels.shape[0]
    xs, ys = np.meshgrid(np.arange(side) + 0.5, np.arange(side) + 0.5)
    frame = _frame_of(mask, xs, ys, 1.0)
    x, y = frame.x / side, frame.y / side
    size = _size(frame.longer / side)
    return FoundObject(name, color_name(color), overlaps[name], _place(x, y), size, x, y)


def _ground(pixels: Grid) -> Grid:
    """Return the background's color."""
    edge = np.concatenate([pixels[:3], pixels[-3:], pixels.swapaxes(0, 1)[:3]], 1)
    return np.median(edge.reshape(-1, 3), 0)


def _pixels(picture: Image.Image | Path | str) -> Grid:
    image = picture if isinstance(picture, Image.Image) else Image.open(picture)
    return np.asarray(image.convert("RGB")).astype(np.float64)


def background_color(picture: Image.Image | Path | str) -> Grid:
    """Return the red, green and blue of the background, 0 to 255."""
    return _ground(_pixels(picture))


def read_picture(picture: Image.Image | Path | str) -> Reading:
    """Read a square picture of the demo model."""
    pixels = _pixels(picture)
    ground = _ground(pixels)
    differs = np.abs(pixels - ground).sum(2) > CONTRAST
    parts = components(differs)
    least = SPECK_OF_PICTURE * differs.size
    if parts:
        least = max(least, SPECK_OF_LARGEST * float(parts[0].sum()))
    found = [_object(pixels, ground, part) for part in parts if part.sum() >= least]
    found.sort(key=lambda thing: (round(thing.x, 1), thing.y))
    return Reading(color_name(ground), tuple(found))
