"""Embeddings are checked by their headers against the model that they are loaded with."""

import hashlib
import struct
from pathlib import Path

import pytest
from checkpoint_files import checkpoint_bytes, dictionary, pickled, tensor, text, zip_bytes
from model_files import gguf_bytes, safetensors_bytes

from gpustack_draw.errors import DrawError
from gpustack_draw.headers.header import read_model_header
from gpustack_draw.request.embeddings import Embedding
from gpustack_draw.resolver.embeddings import engine_file, find_embeddings, read_vectors
from gpustack_draw.resolver.families import FAMILIES
from gpustack_draw.resolver.resolved_model import EmbeddingFile

VECTORS = "its vectors have"
NEEDED = "and Stable Diffusion 1 takes 768"
MIXED = "whose two text encoders the engine would give each other's vectors"
KINDS = "an embedding is a safetensors or PyTorch file with one tensor of vectors"


def no_hub() -> None:
    raise AssertionError("no hub is needed")


def find(*embeddings: Embedding, family: str = "sd1") -> tuple[EmbeddingFile, ...]:
    return find_embeddings(embeddings, FAMILIES[family], no_hub)  # type: ignore[arg-type]


def web_ui_file(vectors: int, width: int) -> bytes:
    """Return a file as AUTOMATIC1111's web UI writes it."""
    parameter = dictionary({"*": tensor("F32", "0", [vectors, width])})
    described = dictionary(
        {
            "string_to_token": dictionary({"*": b"K\x05"}),
            "string_to_param": parameter,
            "name": text("my style"),
            "step": b"K\x07",
            "sd_checkpoint": b"N",
        }
    )
    entries = {"archive/data.pkl": pickled(described)}
    return zip_bytes({**entries, "archive/data/0": bytes(4 * vectors * width)})


@pytest.mark.parametrize(
    ("name", "content", "found"),
    [
        ("E-x.safetensors", safetensors_bytes({"emb_params": ((768, 8), "F16")}), ("E-x", 8)),
        ("one.safetensors", safetensors_bytes({"emb_params": ((768,), "F32")}), ("one", 1)),
        ("clip.safetensors", safetensors_bytes({"clip_l": ((768, 3), "BF16")}), ("clip", 3)),
        ("a.pt", web_ui_file(2, 768), ("a", 2)),
        ("b.bin", checkpoint_bytes({"<cat>": ((768,), "F32")}), ("b", 1)),
        ("learned_embeds.bin", checkpoint_bytes({"<cat-toy>": ((768,), "F32")}), ("<cat-toy>", 1)),
        ("most.pt", web_ui_file(75, 768), ("most", 75)),
    ],
)  # fmt: skip
def test_files_of_embeddings(
    tmp_path: Path, name: str, content: bytes, found: tuple[str, int]
) -> None:
    (tmp_path / name).write_bytes(content)
    (file,) = find(Embedding(str(tmp_path / name)))
    assert (file.name, file.vectors, file.width) == (*found, 768)
    assert file.file.component == "embedding"
    assert file.file.path == tmp_path / name
    (named,) = find(Embedding(str(tmp_path / name), "other"))
    assert named.name == "other"


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        (
            "x.safetensors",
            safetensors_bytes({"emb_params": ((1024, 2), "F32")}),
            f"'{{}}' is an embedding for Stable Diffusion 2: {VECTORS} 1024 numbers, {NEEDED}",
            "use one that was made for Stable Diffusion 1",
        ),
        (
            "x.safetensors",
            safetensors_bytes({"emb_params": ((512, 2), "F32")}),
            f"'{{}}' is an embedding for another model: {VECTORS} 512 numbers, {NEEDED}",
            "use one that was made for Stable Diffusion 1",
        ),
        (
            "x.safetensors",
            safetensors_bytes({"clip_l": ((768, 2), "F32"), "clip_g": ((1280, 2), "F32")}),
            "'{}' is an embedding for Stable Diffusion XL",
            "use one that was made for Stable Diffusion 1 or 2",
        ),
        (
            "x.safetensors",
            safetensors_bytes({"a": ((768, 2), "F32"), "b": ((768, 2), "F32")}),
            "'{}' is not an embedding: it has 2 tensors",
            KINDS,
        ),
        (
            "x.safetensors",
            safetensors_bytes({"step": ((1,), "I64")}),
            "'{}' is not an embedding: it has 0 tensors",
            KINDS,
        ),
        (
            "x.pt",
            web_ui_file(76, 768),
            "'{}' is not an embedding: its tensor '*' is 76x768, not 1 to 75 vectors",
            KINDS,
        ),
        (
            "x.safetensors",
            safetensors_bytes({"a": ((768, 2, 2), "F32")}),
            "'{}' is not an embedding: its tensor 'a' is 2x2x768, not 1 to 75 vectors",
            KINDS,
        ),
        (
            "x.gguf",
            gguf_bytes({"emb_params": ((768, 2), "F32")}),
            "'{}' is a GGUF file, not an embedding",
            KINDS,
        ),
        (
            "x.safetensors",
            safetensors_bytes({"emb_params": ((768, 8000), "F32")}),
            "'{}' is a model file of 24.6 MB, not an embedding",
            KINDS,
        ),
        (
            "x.pt",
            zip_bytes({"archive/data.pkl": pickled(b"cposix\nsystem\n(" + text("ls") + b"tR")}),
            "'{}' is malicious: it would run 'posix.system' if PyTorch opened it",
            "delete it, and get the model from a source that you trust",
        ),
        ("x.pt", b"PK\x03\x04", "'{}' is truncated: the directory at its end is missing",
         "download or copy it again"),
        (
            "my(x).pt",
            web_ui_file(2, 768),
            "'my(x)' cannot be the name of an embedding in a prompt",
            "embeddings takes NAME=FILE, where NAME is the word that prompts use",
        ),
    ],
)  # fmt: skip
def test_files_that_are_no_embeddings(
    tmp_path: Path, name: str, content: bytes, message: str, hint: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DrawError) as caught:
        find(Embedding(str(path)))
    shown = str(path)
    assert caught.value.message == message.format(shown)
    assert (caught.value.hint, caught.value.argument) == (hint, "embeddings")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DrawError) as caught:
        find(Embedding(str(tmp_path / "no.pt")))
    assert caught.value.message == f"there is no file '{tmp_path / 'no.pt'}'"
    assert caught.value.exit_status == 3


