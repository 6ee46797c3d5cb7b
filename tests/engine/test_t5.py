"""T5 reads the prompt, in the engine as it is built."""

from pathlib import Path

import pytest
from architectures import CLIP_L, T5_XXL, flux1, vae
from random_model_files import weights, write_gguf

import gpustack_draw
from gpustack_draw import DrawRequest

pytestmark = pytest.mark.engine


def test_capitals_reach_t5(tmp_path: Path) -> None:
    """CLIP ignores capitals, so only T5's tokens can tell the prompts apart."""
    tensors = {"model": flux1(256, 1, 1), "clip_l": CLIP_L, "t5xxl": T5_XXL, "vae": vae(32)}
    files = {
        name: write_gguf(tmp_path / f"{name}.gguf", weights(each)) for name, each in tensors.items()
    }
    request = {"size": (64, 64), "sample_steps": 1, "seed": 1}
    with gpustack_draw.load(
        files["model"], **{n: files[n] for n in files if n != "model"}
    ) as model:
        pictures = [
            bytes(next(iter(model.draw(DrawRequest(prompt=prompt, **request)))).pixels)
            for prompt in ("a cat", "A CAT", "a cat")
        ]
    for path in files.values():  # 2.7 GB
        path.unlink()
    assert pictures[0] == pictures[2] != pictures[1]
