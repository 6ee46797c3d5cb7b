"""Finding the LoRAs that options and the tags of a prompt name, and summing their weights."""

from collections.abc import Iterator
from pathlib import Path

import model_files as files
import pytest
from hub_steps import error_of
from loopback_hub import LoopbackHub

from gpustack_draw.errors import ModelNotFoundError, UsageError
from gpustack_draw.hub import Hub
from gpustack_draw.request.additions import LORA
from gpustack_draw.request.lora_tags import split_lora_tags
from gpustack_draw.request.loras import LoraOptions
from gpustack_draw.resolver.find_addition import AdditionFile, find_addition
from gpustack_draw.resolver.find_loras import FoundLora, find_loras
from gpustack_draw.resolver.lora_folder import LoraFolder

USUAL = "pytorch_lora_weights.safetensors"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GPUSTACK_DRAW_LORA_DIR", raising=False)


def write(*paths: str, trained_name: str = "") -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        metadata = {"ss_output_name": trained_name} if trained_name else None
        Path(path).write_bytes(files.safetensors_bytes(files.LORA, metadata))


def find_file(reference: str) -> AdditionFile:
    return find_addition(reference, LORA, Hub, argument="loras")


def find(prompt: str = "", loras: object = None, lora_dir: object = None) -> tuple[FoundLora, ...]:
    options = LoraOptions(loras=loras, lora_dir=lora_dir)
    return find_loras(options, split_lora_tags(prompt).tags, find_file)


def weights(*arguments: object) -> list[tuple[str, str, float, float]]:
    return [
        (each.name, each.file.label, each.weight, each.tag_weight)
        for each in find(*arguments)  # type: ignore[arg-type]
    ]


def test_options_name_files() -> None:
    write("a.safetensors", "sub/B c.safetensors")
    assert weights("", ["a.safetensors", "sub/B c.safetensors:-0.5"]) == [
        ("a", "a.safetensors", 1.0, 0.0),
        ("B c", "sub/B c.safetensors", -0.5, 0.0),
    ]


@pytest.mark.parametrize(
    ("prompt", "loras", "weight", "tag_weight"),
    [
        # A tag sets the weight of a LoRA that options name without one.
        ("<lora:a:0.5>", ["a.safetensors"], 0.5, 0.5),
        ("<lora:A:0.5>", ["a.safetensors"], 0.5, 0.5),
        # All weights add up.
        ("<lora:a:0.5>", ["a.safetensors:0.25"], 0.75, 0.5),
        ("<lora:a:0.5> x <lora:a>", ["a.safetensors"], 1.5, 1.5),
        ("<lora:a:0.1><lora:a:0.2>", ["a.safetensors"], 0.3, 0.3),
        ("", ["a.safetensors:0.5", "./a.safetensors:0.25"], 0.75, 0.0),
        ("", ["a.safetensors", "a.safetensors"], 2.0, 0.0),
        ("<lora:a:1><lora:a:-1>", ["a.safetensors"], 0.0, 0.0),
        ("", ["a.safetensors:0"], 0.0, 0.0),
    ],
)
def test_weights(prompt: str, loras: list[str], weight: float, tag_weight: float) -> None:
    write("a.safetensors")
    (found,) = find(prompt, loras)
    assert (found.weight, found.tag_weight) == (weight, tag_weight)


def test_tags_name_files_of_the_folder() -> None:
    write("loras/style.safetensors", "loras/sub/Ink.safetensors", "loras/sub/deep/x.safetensors")
    write("loras/readme.txt", "loras/style.pt")
    prompt = "<lora:STYLE:0.5> <lora:ink:1> <lora:sub/deep/x:2>"
    assert weights(prompt, None, "loras") == [
        ("STYLE", "loras/style.safetensors", 0.5, 0.5),
        ("ink", "loras/sub/Ink.safetensors", 1.0, 1.0),
        ("sub/deep/x", "loras/sub/deep/x.safetensors", 2.0, 2.0),
    ]


def test_the_exact_name_goes_first() -> None:
    write("loras/Style.safetensors", "loras/style.safetensors")
    assert weights("<lora:style:1>", None, "loras")[0][1] == "loras/style.safetensors"
    assert weights("<lora:Style:1>", None, "loras")[0][1] == "loras/Style.safetensors"


def test_the_name_of_the_training_counts_last() -> None:
    write("loras/x_v2.safetensors", trained_name="Neon")
    Path("loras/broken.safetensors").write_bytes(b"no")
    assert weights("<lora:neon:1>", None, "loras") == [("neon", "loras/x_v2.safetensors", 1.0, 1.0)]
    write("loras/neon.safetensors")
    assert weights("<lora:neon:1>", None, "loras")[0][1] == "loras/neon.safetensors"


