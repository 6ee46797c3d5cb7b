"""The objects of the demo model as polygons, and their coverage masks."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

Point = tuple[float, float]
#: One layer of an outline: True to add ink or False to remove it, and its polygon.
Layer = tuple[bool, list[Point]]

#: Masks are drawn at this multiple of their size and averaged, for soft edges.
OVERSAMPLING = 4


def _ellipse(x: float, y: float, rx: float, ry: float) -> list[Point]:
    steps = [2 * math.pi * i / 96 for i in range(96)]
    return [(x + rx * math.cos(a), y + ry * math.sin(a)) for a in steps]


def _box(left: float, top: float, right: float, bottom: float) -> list[Point]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _spikes(points: int, inner: float) -> list[Point]:
    """Return a star polygon with its first point at the top."""
    radii = [1.0 if i % 2 == 0 else inner for i in range(2 * points)]
    angles = [i * math.pi / points for i in range(2 * points)]
    return [(r * math.sin(a), -r * math.cos(a)) for r, a in zip(radii, angles, strict=True)]


def _heart() -> list[Point]:
    turns = [2 * math.pi * i / 120 for i in range(120)]
    return [
        (
            16 * math.sin(t) ** 3,
            -13 * math.cos(t) + 5 * math.cos(2 * t) + 2 * math.cos(3 * t) + math.cos(4 * t),
        )
        for t in turns
    ]


def _petals(count: int, distance: float, radius: float) -> list[Layer]:
    angles = [2 * math.pi * i / count for i in range(count)]
    centers = [(distance * math.sin(a), -distance * math.cos(a)) for a in angles]
    return [(True, _ellipse(x, y, radius, radius)) for x, y in centers]


def _plus(arm: float) -> list[Layer]:
    return [(True, _box(-1, -arm, 1, arm)), (True, _box(-arm, -1, arm, 1))]


def _raw_layers() -> dict[str, list[Layer]]:
    """Return outlines at any scale; y points down. `layers` fits them into -1 to 1."""
    return {
        "circle": [(True, _ellipse(0, 0, 1, 1))],
        "square": [(True, _box(-0.9, -0.9, 0.9, 0.9))],
        "triangle": [(True, [(0, -1), (1.1, 0.9), (-1.1, 0.9)])],
        "star": [(True, _spikes(5, 0.42))],
        "heart": [(True, _heart())],
        "ring": [(True, _ellipse(0, 0, 1, 1)), (False, _ellipse(0, 0, 0.56, 0.56))],
        "cross": _plus(0.34),
        "diamond": [(True, [(0, -1), (0.68, 0), (0, 1), (-0.68, 0)])],
        "sun": [(True, _spikes(8, 0.62))],
        "moon": [(True, _ellipse(0, 0, 1, 1)), (False, _ellipse(0.55, 0, 0.82, 0.82))],
        "house": [
            (True, [(-1, -0.1), (0, -1), (1, -0.1)]),
            (True, _box(-0.72, -0.11, 0.72, 0.85)),
            (False, _box(-0.2, 0.25, 0.2, 0.9)),
        ],
        "tree": [
            (True, [(0, -1), (0.58, -0.1), (-0.58, -0.1)]),
            (True, [(0, -0.6), (0.78, 0.6), (-0.78, 0.6)]),
            (True, _box(-0.17, 0.59, 0.17, 1)),
        ],
        "flower": [
            *_petals(6, 0.6, 0.38),
            (True, _ellipse(0, 0, 0.6, 0.6)),
            (False, _ellipse(0, 0, 0.25, 0.25)),
        ],
        "fish": [
            (True, _ellipse(-0.25, 0, 0.75, 0.5)),
            (True, [(0.2, 0), (1, -0.55), (1, 0.55)]),
        ],
        "cloud": [
            (True, _ellipse(-0.58, 0.14, 0.42, 0.42)),
            (True, _ellipse(0.0, -0.14, 0.52, 0.52)),
            (True, _ellipse(0.6, 0.16, 0.4, 0.4)),
            (True, _box(-0.58, 0.1, 0.6, 0.56)),
        ],
        "arrow": [
            (True, _box(-1, -0.24, 0.2, 0.24)),
            (True, [(0.1, -0.75), (1, 0), (0.1, 0.75)]),
        ],
        "mushroom": [
            (True, [p for p in _ellipse(0, 0, 1, 0.95) if p[1] <= 1e-9]),
            (True, _box(-0.3, -0.05, 0.3, 0.85)),
        ],
        "cup": [
            (True, _ellipse(0.5, -0.05, 0.46, 0.46)),
            (False, _ellipse(0.5, -0.05, 0.22, 0.22)),
            (True, [(-0.9, -0.8), (0.46, -0.8), (0.34, 0.8), (-0.78, 0.8)]),
        ],
    }


def _ink_box(raw: list[Layer]) -> tuple[np.ndarray, float]:
    """Return the middle and half of the longer side of an outline's ink, without holes."""
    points = np.array([point for _, polygon in raw for point in polygon])
    low, scale = points.min(0), 1000 / float(np.ptp(points, 0).max())
    canvas = Image.new("L", (1001, 1001), 0)
    pen = ImageDraw.Draw(canvas)
    for adds, polygon in raw:
        pen.polygon([tuple((np.array(p) - low) * scale) for p in polygon], fill=int(adds))
    left, top, right, bottom = canvas.getbbox() or (0, 0, 1001, 1001)
    middle = low + np.array([left + right - 1, top + bottom - 1]) / 2 / scale
    return middle, max(right - left - 1, bottom - top - 1) / 2 / scale


@lru_cache(maxsize=1)
def layers() -> dict[str, list[Layer]]:
    """Return all outlines, centered and scaled so that the longer side spans -1 to 1."""
    fitted: dict[str, list[Layer]] = {}
    for name, raw in _raw_layers().items():
        middle, half = _ink_box(raw)
        fitted[name] = [
            (adds, [tuple((np.array(point) - middle) / half) for point in polygon])
            for adds, polygon in raw
        ]
    return fitted


def coverage(name: str, x: float, y: float, radius: float, size: int) -> np.ndarray:
    """Return an object's coverage mask (size x size, 0 to 255); center and radius in pixels."""
    left, top = int(x - radius) - 2, int(y - radius) - 2
    width = 2 * int(radius + 1) + 6
    canvas = Image.new("L", (width * OVERSAMPLING, width * OVERSAMPLING), 0)
    pen = ImageDraw.Draw(canvas)
    for adds, polygon in layers()[name]:
        corners = [
            ((x + px * radius - left) * OVERSAMPLING, (y + py * radius - top) * OVERSAMPLING)
            for px, py in polygon
        ]
        pen.polygon(corners, fill=255 if adds else 0)
    patch = canvas.resize((width, width), Image.Resampling.BOX)
    mask = Image.new("L", (size, size), 0)
    mask.paste(patch, (left, top))
    return np.asarray(mask)
