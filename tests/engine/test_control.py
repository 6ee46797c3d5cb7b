"""ControlNets are named as the engine names them, and control models follow their picture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import CLIP_L, all_in_one, flux1
from random_gguf import write_random_gguf

from gpustack_draw.engine.core_engine import CoreEngine
from gpustack_draw.engine.import_core import import_core
from gpustack_draw.engine.input_buffers import InputBuffers
from gpustack_draw.engine.process import EngineProcess
from gpustack_draw.engine.results import EngineTensor
from gpustack_draw.inputs.engine_pictures import EnginePictures
from gpustack_draw.resolver.control_net_tensors import control_net_tensors

pytestmark = pytest.mark.engine

CIRCLE = """
................
................
................
................
......####......
.....#....#.....
....#......#....
............##..
...#............
....#......#....
.....#....#.....
......####......
................
................
................
................
"""


@pytest.mark.parametrize("naming", ["original", "bare", "diffusers"])
def test_the_engine_has_the_names_of_the_table(naming: str) -> None:
    tensors = list(control_net_tensors(768))
    names = {
        "original": [f"control_model.{each.name}" for each in tensors],
        "bare": [each.name for each in tensors],
        "diffusers": [each.diffusers_name for each in tensors],
    }[naming]
    shapes = [each.shape for each in tensors]
    stored = [EngineTensor(*pair) for pair in zip(names, shapes, strict=True)]
    found = CoreEngine().engine_names(stored, [])
    assert found.model == tuple(each.name for each in tensors)


def test_edges_of_a_circle() -> None:
    """The golden picture was drawn by the engine's function with the numbers of sd-cli."""
    row, column = np.mgrid[0:16, 0:16] - 7.5
    picture = np.where(row**2 + column**2 < 16, 255, 0).astype(np.uint8)
    edges = np.asarray(import_core().find_edges(np.dstack([picture] * 3)).pixels)
    assert np.ptp(edges, axis=2).max() == 0
    drawn = ["".join("#" if value == 255 else "." for value in row) for row in edges[:, :, 0]]
    assert drawn == CIRCLE.split()
    assert set(edges.ravel()) == {0, 255}


SIDE = 64
SETTINGS = {
    "prompt": "a cat", "negative_prompt": "", "width": SIDE, "height": SIDE, "seed": 7,
    "sampler": "euler", "scheduler": "discrete", "sample_steps": 2, "cfg_scale": 1.0,
}  # fmt: skip


def test_a_control_model_follows_its_picture(tmp_path: Path) -> None:
    """FLUX.1 Control, of one block of each kind."""
    network = {**flux1(128, 1, 1), "img_in.weight": ((128, 128), "F16")}
    encoder = {"text_encoders.clip_l.transformer.": CLIP_L}
    path = write_random_gguf(tmp_path / "model.gguf", all_in_one(network, encoder))
    row, column = np.mgrid[0:SIDE, 0:SIDE]
    disc = np.where((row - 30) ** 2 + (column - 30) ** 2 < 300, 255, 0).astype(np.uint8)
    one, other = (np.dstack([pixels] * 3) for pixels in (disc, 255 - disc))
    engine = EngineProcess()
    engine.load(files={"model": str(path)}, threads=2, device="auto", encode_pictures=True)

    def draw(*, canny: bool = False, strength: float = 0.75, **pictures: Any) -> bytes:
        buffers = InputBuffers.of(EnginePictures(**pictures)) if pictures else None
        numbers = {"strength": strength}
        result = engine.draw(settings=SETTINGS, pictures=buffers, canny=canny, numbers=numbers)
        return bytes(result.pixels)

    try:
        drawn = [draw(control=one), draw(control=other), draw(control=one, canny=True), draw()]
        assert len(set(drawn)) == 4
        assert draw(control=one) == drawn[0]
        assert draw(control=one, image=other) not in drawn
        edges = np.asarray(import_core().find_edges(one).pixels)
        assert draw(control=edges) == drawn[2]
    finally:
        engine.close()