def test_the_folder_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    write("mine/a.safetensors", "other/a.safetensors")
    monkeypatch.setenv("GPUSTACK_DRAW_LORA_DIR", "mine")
    assert weights("<lora:a:1>")[0][1] == "mine/a.safetensors"
    assert weights("<lora:a:1>", None, "other")[0][1] == "other/a.safetensors"
    monkeypatch.setenv("GPUSTACK_DRAW_LORA_DIR", "gone")
    assert weights("no tag") == []
    error, message, hint = error_of(lambda: find("<lora:a:1>"))
    assert error is ModelNotFoundError
    assert message == "there is no folder 'gone'"
    assert hint == "set GPUSTACK_DRAW_LORA_DIR to the folder of your LoRAs, or unset it"


def test_an_option_goes_before_the_folder() -> None:
    write("a.safetensors", "loras/a.safetensors")
    assert weights("<lora:a:1>", ["a.safetensors"], "loras") == [("a", "a.safetensors", 1.0, 1.0)]


def test_a_usual_name_is_replaced_by_that_of_the_folder() -> None:
    write(f"lcm/{USUAL}", "ink/lora.safetensors")
    assert weights("<lora:lcm:0.5>", [f"lcm/{USUAL}", "ink/lora.safetensors"]) == [
        ("lcm", f"lcm/{USUAL}", 0.5, 0.5),
        ("ink", "ink/lora.safetensors", 1.0, 0.0),
    ]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    hub = LoopbackHub()
    hub.use(monkeypatch, tmp_path)
    hub.add("acme/lcm-lora", {USUAL: files.safetensors_bytes(files.LORA)})
    yield hub
    hub.close()


def test_a_file_on_the_hub_has_the_name_of_its_repository(server: LoopbackHub) -> None:
    assert weights("", ["hf.co/acme/lcm-lora:0.5"]) == [
        ("lcm-lora", f"hf.co/acme/lcm-lora:{USUAL}", 0.5, 0.0)
    ]
    assert weights("<lora:lcm-lora:0.5>", ["hf.co/acme/lcm-lora"])[0][2] == 0.5


def test_names_can_be_written_into_tags() -> None:
    write("a,b:c<d>.safetensors")
    (found,) = find("", ["a,b:c<d>.safetensors"])
    assert found.name == "abcd"


HINT = "name its file with loras, or its folder with lora_dir, or leave the tag out"


@pytest.mark.parametrize(
    ("prompt", "loras", "lora_dir", "message", "hint"),
    [
        ("<lora:x:1>", None, None, "the LoRA 'x' of the prompt is not known", HINT),
        (
            "<lora:in:1>",
            ["a.safetensors"],
            None,
            "the LoRA 'in' of the prompt is not known; the nearest are 'a'",
            HINT,
        ),
        (
            "<lora:inn:1>",
            ["a.safetensors"],
            "loras",
            "the LoRA 'inn' of the prompt is not known; the nearest are 'ink', 'twice', 'a'",
            "name its file with loras, or put it into 'loras', or leave the tag out",
        ),
        (
            "<lora:twice:1>",
            None,
            "loras",
            (
                "'twice' is the name of 2 LoRAs in 'loras': one/twice.safetensors,"
                " two/twice.safetensors"
            ),
            "write the folder, too: <lora:one/twice:1>",
        ),
        (
            "",
            ["loras/one/twice.safetensors", "loras/two/twice.safetensors"],
            None,
            (
                "two LoRAs have the name 'twice': 'loras/one/twice.safetensors' and"
                " 'loras/two/twice.safetensors'"
            ),
            "rename one of the files: pictures record LoRAs by name",
        ),
        (
            "<lora:a:3>",
            ["a.safetensors:2"],
            None,
            "the weights of the LoRA 'a' add up to 5, which is not from -4 to 4",
            "name it once",
        ),
    ],
)
def test_a_name_without_one_lora(
    prompt: str, loras: object, lora_dir: object, message: str, hint: str
) -> None:
    write("a.safetensors", "loras/ink.safetensors")
    write("loras/one/twice.safetensors", "loras/two/twice.safetensors")
    assert error_of(lambda: find(prompt, loras, lora_dir)) == (UsageError, message, hint)


@pytest.mark.parametrize(
    ("path", "error", "message"),
    [
        ("gone", ModelNotFoundError, "there is no folder 'gone'"),
        ("file", ModelNotFoundError, "'file' is not a folder"),
        (" ", UsageError, "the folder of LoRAs is empty: ' '"),
    ],
)
def test_a_wrong_folder_is_refused(path: str, error: type[Exception], message: str) -> None:
    Path("file").touch()
    assert error_of(lambda: LoraFolder(path))[:2] == (error, message)
    assert error_of(lambda: find("", None, path))[:2] == (error, message)
