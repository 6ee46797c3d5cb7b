"""The pieces of a prompt, and embeddings, reach the text encoder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import sd1_model
from model_files import safetensors_bytes
from random_model_files import weights, write_gguf

import gpustack_draw
from gpustack_draw.model import Model
from gpustack_draw.pictures.read_parameters import read_parameters

pytestmark = pytest.mark.engine


def draw(model: Model, prompt: str, **settings: Any) -> bytes:
    settings = {"seed": 7, "size": (64, 64), "sample_steps": 1, "cfg_scale": 1, **settings}
    return model.generate(prompt, **settings).tobytes()


@pytest.fixture(scope="module")
def demo() -> Iterator[Model]:
    with gpustack_draw.load("demo") as model:
        yield model


def test_brackets_are_text_for_a_language_model(demo: Model) -> None:
    plain = draw(demo, "a (red) circle")
    assert plain == draw(demo, r"a \(red\) circle")
    # The library's own parser would weight it, and draw "a red circle" for "a (red:1) circle".
    assert plain != draw(demo, "a red circle")
    assert draw(demo, "a (red:1) circle") != draw(demo, "a red circle")


def test_text_that_the_librarys_own_parser_fails_for_is_drawn(demo: Model) -> None:
    assert draw(demo, "a red (circle:.)") != draw(demo, "a red circle")


def vectors(count: int) -> bytes:
    numbers = np.random.default_rng(count).standard_normal((count, 768)) * 0.02
    return numbers.astype("<f2").tobytes()


@pytest.fixture(scope="module")
def sd1(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Model]:
    """Yield Stable Diffusion 1 with random weights and two embeddings, loaded once."""
    folder = tmp_path_factory.mktemp("sd1")
    path = write_gguf(folder / "sd1.gguf", weights(sd1_model()))
    for name, count in {"One-Toy": 1, "many": 75}.items():
        shapes = {"emb_params": ((768, count), "F16")}
        content = safetensors_bytes(shapes, data={"emb_params": vectors(count)})
        (folder / f"{name}.safetensors").write_bytes(content)
    files = [folder / "One-Toy.safetensors", f"big={folder / 'many.safetensors'}"]
    with gpustack_draw.load(path, threads=2, embeddings=files) as model:
        yield model
    path.unlink()  # 1.4 GB


def test_weights_and_chunks(sd1: Model) -> None:
    plain = draw(sd1, "a red cat")
    pictures = {
        prompt: draw(sd1, prompt)
        for prompt in ("a (red:1.5) cat", "a [red] cat", r"a \(red\) cat", "a red BREAK cat")
    }
    assert len({plain, *pictures.values()}) == 5
    assert draw(sd1, "a (red:1) cat") == plain
    assert draw(sd1, "(a red cat:2)") != plain  # start and end keep their weight
    assert draw(sd1, "a ((red:1.5):1) cat") == pictures["a (red:1.5) cat"]


def test_embeddings(sd1: Model) -> None:
    plain = draw(sd1, "a cat")
    one = draw(sd1, "a one-toy cat")
    assert one != plain
    assert draw(sd1, "a embedding:ONE-TOY cat") == one
    assert draw(sd1, "a (One-Toy:1.5) cat") != one
    assert draw(sd1, "a big cat") != draw(sd1, "a bigger cat")
    # A name inside a word is not a name, and drawing with embeddings changes nothing afterwards.
    assert draw(sd1, "a one-toys cat") != one
    assert draw(sd1, "a cat") == plain
    embeddings = sd1._engine._engine_model._embeddings
    for path in embeddings.paths.values():  # as a cleaner of temporary folders does
        Path(path).unlink()
    assert draw(sd1, "a one-toy cat") == one
    negative = {"cfg_scale": 7, "negative_prompt": "big"}
    assert draw(sd1, "a cat", **negative) != draw(sd1, "a cat", cfg_scale=7)


def test_a_picture_names_its_embeddings(sd1: Model) -> None:
    image = sd1.generate("a ONE-TOY cat", seed=7, size=(64, 64), sample_steps=1, cfg_scale=1)
    assert read_parameters(image).embeddings == ("One-Toy",)
    assert read_parameters(image).prompt == "a ONE-TOY cat"
    request = gpustack_draw.DrawRequest(prompt="a big cat", size="native")
    assert sd1.check(request) == (
        "embedding 'One-Toy' has no effect: no prompt in use has its name",
    )
    embeddings = [file for file in sd1.plan(request).files if file.component == "embedding"]
    assert [(file.origin, Path(file.path).stem) for file in embeddings] == [
        ("named", "One-Toy"),
        ("named", "many"),
    ]