def test_two_embeddings_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(web_ui_file(1, 768))
    with pytest.raises(DrawError) as caught:
        find(Embedding(str(path)), Embedding(str(path), "A"))
    assert caught.value.message == "two embeddings are named 'A'"
    assert caught.value.hint == "give one another name: embeddings takes NAME=FILE"


@pytest.mark.parametrize(
    ("family", "model"),
    [
        (
            "sdxl",
            f"Stable Diffusion XL, {MIXED}",
        ),
        (
            "flux2-klein",
            "FLUX.2 klein",
        ),
    ],
)
def test_families_without_embeddings(family: str, model: str) -> None:
    message = f"embeddings work with Stable Diffusion 1 and 2, and this is {model}"
    with pytest.raises(DrawError) as caught:
        find(Embedding("a.pt"), family=family)
    assert (caught.value.message, caught.value.hint) == (message, "leave embeddings out")
    assert caught.value.exit_status == 3
    assert find(family=family) == ()


def test_families_with_embeddings() -> None:
    names = {family.name for family in FAMILIES.values() if family.takes_embeddings}
    assert {"sd1", "sd2", "sd1-inpaint", "sd2-inpaint"} <= names
    assert all(FAMILIES[name].clip_width in (768, 1024) for name in names)
    assert not any("sdxl" in name or name in ("svd", "sd3", "flux1") for name in names)


def test_vectors_become_32_bit_floats_in_a_file_of_their_own(tmp_path: Path) -> None:
    numbers = [index / 64 for index in range(-768, 768)]
    data = {"emb_params": struct.pack("<1536e", *numbers)}
    content = safetensors_bytes({"emb_params": ((768, 2), "F16")}, data=data)
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    (file,) = find(Embedding(str(path)))
    vectors = read_vectors(file)
    assert vectors.sha256 == hashlib.sha256(content).hexdigest()
    written = tmp_path / "engine.safetensors"
    written.write_bytes(engine_file(vectors, file.width))
    (info,) = read_model_header(written).tensors.values()
    assert (info.name, info.shape, info.type) == ("emb_params", (768, 2), "F32")
    assert written.read_bytes().endswith(struct.pack("<1536f", *numbers))


def test_a_file_that_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(web_ui_file(2, 768))
    (file,) = find(Embedding(str(path)))
    path.write_bytes(web_ui_file(3, 768))
    with pytest.raises(DrawError) as caught:
        read_vectors(file)
    assert caught.value.message == f"'{path}' has changed"
    assert caught.value.hint == "load the model again"
