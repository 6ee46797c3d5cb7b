"""Finding the file of an addition to a model: a path, or a file of a repository on the hub."""

from collections.abc import Iterator
from pathlib import Path

import model_files as files
import pytest
from hub_steps import error_of, set_offline
from loopback_hub import LoopbackHub

from gpustack_draw.errors import FetchError, ModelFileError, ModelNotFoundError, UsageError
from gpustack_draw.hub import Hub
from gpustack_draw.request.additions import LORA, UPSCALER, Addition
from gpustack_draw.resolver.find_addition import AdditionFile, find_addition

TENSORS: files.Tensors = {"a.lora_down.weight": ((8, 4), "F16")}
DATA = files.safetensors_bytes(TENSORS)


@pytest.fixture(autouse=True)
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    hub.add("acme/extra", {"one.safetensors": DATA, "two.safetensors": DATA, "README.md": b"hi"})
    monkeypatch.chdir(tmp_path)
    yield hub
    hub.close()


def find(reference: str | Path, addition: Addition = LORA) -> AdditionFile:
    return find_addition(reference, addition, Hub, argument="lora")


@pytest.mark.parametrize("reference", ["style.safetensors", "./style.safetensors", "style"])
def test_a_path_is_a_local_file(reference: str) -> None:
    Path("style").write_bytes(DATA)
    Path("style.safetensors").write_bytes(DATA)
    found = find(reference)
    assert (found.reference, found.label, found.hub_file) == (reference, reference, None)
    assert found.path == Path(reference)
    assert list(found.header.tensors) == ["a.lora_down.weight"]


def test_a_file_on_the_hub_is_found_by_its_header_alone(server: LoopbackHub) -> None:
    found = find("hf.co/acme/extra:TWO")
    assert found.label == "hf.co/acme/extra:two.safetensors"
    assert found.hub_file is not None
    assert found.hub_file.path == "two.safetensors"
    assert not found.path.exists()
    assert list(found.header.tensors) == ["a.lora_down.weight"]


def test_a_cached_file_needs_no_request(server: LoopbackHub) -> None:
    hub = Hub()
    found = find_addition("hf.co/acme/extra:one", LORA, lambda: hub, argument="lora")
    assert found.hub_file is not None
    hub.fetch([found.hub_file])
    server.requests.clear()
    assert find("hf.co/acme/extra:one").path.is_file()
    assert server.paths() == []


def test_the_hub_is_not_opened_for_a_path() -> None:
    def open_hub() -> Hub:
        raise AssertionError

    Path("style.pth").write_bytes(DATA)
    assert find_addition("style.pth", LORA, open_hub, argument="lora").label == "style.pth"


@pytest.mark.parametrize(
    ("reference", "error", "message", "hint"),
    [
        (
            "hf.co/acme/extra",
            ModelNotFoundError,
            (
                "hf.co/acme/extra has 2 files that can be an upscaling model: one.safetensors,"
                " two.safetensors"
            ),
            "name one: hf.co/acme/extra:one.safetensors",
        ),
        (
            "hf.co/acme/extra@main:three",
            ModelNotFoundError,
            (
                "hf.co/acme/extra@main has no file 'three' that can be an upscaling model; it has"
                " one.safetensors, two.safetensors"
            ),
            "for example hf.co/acme/extra@main:one.safetensors",
        ),
        ("missing.pth", ModelNotFoundError, "there is no file 'missing.pth'", "check the path"),
        ("demo", ModelNotFoundError, "there is no file 'demo'", "check the path"),
        (
            "text.pth",
            ModelFileError,
            "'text.pth' is text, not a model file",
            "a model file is GGUF, safetensors or a PyTorch checkpoint (.ckpt)",
        ),
        (
            "https://civitai.com/models/1/x",
            UsageError,
            (
                "'https://civitai.com/models/1/x' is an address on the network, but not one of"
                " Hugging Face"
            ),
            "download the file, and type its path",
        ),
    ],
)
def test_a_reference_without_a_file(
    reference: str, error: type[Exception], message: str, hint: str
) -> None:
    Path("text.pth").write_text("hello")
    assert error_of(lambda: find(reference, UPSCALER)) == (error, message, hint)


def test_an_uncached_file_is_an_error_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    find("hf.co/acme/extra:one")
    set_offline(monkeypatch)
    error, message, _ = error_of(lambda: find("hf.co/acme/extra:one"))
    assert error is FetchError
    assert message == "hf.co/acme/extra:one.safetensors is not cached, and HF_HUB_OFFLINE is set"


def test_errors_are_about_the_argument() -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        find("missing.safetensors")
    assert caught.value.argument == "lora"
