"""Stable Diffusion 2 with an embedding and a ControlNet, all with random weights."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import Named, clip, unet, vae
from input_files import noise
from model_files import prefixed, safetensors_bytes
from random_model_files import weights, write_gguf

import gpustack_draw
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.memory.available import available_memory
from gpustack_draw.model import Model
from gpustack_draw.resolver.control_net_tensors import control_net_tensors

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

WIDTH = 1024  # of the text encoder
RED, CAT = 736, 2368  # tokens of CLIP
TABLE = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
SIDE = 64


def network() -> Named:
    encoder = clip(WIDTH, 24, weight_type="Q4_0")
    encoder["text_model.embeddings.token_embedding.weight"] = ((WIDTH, 49_408), "F16")
    return {
        **prefixed("model.diffusion_model.", unet(context=WIDTH, linear=True, weight_type="Q4_0")),
        **prefixed("cond_stage_model.transformer.", encoder),
        **prefixed("first_stage_model.", vae(32, latent=4, quant=True)),
    }


def control_net() -> Named:
    """Return the tensors of a ControlNet as files for Stable Diffusion 2 store them."""
    named: Named = {}
    for tensor in control_net_tensors(WIDTH):
        is_matrix = ".proj_" in tensor.name and tensor.shape[:2] == (1, 1)
        shape = tensor.shape[2:] if is_matrix else tensor.shape
        kind = "F16" if len(shape) == 4 else "F32" if len(shape) == 1 else "Q4_0"
        named[f"control_model.{tensor.name}"] = (shape, kind)
    return named


def words_of(model: Path, *tokens: int) -> bytes:
    """Return the vectors that the model's table has for tokens."""
    tensor = read_model_header(model).tensors[TABLE]
    assert tensor.offset is not None
    table = np.memmap(model, "<f2", "r", tensor.offset, shape=(49_408, WIDTH))
    return bytes(table[list(tokens)].tobytes())


@pytest.fixture(scope="module")
def sd2(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """Yield the model, loaded once with an embedding and a ControlNet."""
    free = available_memory()
    if free is not None and free < 6e9:
        pytest.skip("needs 6 GB of memory")
    folder = tmp_path_factory.mktemp("sd2")
    model = write_gguf(folder / "sd2.gguf", weights(network()))
    net = write_gguf(folder / "net.gguf", weights(control_net()))
    content = safetensors_bytes(
        {"emb_params": ((WIDTH, 2), "F16")}, data={"emb_params": words_of(model, RED, CAT)}
    )
    embedding = folder / "red-cat.safetensors"
    embedding.write_bytes(content)
    with gpustack_draw.load(model, threads=2, embeddings=[embedding], control_net=net) as loaded:
        yield loaded
    model.unlink()  # gigabytes
    net.unlink()


def draw(model: Model, prompt: str, **options: Any) -> bytes:
    settings = {"seed": 7, "size": (SIDE, SIDE), "sample_steps": 1, "cfg_scale": 1, **options}
    return model.generate(prompt, **settings).tobytes()


def test_an_embedding_of_two_words_draws_what_the_words_draw(sd2: Model) -> None:
    words = draw(sd2, "a red cat")
    assert draw(sd2, "a Red-Cat") == words
    assert draw(sd2, "a red") != words
    assert draw(sd2, "a (red-cat:1.5)") == draw(sd2, "a (red cat:1.5)") != words


def test_the_drawing_follows_the_control_picture(sd2: Model) -> None:
    plain = draw(sd2, "a cat")
    one, other = noise(SIDE, SIDE), noise(SIDE, SIDE)[::-1].copy()
    drawn = [
        draw(sd2, "a cat", control_image=picture, control_strength=strength)
        for picture in (one, other)
        for strength in (0.5, 1)
    ]
    assert len({plain, *drawn}) == 5
    assert draw(sd2, "a cat", control_image=one, control_strength=0) == plain
    canny = draw(sd2, "a cat", control_image=one, canny=True)
    assert canny not in {plain, *drawn}
