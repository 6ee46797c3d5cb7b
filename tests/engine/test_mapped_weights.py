"""Weights are mapped from their file, not copied; those that cannot be mapped are read."""

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from model_files import gguf_start

import gpustack_draw
from gpustack_draw import EngineCrashed, Model
from gpustack_draw.demo import DEMO_FILE
from gpustack_draw.headers.header import read_model_header

pytestmark = pytest.mark.engine

PROMPT = "a red circle on a blue background"


def draw(model: Model) -> np.ndarray:
    return np.asarray(model.generate(PROMPT, seed=7, size=(64, 64), sample_steps=1))


def mapped_files(model: Model) -> set[str]:
    """Return the files that the engine's process has mapped."""
    pid = model._engine._engine.pid  # type: ignore[union-attr]
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    return {line.split(maxsplit=5)[5] for line in lines if line.count(" ") > 5 and "/" in line}


def write_unaligned(path: Path) -> Path:
    """Write the demo model with weights at odd addresses, which are not mapped."""
    content = DEMO_FILE.read_bytes()
    tensors = read_model_header(DEMO_FILE).tensors.values()
    named = {tensor.name: (tensor.shape, tensor.type) for tensor in tensors}
    metadata: dict[str, object] = {"general.alignment": 1, "general.name": ""}
    start, _ = gguf_start(named, metadata, alignment=1)
    metadata["general.name"] = "x" * ((1 - len(start)) % 4)
    start, _ = gguf_start(named, metadata, alignment=1)
    with path.open("wb") as file:
        file.write(start)
        for tensor in tensors:
            file.write(content[tensor.offset : tensor.offset + tensor.bytes])
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_file_is_mapped(tmp_path: Path) -> None:
    path = Path(shutil.copy(DEMO_FILE, tmp_path / "model.gguf"))
    with gpustack_draw.load(path) as model:
        model.load()
        assert str(path) in mapped_files(model)


def test_mapped_and_read_weights_draw_the_same_picture(tmp_path: Path) -> None:
    path = write_unaligned(tmp_path / "unaligned.gguf")
    with gpustack_draw.load(path) as unaligned, gpustack_draw.load("demo") as demo:
        np.testing.assert_array_equal(draw(unaligned), draw(demo))
        if sys.platform == "linux":
            assert str(path) not in mapped_files(unaligned)


@pytest.mark.skipif(os.name == "nt", reason="Windows reads weights")
def test_a_file_that_is_cut_short_while_it_is_used_costs_one_drawing(tmp_path: Path) -> None:
    path = Path(shutil.copy(DEMO_FILE, tmp_path / "model.gguf"))
    with gpustack_draw.load(path) as model:
        first = draw(model)
        os.truncate(path, 1_000_000)
        with pytest.raises(EngineCrashed):
            draw(model)
        path.write_bytes(DEMO_FILE.read_bytes())
        np.testing.assert_array_equal(draw(model), first)
