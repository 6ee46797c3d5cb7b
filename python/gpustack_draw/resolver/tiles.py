"""The tiles in which the engine decodes and encodes a picture."""

from dataclasses import dataclass

from gpustack_draw.resolver.families import Family

# Share of a tile that its neighbor covers, too; the engine's default. Both are blended there.
OVERLAP = 0.5
# Cells of the smallest tile that the engine takes, and by what it enlarges tiles that are encoded.
_SMALLEST = 4
_ENCODING_FACTOR = 1.30539
# Overlap of two tiles that is enough to blend them without a seam.
_ENOUGH = 0.25
# Pixels per cell of the latent, by its channels; 8 for all others.
_CELL_PIXELS = {3: 1, 32: 16, 48: 16}


@dataclass(frozen=True)
class Tiles:
    """The tiles of a picture.

    Attributes:
        width: Width of a tile in cells of the latent.
        height: Height of a tile in cells of the latent.
        cell: Side of a cell in pixels.
        count: Number of tiles, as the engine chooses it.
    """

    width: int
    height: int
    cell: int
    count: int

    @property
    def pixels(self) -> int:
        """Pixels of a tile."""
        return self.width * self.height * self.cell**2

    @property
    def encoded_pixels(self) -> int:
        """Pixels of a tile that is encoded, at most."""
        return int(self.pixels * _ENCODING_FACTOR**2)


def has_tiles(family: Family) -> bool:
    """Return True if a model of a family decodes its pictures, and so can do it in tiles."""
    return bool({"vae", "taesd"} & set(family.requires))


def tiles_of(
    family: Family, size: tuple[int, int], side: int, seamless: str | None = None
) -> Tiles | None:
    """Return the tiles of a picture; ``None`` if it is decoded at once.

    Args:
        family: The family of the model.
        size: Width and height of the picture in pixels.
        side: Largest side of a tile in pixels.
        seamless: ``x``, ``y`` or ``both`` for a picture whose edges continue at the opposite ones;
            a tile spans those axes, because the engine blends the edges only if its own count of
            tiles divides the side.
    """
    if not has_tiles(family):
        return None
    cell = _CELL_PIXELS.get(family.latent_channels, 8)
    cells = [-(-pixels // cell) for pixels in size]
    most = max(_SMALLEST, side // cell)
    width, height = (
        length if seamless in (axis, "both") else _tile_length(length, most)
        for length, axis in zip(cells, "xy", strict=True)
    )
    if [width, height] == cells:
        return None
    return Tiles(width, height, cell, _count(cells[0], width) * _count(cells[1], height))


def _tile_length(cells: int, most: int) -> int:
    """Return the length of tiles that cover an axis evenly, overlapping by about half.

    With another length, the engine may let the last two tiles overlap by a single cell.
    """
    if cells <= most:
        return cells
    count = -(-2 * cells // most) - 1
    longest = max(_SMALLEST, cells // (count + 1) * 2)
    lengths = range(longest, max(_SMALLEST, longest // 2) - 1, -2)
    return max(lengths, key=lambda length: (_usable_overlap(cells, length), length))


def _usable_overlap(cells: int, length: int) -> float:
    """Return the overlap of decoded and encoded tiles, as far as more of it helps."""
    encoded = min(int(length * _ENCODING_FACTOR), cells)
    return min(_ENOUGH, _overlap(cells, length), _overlap(cells, encoded))


def _overlap(cells: int, length: int) -> float:
    """Return the share of a tile that overlaps, in the number of tiles that the engine chooses."""
    if cells <= length:
        return 1.0
    count = _count(cells, length)
    return (length * count - cells) / (length * (count - 1))


def _count(cells: int, length: int) -> int:
    """Return the number of tiles along an axis that the engine chooses."""
    if cells <= length:
        return 1
    return max(2, (cells - length // 2) // (length - length // 2))
