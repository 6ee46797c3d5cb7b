"""The MODEL argument: which kind of model it names."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpustack_draw.errors import UsageError
from gpustack_draw.request.model_reference import (
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
    return HubModel("acme/tiny", tag, has_explicit_tag=True, revision=revision, text=text)


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
        hub("hf.co/acme/tiny:latest"),
        hub("hf.co/acme/tiny:LATEST"),
        hub("hf.co/acme/tiny@v1:latest", revision="v1"),
        hub("HF.CO/acme/tiny:Q8_0", "Q8_0"),
        hub("https://huggingface.co/acme/tiny:Q8_0", "Q8_0"),
        hub("https://huggingface.co/acme/tiny/"),
        hub("https://huggingface.com/acme/tiny"),
        hub("https://huggingface.co/acme/tiny.git"),
        hub("https://huggingface.co/acme/tiny#files"),
        # The page of a repository that shows one of its files.
        hub("https://huggingface.co/acme/tiny?show_file_info=x-IQ4_NL.gguf", "x-IQ4_NL.gguf"),
        hub("huggingface.co/acme/tiny?show_file_info=x-IQ4_NL.gguf", "x-IQ4_NL.gguf"),
        hub("https://hf.co/acme/tiny?library=x&show_file_info=a%2Fb%20c.gguf", "a/b c.gguf"),
        hub("https://hf.co/acme/tiny/tree/main?show_file_info=x.gguf", "x.gguf", "main"),
        hub(
            "https://hf.co/acme/tiny/tree/main/sub?show_file_info=sub%2Fx.gguf",
            "sub/x.gguf",
            "main",
        ),
        # Files without a page, and other pages.
        hub("hf.co/acme/tiny/x.gguf", "x.gguf"),
        hub("hf.co/acme/tiny/sub/x.GGUF", "sub/x.GGUF"),
        hub("hf.co/acme/tiny@v1/sub/x.gguf", "sub/x.gguf", "v1"),
        hub("hf.co/acme/tiny@refs/pr/1/x.gguf", "x.gguf", "refs/pr/1"),
        hub("hf.co/acme/tiny/blame/main/x.gguf", "x.gguf", "main"),
        hub("https://huggingface.co/acme/tiny/commit/4f2a", revision="4f2a"),
        hub("https://huggingface.co/acme/tiny/commits/main", revision="main"),
        # As the hub's own client and its API write them.
        hub("hf:acme/tiny"),
        hub("hf:acme/tiny:Q8_0", "Q8_0"),
        hub("hf://acme/tiny"),
        hub("hf://acme/tiny:Q8_0", "Q8_0"),
        hub("hf://acme/tiny/x.gguf", "x.gguf"),
        hub("hf://acme/tiny@refs%2Fpr%2F1/sub/x.gguf", "sub/x.gguf", "refs/pr/1"),
        hub("hf://models/acme/tiny/x.gguf", "x.gguf"),
        hub("https://huggingface.co/models/acme/tiny"),
        hub("https://huggingface.co/api/models/acme/tiny"),
        LocalModel(Path("/models/tiny.gguf"), "/models/tiny.gguf"),
        LocalModel(Path("my.app/models/x.gguf"), "my.app/models/x.gguf"),
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
        ServerModel("hf:acme", "hf:acme"),
        ServerModel("acme.com/flux", "acme.com/flux"),
        ServerModel("a/b/c", "a/b/c"),
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


def test_spaces_around_a_reference_do_not_count() -> None:
    assert parse_model_reference(" hf.co/acme/tiny\n") == hub("hf.co/acme/tiny")


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
TYPE_IT = "type hf.co/acme/tiny, or hf.co/acme/tiny:TAG, for example :Q8_0"
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
        ("hf.co/datasets", NO_REPOSITORY),
        ("https://huggingface.co/models?search=flux", NO_REPOSITORY),
        ("hf://acme", NO_REPOSITORY),
        ("hf.co/datasets/acme/tiny", "is a dataset, not a model"),
        ("hf://datasets/acme/tiny/x.gguf", "is a dataset, not a model"),
        ("https://huggingface.co/spaces/acme/tiny", "is a Space, not a model"),
        ("https://huggingface.co/collections/acme/tiny-123", "is a collection, not a model"),
        ("https://huggingface.co/papers/2403.12345", "is a paper, not a model"),
        ("https://huggingface.co/docs/hub/gguf", "is a page of documentation, not a model"),
        ("https://huggingface.co/blog/flux", "is a blog post, not a model"),
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
            "name a file in it, hf.co/acme/tiny:sub/FILE, or hf.co/acme/tiny",
        ),
        *(
            (f"hf.co/acme/tiny/{rest}", NO_REPOSITORY, TYPE_IT)
            for rest in ("more", "tree", "discussions/1", "more:Q8_0", "tree/main:Q8_0")
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


DOWNLOAD = "download the file, and type its path"
LOOK = "look for it on Hugging Face, and type hf.co/OWNER/REPO"
MIRROR = "set HF_ENDPOINT=https://hf-mirror.com, and type hf.co/acme/tiny"
UNKNOWN = (
    f"if {{}} mirrors Hugging Face, set HF_ENDPOINT={{}} and type hf.co/acme/tiny; else {DOWNLOAD}"
)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("hf-mirror.com/acme/tiny", MIRROR),
        ("https://hf-mirror.com/acme/tiny/", MIRROR),
        ("HTTPS://HF-Mirror.com/acme/tiny?library=gguf", MIRROR),
        ("https://hf-mirror.com/acme/tiny/resolve/main/x.gguf", f"{MIRROR}/resolve/main/x.gguf"),
        ("hf-mirror.com/acme/tiny/resolve/main/x.gguf", f"{MIRROR}/resolve/main/x.gguf"),
        ("https://hf-mirror.com", MIRROR.replace("acme/tiny", "OWNER/REPO")),
        (
            "https://hub.example.org/acme/tiny",
            UNKNOWN.format(*["hub.example.org", "https://hub.example.org"]),
        ),
        ("http://10.0.0.7:8080/acme/tiny", UNKNOWN.format("10.0.0.7:8080", "http://10.0.0.7:8080")),
        ("hf.com/acme/tiny", UNKNOWN.format("hf.com", "https://hf.com")),
        ("https://modelscope.cn/models/acme/tiny", f"{LOOK}; else {DOWNLOAD}"),
        ("www.modelscope.cn/models/acme/tiny", f"{LOOK}; else {DOWNLOAD}"),
        ("modelscope.ai/acme/tiny", f"{LOOK}; else {DOWNLOAD}"),
        ("ollama.com/library/flux", LOOK),
        ("https://ollama.com/x/flux2-klein", LOOK),
        ("registry.ollama.ai/library/flux:latest", LOOK),
        ("https://civitai.com/models/133005?modelVersionId=1", DOWNLOAD),
        ("civitai.com/models/133005/juggernaut-xl", DOWNLOAD),
        ("https://github.com/acme/tiny", DOWNLOAD),
        ("github.com/acme/tiny", DOWNLOAD),
        ("https://raw.githubusercontent.com/acme/tiny/main/x.gguf", DOWNLOAD),
        ("https://example.com/tiny.gguf", f"{DOWNLOAD}, or type hf.co/OWNER/REPO"),
        ("s3://models/tiny", f"{DOWNLOAD}, or type hf.co/OWNER/REPO"),
        ("ftp://example.com/acme/tiny", f"{DOWNLOAD}, or type hf.co/OWNER/REPO"),
    ],
)
def test_an_address_of_another_site(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_model_reference(text)
    assert (caught.value.message, caught.value.hint) == (f"{text!r} {ELSEWHERE}", hint)


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("ollama run hf.co/acme/tiny", "hf.co/acme/tiny"),
        ("ollama run hf.co/acme/tiny:Q8_0", "hf.co/acme/tiny:Q8_0"),
        ("llama-cli -hf acme/tiny:Q8_0", "hf.co/acme/tiny:Q8_0"),
        ("llama-server --hf-repo acme/tiny", "hf.co/acme/tiny"),
        ("huggingface-cli download acme/tiny x.gguf", "hf.co/acme/tiny"),
        ("git clone https://huggingface.co/acme/tiny", "https://huggingface.co/acme/tiny"),
        (
            "curl -L 'https://huggingface.co/acme/tiny/resolve/main/x.gguf' -o x.gguf",
            "https://huggingface.co/acme/tiny/resolve/main/x.gguf",
        ),
    ],
)
def test_a_command_of_another_program(text: str, typed: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_model_reference(text)
    assert caught.value.message == f"{text!r} is a command, not a model"
    assert caught.value.hint == f"type {typed} alone"
    assert isinstance(parse_model_reference(typed), HubModel)


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(UsageError) as caught:
        parse_model_reference("https://me:hf_secret@huggingface.co/acme/tiny")
    assert str(caught.value) == (
        "the address of the model contains a user name or password\n"
        "remove it, and set HF_TOKEN to a token of Hugging Face"
    )


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("https://hf-mirror.com", "hf-mirror.com/acme/tiny:Q8_0"),
        ("https://hf-mirror.com/", "https://HF-mirror.com/acme/tiny/resolve/main/Q8_0"),
        ("http://10.0.0.7:8080", "http://10.0.0.7:8080/acme/tiny:Q8_0"),
        ("https://repo.example/api/hub", "https://repo.example/api/hub/acme/tiny:Q8_0"),
    ],
)
def test_addresses_of_the_mirror_in_use_are_those_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, text: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    reference = parse_model_reference(text)
    assert isinstance(reference, HubModel)
    assert (reference.repository, reference.tag) == ("acme/tiny", "Q8_0")


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
