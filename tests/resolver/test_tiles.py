"""The tiles of a picture, as the engine will count them."""

import pytest

from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.tiles import Tiles, tiles_of


def engine_overlap(cells: int, length: int) -> tuple[int, float]:
    """Return the number of tiles and the overlap that the engine chooses for an axis.

    This is the arithmetic of ``sd_tiling_calc_tiles`` with an overlap of one half.
    """
    overlap = length // 2
    count = (cells - overlap) // (length - overlap)
    if count > 2:
        return count, (length * count - cells) / (length * (count - 1))
    return (1, 0.0) if cells <= length else (2, (2 * length - cells) / length)


@pytest.mark.parametrize("side", [64, 256, 320, 512, 1024])
@pytest.mark.parametrize("family", ["sd1", "flux2-klein", "wan-ti2v"])
def test_neighbors_overlap_in_every_size(family: str, side: int) -> None:
    cell = 8 if family == "sd1" else 16
    for cells in range(4, 2048 // cell):
        tiles = tiles_of(FAMILIES[family], (cells * cell, 4 * cell), side)
        if tiles is None:
            assert cells * cell <= side
            continue
        assert 4 <= tiles.width <= max(4, side // cell)
        assert tiles.height == 4
        count, overlap = engine_overlap(cells, tiles.width)
        assert tiles.count == count
        assert overlap >= 0.25
        _, encoded = engine_overlap(cells, min(int(tiles.width * 1.30539), cells))
        assert encoded >= 0.2 or encoded == 0


def test_the_tiles_of_a_picture() -> None:
    sd1 = FAMILIES["sd1"]
    assert tiles_of(sd1, (1024, 1024), 256) == Tiles(32, 32, 8, 49)
    assert tiles_of(sd1, (1024, 256), 256) == Tiles(32, 32, 8, 7)
    assert tiles_of(sd1, (256, 256), 256) is None
    # With 32 cells the engine would let two tiles overlap by one cell.
    assert tiles_of(sd1, (504, 256), 256) == Tiles(30, 32, 8, 3)
    tiles = tiles_of(sd1, (1024, 1024), 512)
    assert tiles is not None
    assert (tiles.pixels, tiles.encoded_pixels) == (512 * 512, int(512 * 512 * 1.30539**2))


def test_the_axes_of_a_seamless_picture_stay_whole() -> None:
    sd1 = FAMILIES["sd1"]
    assert tiles_of(sd1, (1024, 1024), 256, "x") == Tiles(128, 32, 8, 7)
    assert tiles_of(sd1, (1024, 1024), 256, "y") == Tiles(32, 128, 8, 7)
    assert tiles_of(sd1, (1024, 1024), 256, "both") is None


def test_a_model_without_a_vae_has_no_tiles() -> None:
    assert tiles_of(FAMILIES["chroma-radiance"], (1024, 1024), 256) is None
