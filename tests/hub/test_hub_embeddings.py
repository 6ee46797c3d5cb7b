"""Embeddings on the loopback hub: planned from their headers, downloaded with the model."""

import json
from collections.abc import Iterator
from pathlib import Path

import model_files as files
import pytest
from checkpoint_files import checkpoint_bytes
from loopback_hub import LoopbackHub

import gpustack_draw
from gpustack_draw.cli.main import main

WEIGHT_HINT = (
    r"a weight is a number from -10 to 10, as in (red:1.3); type \( and \) for brackets as text"
)
EMBEDDING = checkpoint_bytes({"<cat-toy>": ((768,), "F32")})


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    hub.add("acme/cat-toy", {"learned_embeds.bin": EMBEDDING, "README.md": b"hi"})
    monkeypatch.chdir(tmp_path)
    Path("sd.gguf").write_bytes(files.gguf_bytes(files.SD1_ALL))
    yield hub
    hub.close()


def test_an_embedding_is_downloaded_with_the_model() -> None:
    with gpustack_draw.load("sd.gguf", embeddings=["hf.co/acme/cat-toy"]) as model:
        assert model.resolved is not None
        (embedding,) = model.resolved.embeddings
        assert (embedding.name, embedding.label) == (
            "<cat-toy>",
            "hf.co/acme/cat-toy:learned_embeds.bin",
        )
        assert not embedding.file.path.exists()
        assert model.fetch() == ()
        assert embedding.file.path.read_bytes() == EMBEDDING


def test_an_embedding_in_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    reference = "toy=hf.co/acme/cat-toy:learned_embeds"
    words = ["sd.gguf", "a TOY, (red:1.2)", "--dry-run", "--size", "native"]
    assert main([*words, "--embedding", reference]) == 0
    plan = capsys.readouterr().out
    assert "  embedding  " in plan
    assert "hf.co/acme/cat-toy:learned_embeds.bin" in plan
    assert "note:" not in plan
    assert main([*words, "--embedding", reference.replace("toy=", "x="), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    (planned,) = (file for file in record["files"] if file["component"] == "embedding")
    assert (planned["repository"], planned["cached"]) == ("acme/cat-toy", False)
    assert record["fetch_bytes"] == planned["bytes"] == len(EMBEDDING)
    assert record["notes"] == ["embedding 'x' has no effect: no prompt in use has its name"]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (
            ["sd.gguf", "a cat", "--embedding", "no.pt"],
            "there is no file 'no.pt'",
            "check the path",
        ),
        (
            ["demo", "a cat", "--embedding", "no.pt"],
            "embeddings work with Stable Diffusion 1 and 2, and this is FLUX.2 klein",
            "leave --embedding out",
        ),
        (
            ["sd.gguf", "a cat", "--embedding", "a(b)=no.pt"],
            "'a(b)' cannot be the name of an embedding in a prompt",
            "--embedding takes NAME=FILE, where NAME is the word that prompts use",
        ),
        (
            ["sd.gguf", "a (cat:1.2.3)"],
            "the weight '1.2.3' at character 8 of the prompt is not a number",
            WEIGHT_HINT,
        ),
    ],
)
def test_errors_of_the_command(
    capsys: pytest.CaptureFixture[str], words: list[str], message: str, hint: str
) -> None:
    assert main([*words, "--dry-run"]) in (2, 3)
    errors = capsys.readouterr().err
    assert errors == f"gpustack-draw: {message}\ngpustack-draw: {hint}\n"
