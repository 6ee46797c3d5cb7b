"""Completion of the models in the Hugging Face cache."""

from pathlib import Path

import pytest
from hub_steps import get
from run_python import run_python

import gpustack_draw
from gpustack_draw.cli.model_names import cache_folder, cached_files, cached_models
from gpustack_draw.hub import Hub


def test_the_models_are_those_of_the_models_command(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    assert list(cached_models()) == []
    hub.fetch([get(hub, "a/tiny-Q4_0.gguf")])
    assert list(cached_models()) == ["hf.co/acme/tiny:Q4_0"]
    assert ["demo", *cached_models()] == [model.model for model in gpustack_draw.models()]


def test_other_files_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--acme--tiny"
    for path in ("vae.gguf", "text_encoder/t5-Q8_0.gguf", "sd-Q8_0.gguf", "README.md", "sd.ckpt"):
        file = repository / "snapshots" / "0a1b" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (repository / "snapshots" / "0a1b" / "gone-Q4_0.gguf").symlink_to("nowhere")
    (tmp_path / "datasets--acme--pictures").mkdir()
    (tmp_path / "models--acme--empty").mkdir()
    assert list(cached_models()) == []  # the revision of the main branch is unknown
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0a1b\n")
    assert list(cached_models()) == ["hf.co/acme/tiny:Q8_0"]
    assert sorted(cached_files()) == [
        "hf.co/acme/tiny:sd-Q8_0.gguf",
        "hf.co/acme/tiny:text_encoder/t5-Q8_0.gguf",
        "hf.co/acme/tiny:vae.gguf",
    ]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"XDG_CACHE_HOME": "/xdg"},
        {"HF_HOME": "/home"},
        {"HF_HOME": "~/$FOLDER", "XDG_CACHE_HOME": "/xdg", "FOLDER": "models"},
        {"HUGGINGFACE_HUB_CACHE": "/older", "HF_HOME": "/home"},
        {"HF_HUB_CACHE": "~/cache", "HUGGINGFACE_HUB_CACHE": "/older"},
    ],
)
def test_the_cache_folder_is_that_of_huggingface_hub(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_CACHE_HOME", "HF_HOME", "HUGGINGFACE_HUB_CACHE", "HF_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    client = run_python("from huggingface_hub import constants; print(constants.HF_HUB_CACHE)")
    assert f"{cache_folder()}\n" == client
