"""The MODEL argument: which kind of model it names."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.errors import UsageError
from gpustack_draw.model_reference import (
    DemoModel,
    HubModel,
    LocalModel,
    ModelReference,
    ServerModel,
    parse_model_reference,
)


def hub(text: str, tag: str | None = None, revision: str | None = None) -> HubModel:
    if tag is None:
        return HubModel("acme/tiny", revision=revision, text=text)
    return HubModel("acme/tiny", tag, tag_given=True, revision=revision, text=text)


@pytest.mark.parametrize(
    "reference",
    [
        DemoModel("demo"),
        hub("hf.co/acme/tiny"),
        hub("hf.co/acme/tiny/"),
        hub("huggingface.co/acme/tiny"),
        hub("https://hf.co/acme/tiny"),
        hub("http://huggingface.co/acme/tiny"),
        hub("HTTPS://HuggingFace.co/acme/tiny"),
        hub("https://huggingface.co/acme/tiny?library=gguf"),
        hub("hf.co/acme/tiny:Q8_0", "Q8_0"),
        hub("hf.co/acme/tiny:pure-Q4_0", "pure-Q4_0"),
        hub("hf.co/acme/tiny:tiny-F16.gguf", "tiny-F16.gguf"),
        hub("hf.co/acme/tiny:high noise/tiny.gguf", "high noise/tiny.gguf"),
        hub("https://huggingface.co/acme/tiny/tree/main", revision="main"),
        hub("https://huggingface.co/acme/tiny/blob/main/a@b.gguf", "a@b.gguf", "main"),
        hub("https://huggingface.co/acme/tiny/blob/main/a/b.gguf", "a/b.gguf", "main"),
        hub("https://huggingface.co/acme/tiny/resolve/v2/b.gguf?download=true", "b.gguf", "v2"),
        hub("https://hf.co/acme/tiny/blob/main/a%20b/c%231.gguf", "a b/c#1.gguf", "main"),
        hub("https://hf.co/acme/tiny/tree/refs%2Fpr%2F3", revision="refs/pr/3"),
        hub("https://huggingface.co/acme/tiny/tree/main/", revision="main"),
        hub("hf.co/acme/tiny:c#1.gguf", "c#1.gguf"),
        hub("hf.co/acme/tiny@v1.0", revision="v1.0"),
        hub("hf.co/acme/tiny@refs/pr/1:Q8_0", "Q8_0", "refs/pr/1"),
        hub("https://huggingface.co/acme/tiny@4f2a:a@b.gguf", "a@b.gguf", "4f2a"),
        LocalModel(Path("/models/tiny.gguf"), "/models/tiny.gguf"),
        LocalModel(Path("tiny.gguf"), "./tiny.gguf"),
        LocalModel(Path("../tiny"), "../tiny"),
        LocalModel(Path("missing.gguf"), "missing.gguf"),
        LocalModel(Path("missing.SAFETENSORS"), "missing.SAFETENSORS"),
        LocalModel(Path("a folder/missing.ckpt"), "a folder/missing.ckpt"),
        LocalModel(Path("/models/a b.gguf"), "file:///models/a%20b.gguf"),
        LocalModel(Path("/models/tiny.gguf"), "file://localhost/models/tiny.gguf"),
        LocalModel(Path("~no-such-user/tiny.gguf"), "~no-such-user/tiny.gguf"),
        ServerModel("stable-diffusion", "stable-diffusion"),
        ServerModel("gpustack/stable-diffusion", "gpustack/stable-diffusion"),
        ServerModel("Demo", "Demo"),
        ServerModel("hf.com/acme/tiny", "hf.com/acme/tiny"),
        ServerModel("flux:latest", "flux:latest"),
    ],
    ids=lambda reference: reference.text,
)
def test_reference(reference: ModelReference, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_model_reference(reference.text) == reference


def test_home_folder_is_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    reference = parse_model_reference("~/tiny.gguf")
    assert reference == LocalModel(Path("/home/ann/tiny.gguf"), "~/tiny.gguf")


def test_what_exists_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sdxl").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "model").touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "demo").mkdir()
    for text in ("sdxl", "sub/model", "dangling"):
        assert parse_model_reference(text) == LocalModel(Path(text), text)
    assert parse_model_reference("demo") == DemoModel("demo")
    assert parse_model_reference("./demo") == LocalModel(Path("demo"), "./demo")


def test_a_path_object_is_a_path() -> None:
    assert parse_model_reference(Path("demo")) == LocalModel(Path("demo"), "demo")


HUB_HINT = "write it as hf.co/OWNER/REPO, or hf.co/OWNER/REPO:TAG, for example :Q8_0"
ELSEWHERE = "is an address on the network, but not one of Hugging Face"
NO_REPOSITORY = "does not name a repository on Hugging Face"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hf.co", NO_REPOSITORY),
        ("hf.co/", NO_REPOSITORY),
        ("https://huggingface.co", NO_REPOSITORY),
        ("hf.co/acme", NO_REPOSITORY),
        ("hf.co/acme/", NO_REPOSITORY),
        ("hf.co//tiny", NO_REPOSITORY),
        ("hf.co/acme:Q8_0", NO_REPOSITORY),
        ("hf.co/acme/tiny/more", NO_REPOSITORY),
        ("hf.co/datasets/acme/tiny", NO_REPOSITORY),
        ("hf.co/../tiny", NO_REPOSITORY),
        ("hf.co/ac me/tiny", NO_REPOSITORY),
        ("hf.co/acme/tiny@", "does not name a revision after the @"),
        ("hf.co/acme/tiny@../x:Q8_0", "does not name a revision after the @"),
        ("hf.co/acme/tiny@a b", "does not name a revision after the @"),
        ("hf.co/acme@v1", NO_REPOSITORY),
        ("hf.co/acme/tiny:", "does not name a tag after the colon"),
        ("hf.co/acme/tiny: ", "does not name a tag after the colon"),
        ("hf.co/acme/tiny:../x.gguf", "does not name a tag after the colon"),
        ("hf.co/acme/tiny:/x.gguf", "does not name a tag after the colon"),
    ],
)
def test_incomplete_hugging_face_reference(text: str, why: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_model_reference(text)
    assert (caught.value.message, caught.value.hint) == (f"{text.strip()!r} {why}", HUB_HINT)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "https://huggingface.co/acme/tiny/tree/main/sub",
            "is the address of a folder, not of a file",
            "name a file in it, hf.co/acme/tiny:FOLDER/FILE, or hf.co/acme/tiny",
        ),
        (
            "https://huggingface.co/acme/tiny/blob/main",
            "is the address of a folder, not of a file",
            "name a file in it, hf.co/acme/tiny:FOLDER/FILE, or hf.co/acme/tiny",
        ),
        (
            "https://huggingface.co/acme/tiny/blob/%2E%2E/x.gguf",
            "does not name a revision",
            HUB_HINT,
        ),
        (
            "https://huggingface.co/acme/tiny/blob/main/%2E%2E/x.gguf",
            "does not name a tag after the colon",
            HUB_HINT,
        ),
    ],
)
def test_page_that_is_no_model(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_model_reference(text)
    assert (caught.value.message, caught.value.hint) == (f"{text!r} {message}", hint)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the model is empty: ''"),
        ("  ", "the model is empty: '  '"),
        ("a\0b", "'a\\x00b' is not a model: it has a NUL character"),
        ("file:///a%00b", "'/a\\x00b' is not a model: it has a NUL character"),
        (
            "https://example.com/tiny.gguf",
            f"'https://example.com/tiny.gguf' {ELSEWHERE}",
        ),
        (
            "s3://models/tiny",
            f"'s3://models/tiny' {ELSEWHERE}",
        ),
        (
            "file://server/tiny.gguf",
            "'file://server/tiny.gguf' is not the address of a file on this machine",
        ),
        (3, "3 is not a model: it is int"),
        (None, "None is not a model: it is NoneType"),
    ],
)
def test_no_model(text: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_model_reference(text)
    assert caught.value.message == message


@given(st.text() | st.text().map(lambda text: f"hf.co/{text}") | st.from_regex(r"hf\.co/\S*:\S*"))
def test_any_text_is_a_reference_or_a_usage_error(text: str) -> None:
    try:
        reference = parse_model_reference(text)
    except UsageError:
        return
    assert reference.text in {text, text.strip()}
    if isinstance(reference, HubModel):
        owner, name = reference.repository.split("/")
        assert owner
        assert name
